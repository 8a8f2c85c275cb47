//! Low-rank adapters: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021).
//!
//! For a matrix `W` `[out, in]` of the model: `W = W0 + s B A` with `A` `[r, in]` normal at first, `B` `[out, r]` zero at
//! first, and `s = alpha / r`. `W0` stays as it was. The model computes with the sum itself, so any family can be tuned and
//! inference costs nothing; the gradients follow from that of `W`: `dA = s B^T dW`, `dB = s dW A^T`. Memory: `W0` (4 bytes
//! a weight) in place of AdamW's two means (8). A head that gives scores is new, and so may be the pooler before it: they are
//! trained whole beside them.

use nuwa_format::{Adapter, AdapterPart};
use nuwa_models::Model;
use nuwa_tensor::{Parameter, Parameters, ParametersBuilder, Random};
use nuwa_train::Adapters;
use rayon::prelude::*;

use crate::{Error, LoraSettings, Result};

/// Adapters on matrices of one model.
#[derive(Debug)]
pub struct LoraAdapters {
    parameters: Parameters,
    matrices: Vec<Matrix>,
    /// Parameters of the model that are trained whole, each with what stands for it here.
    whole: Vec<[Parameter; 2]>,
    rank: usize,
    alpha: f32,
}

#[derive(Debug)]
struct Matrix {
    weight: Parameter,
    start: Vec<f32>,
    a: Parameter,
    b: Parameter,
}

impl LoraAdapters {
    /// New adapters on `model`, all of whose own weights are frozen but for the gradient of the adapted ones.
    ///
    /// # Errors
    /// When a target names no matrix.
    pub fn new(model: &dyn Model, settings: &LoraSettings, seed: u64) -> Result<Self> {
        let targets = targets(model, settings)?;
        let mut builder = ParametersBuilder::new(seed);
        let matrices: Vec<Matrix> =
            targets.into_iter().map(|weight| Matrix::new(weight, settings.rank, &mut builder)).collect();
        let whole: Vec<[Parameter; 2]> =
            above_the_blocks(model).map(|own| [own.clone(), copy_of(own, &mut builder)]).collect();
        let trained = matrices.iter().map(|matrix| &matrix.weight).chain(whole.iter().map(|[own, _]| own));
        let trained: Vec<&str> = trained.map(|weight| weight.entry().path()).collect();
        for parameter in model.parameters().iter() {
            parameter.entry().set_trainable(trained.contains(&parameter.entry().path()));
        }
        let alpha = if settings.alpha == 0.0 { 2.0 * settings.rank as f32 } else { settings.alpha };
        Ok(Self { parameters: builder.finish(), matrices, whole, rank: settings.rank, alpha })
    }

    fn scale(&self) -> f32 {
        self.alpha / self.rank as f32
    }

    /// The adapters as files hold them: cut as the model's matrices are at Hugging Face.
    pub fn to_adapter(&self, model: &dyn Model) -> Adapter {
        let names = model.names();
        let mut parts = Vec::new();
        for matrix in &self.matrices {
            let path = matrix.weight.entry().path();
            let Some(name) = names.iter().find(|name| name.parameter == path) else { continue };
            let (a, b) = (matrix.a.to_host(), matrix.b.to_host());
            let mut row = 0;
            for (tensor, rows) in &name.parts {
                let factor = if row == 0 { name.first_factor } else { 1.0 };
                let own = b[row * self.rank..(row + rows) * self.rank].iter().map(|b| b * factor);
                row += rows;
                parts.push(AdapterPart {
                    tensor: tensor.clone(),
                    a: a.clone(),
                    b: name.order.there(&own.collect::<Vec<_>>(), self.rank),
                    rows: *rows,
                });
            }
        }
        Adapter { rank: self.rank, alpha: self.alpha, parts }
    }
}

impl Adapters for LoraAdapters {
    /// All `A` and `B`.
    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn take_gradient(&self, model: &Parameters) {
        let scale = self.scale();
        for matrix in &self.matrices {
            let dw = matrix.weight.gradient();
            matrix.a.set_gradient(|da| matrix.gradient_of_a(&dw, scale, da));
            matrix.b.set_gradient(|db| matrix.gradient_of_b(&dw, scale, db));
        }
        for [whole, own] in &self.whole {
            own.set_gradient(|gradient| gradient.copy_from_slice(&whole.gradient()));
        }
        model.clear_gradients();
    }

    /// Puts `W0` into the model.
    fn lift(&self) {
        self.matrices.iter().for_each(|matrix| matrix.weight.from_host(&matrix.start));
    }

    /// Puts `W0 + s B A` into the model.
    fn apply(&self) {
        let scale = self.scale();
        for [whole, own] in &self.whole {
            whole.from_host(&own.to_host());
        }
        for matrix in &self.matrices {
            let (a, b) = (matrix.a.to_host(), matrix.b.to_host());
            let (width, rank) = (matrix.weight.width(), self.rank);
            matrix.weight.set(|values| {
                let rows = values.par_chunks_mut(width).zip(matrix.start.par_chunks(width)).enumerate();
                rows.for_each(|(row, (values, start))| {
                    values.copy_from_slice(start);
                    for (a, &b) in a.chunks_exact(width).zip(&b[row * rank..]).take(rank) {
                        add_scaled(values, a, scale * b);
                    }
                });
            });
        }
    }
}

/// Of a model that scores, its head and the pooler before it.
fn above_the_blocks(model: &dyn Model) -> impl Iterator<Item = &Parameter> {
    let is_above = |parameter: &&Parameter| {
        let path = parameter.entry().path();
        path.starts_with("score.") || path.starts_with("pooler.")
    };
    let scores = model.score().is_some();
    model.parameters().iter().filter(move |parameter| scores && is_above(parameter))
}

/// A parameter that begins with the values of `weight`.
fn copy_of(weight: &Parameter, builder: &mut ParametersBuilder) -> Parameter {
    let values = weight.to_host();
    let path = weight.entry().path().to_string();
    let is_matrix = weight.shape().axes().len() == 2;
    builder.add(path, weight.shape().clone(), is_matrix, move |own, _| own.copy_from_slice(&values))
}

impl Matrix {
    fn new(weight: Parameter, rank: usize, builder: &mut ParametersBuilder) -> Self {
        let (path, width, rows) = (weight.entry().path().to_string(), weight.width(), weight.rows());
        let normal =
            move |values: &mut [f32], random: Random| random.fill_normal(values, (width as f32).powf(-0.5));
        let a = builder.add(format!("{path}.a"), [rank, width], true, normal);
        let b = builder.add(format!("{path}.b"), [rows, rank], true, |_, _| {});
        let start = weight.to_host();
        Self { weight, start, a, b }
    }

    /// `dA = s B^T dW`: each row of `A` sums all rows of `dW`.
    fn gradient_of_a(&self, dw: &[f32], scale: f32, da: &mut [f32]) {
        let (b, width, rank) = (self.b.to_host(), self.weight.width(), self.a.rows());
        da.par_chunks_mut(width).enumerate().for_each(|(row, da)| {
            for (dw, b) in dw.chunks_exact(width).zip(b.chunks_exact(rank)) {
                add_scaled(da, dw, scale * b[row]);
            }
        });
    }

    /// `dB = s dW A^T`.
    fn gradient_of_b(&self, dw: &[f32], scale: f32, db: &mut [f32]) {
        let (a, width, rank) = (self.a.to_host(), self.weight.width(), self.a.rows());
        db.par_chunks_mut(rank).zip(dw.par_chunks(width)).for_each(|(db, dw)| {
            for (db, a) in db.iter_mut().zip(a.chunks_exact(width)) {
                *db += scale * dot(dw, a);
            }
        });
    }
}

/// The matrices of the blocks whose names hold one of the targets; all of them where no target is named.
fn targets(model: &dyn Model, settings: &LoraSettings) -> Result<Vec<Parameter>> {
    let in_blocks = |parameter: &&Parameter| {
        // Of an encoder-decoder the blocks of both are below their names.
        let is_of_blocks = parameter.entry().path().split('.').any(|part| part == "layers");
        parameter.shape().axes().len() == 2 && is_of_blocks
    };
    let matrices: Vec<Parameter> = model.parameters().iter().filter(in_blocks).cloned().collect();
    for target in &settings.targets {
        if !matrices.iter().any(|matrix| matrix.entry().path().contains(target)) {
            return Err(Error::NoTarget { target: target.clone(), known: kinds(&matrices) });
        }
    }
    let wanted = |matrix: &Parameter| {
        settings.targets.is_empty()
            || settings.targets.iter().any(|target| matrix.entry().path().contains(target))
    };
    Ok(matrices.into_iter().filter(wanted).collect())
}

/// The names of a block's matrices, for a message.
fn kinds(matrices: &[Parameter]) -> String {
    let name = |matrix: &Parameter| {
        let path = matrix.entry().path();
        path.splitn(3, '.').nth(2).unwrap_or(path).trim_end_matches(".weight").to_string()
    };
    let names: std::collections::BTreeSet<String> = matrices.iter().map(name).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

fn add_scaled(to: &mut [f32], from: &[f32], factor: f32) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}

/// In lanes, so that the compiler may use vectors without changing the order of sums.
fn dot(one: &[f32], other: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0_f32; LANES];
    let (one, one_rest) = one.as_chunks::<LANES>();
    let (other, other_rest) = other.as_chunks::<LANES>();
    for (one, other) in one.iter().zip(other) {
        for lane in 0..LANES {
            sums[lane] += one[lane] * other[lane];
        }
    }
    let rest: f32 = one_rest.iter().zip(other_rest).map(|(one, other)| one * other).sum();
    sums.iter().sum::<f32>() + rest
}
