//! Steps of optimizers by formulas that are not fused into one pass: over blocks in host memory, with the device's products.
//!
//! With `g` the gradient after clipping, `r` the rate, `k` what decoupled weight decay keeps, `m` the first block of the state and
//! `v` the second, one step is
//!
//! - SGD with momentum (Sutskever et al. 2013, as PyTorch computes it): `m = b m + g`, `p = k p - r m`; with Nesterov's form
//!   `p = k p - r (g + b m)`.
//! - Lion (Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023): `p = k p - r sign(b1 m + (1 - b1) g)`,
//!   `m = b2 m + (1 - b2) g`.
//! - Muon (Jordan et al. 2024) for a matrix: `m = b m + (1 - b) g`, `p = k p - 0.2 sqrt(max(rows, columns)) r
//!   orthogonal((1 - b) g + b m)`. The factor gives the step the size that AdamW's has (Liu et al., "Muon is Scalable for LLM
//!   Training", 2025).
//! - Adafactor (Shazeer and Stern 2018, as PyTorch computes it): of a matrix the mean squares of rows and of columns stand for those
//!   of all elements.

use super::{Kernels, Means, Parameter, Parameters};
use crate::calls::{Formula, Step, Update};
use crate::parallel::{chunks, each_part};
use crate::simd::vectorised;

/// Elements a thread takes at a time.
const CHUNK: usize = 1 << 15;

/// The polynomial `a x + b x^3 + c x^5` of a step of Newton and Schulz's iteration, and how many steps there are.
const QUINTIC: [f32; 3] = [3.4445, -4.7750, 2.0315];
const STEPS: usize = 5;

/// The least norm that a matrix is divided by.
const LEAST_NORM: f64 = 1e-7;

/// The root mean square of AdamW's steps, which Muon's get too.
const USUAL_STEP: f32 = 0.2;

/// One parameter and its state.
struct Blocks<'a> {
    values: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

/// Changes all trainable parameters by their gradients, each by its own formula, and clears the gradients.
pub(crate) fn optimize(
    kernels: &dyn Kernels,
    parameters: &Parameters,
    means: Means<'_>,
    step: &dyn Fn(&Parameter) -> Step,
) {
    let Means { first, second } = means;
    for parameter in parameters.iter().filter(|parameter| parameter.entry().is_trainable()) {
        let (range, sizes) = (parameter.entry().range(), [parameter.rows(), parameter.width()]);
        let (step, gradient) = (step(parameter), parameter.gradient());
        parameter.set(|values| {
            kernels.edit(first, range.start, range.len(), &mut |first| {
                kernels.edit(second, range.start, range.len(), &mut |second| {
                    let (values, first) = (&mut *values, &mut *first);
                    apply(kernels, &step, sizes, Blocks { values, gradient: &gradient, first, second });
                });
            });
        });
    }
    parameters.clear_gradients();
}

fn apply(kernels: &dyn Kernels, step: &Step, sizes: [usize; 2], mut blocks: Blocks<'_>) {
    match step.formula {
        Formula::AdamW(update) => blocks.by_chunks(|piece| adamw(&update, piece)),
        Formula::Sgd { momentum, nesterov } => blocks.by_chunks(|piece| {
            sgd(step, momentum, nesterov, piece.values, piece.gradient, piece.first);
        }),
        Formula::Lion { betas } => {
            blocks.by_chunks(|piece| lion(step, betas, piece.values, piece.gradient, piece.first));
        }
        Formula::Muon { momentum } => muon(kernels, step, momentum, sizes, &mut blocks),
        Formula::Adafactor { .. } => adafactor(step, sizes, &mut blocks),
    }
    if step.shrink > 0.0 {
        each_part(chunks(blocks.values, CHUNK), |_, values| shrink(step.shrink, values));
    }
}

impl Blocks<'_> {
    fn by_chunks(&mut self, change: impl Fn(Blocks<'_>) + Sync) {
        let means = (chunks(self.first, CHUNK), chunks(self.second, CHUNK));
        each_part((chunks(self.values, CHUNK), means), |index, (values, (first, second))| {
            let gradient = &self.gradient[index * CHUNK..][..values.len()];
            change(Blocks { values, gradient, first, second });
        });
    }
}

fn adamw(update: &Update, piece: Blocks<'_>) {
    let Blocks { values, gradient, first, second } = piece;
    adamw_piece(update, values, gradient, first, second);
}

vectorised! {
    fn adamw_piece(update: &Update, values: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
        let Update { betas: [b1, b2], epsilon, keep, rate, root_scale, clip } = *update;
        let means = first.iter_mut().zip(second.iter_mut());
        for ((value, gradient), (m, v)) in values.iter_mut().zip(gradient).zip(means) {
            let g = *gradient * clip;
            *m = b1 * *m + (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            *value = *value * keep - rate * *m / (v.sqrt() * root_scale + epsilon);
        }
    }
}

vectorised! {
    fn sgd(step: &Step, momentum: f32, nesterov: bool, values: &mut [f32], gradient: &[f32], first: &mut [f32]) {
        let (keep, rate, clip) = (step.keep, step.rate, step.clip);
        // Nesterov's form looks one step of momentum ahead.
        let [fresh, kept] = if nesterov { [1.0, momentum] } else { [0.0, 1.0] };
        for ((value, gradient), m) in values.iter_mut().zip(gradient).zip(first) {
            let g = *gradient * clip;
            *m = momentum * *m + g;
            *value = *value * keep - rate * (fresh * g + kept * *m);
        }
    }
}

vectorised! {
    fn lion(step: &Step, betas: [f32; 2], values: &mut [f32], gradient: &[f32], first: &mut [f32]) {
        let (keep, rate, clip, [b1, b2]) = (step.keep, step.rate, step.clip, betas);
        for ((value, gradient), m) in values.iter_mut().zip(gradient).zip(first) {
            let g = *gradient * clip;
            let direction = b1 * *m + (1.0 - b1) * g;
            let sign = if direction > 0.0 { 1.0 } else if direction < 0.0 { -1.0 } else { 0.0 };
            *value = *value * keep - rate * sign;
            *m = b2 * *m + (1.0 - b2) * g;
        }
    }
}

vectorised! {
    /// Each value nearer to 0 by `by`, as far as 0.
    fn shrink(by: f32, values: &mut [f32]) {
        for value in values {
            *value -= value.clamp(-by, by);
        }
    }
}

fn muon(kernels: &dyn Kernels, step: &Step, momentum: f32, sizes: [usize; 2], blocks: &mut Blocks<'_>) {
    let direction = blocks.first.iter_mut().zip(blocks.gradient).map(|(m, gradient)| {
        let g = *gradient * step.clip;
        *m += (1.0 - momentum) * (g - *m);
        g + momentum * (*m - g)
    });
    let direction = orthogonal(kernels, direction.collect(), sizes);
    let rate = step.rate * USUAL_STEP * (sizes[0].max(sizes[1]) as f32).sqrt();
    for (value, direction) in blocks.values.iter_mut().zip(direction) {
        *value = *value * step.keep - rate * direction;
    }
}

/// About the orthogonal matrix nearest to a matrix of so many rows and columns: with its singular values between 0.7 and 1.2 in
/// place of what they were. The iteration runs on the shorter side.
fn orthogonal(kernels: &dyn Kernels, matrix: Vec<f32>, [rows, columns]: [usize; 2]) -> Vec<f32> {
    if rows > columns {
        let wide = orthogonal(kernels, transposed(&matrix, columns), [columns, rows]);
        return transposed(&wide, rows);
    }
    let norm = sum_of_squares(matrix.iter()).sqrt().max(LEAST_NORM);
    let mut x: Vec<f32> = matrix.iter().map(|value| (f64::from(*value) / norm) as f32).collect();
    let [a, b, c] = QUINTIC;
    let (mut gram, mut square) = (vec![0.0; rows * rows], vec![0.0; rows * rows]);
    let mut moved = vec![0.0; x.len()];
    for _ in 0..STEPS {
        kernels.host_product([&x, &x], [rows, columns, rows], true, &mut gram);
        // A product of a symmetric matrix with itself.
        kernels.host_product([&gram, &gram], [rows, rows, rows], true, &mut square);
        square.iter_mut().zip(&gram).for_each(|(square, gram)| *square = b * gram + c * *square);
        kernels.host_product([&square, &x], [rows, rows, columns], false, &mut moved);
        x.iter_mut().zip(&moved).for_each(|(x, moved)| *x = a * *x + moved);
    }
    x
}

fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows = matrix.len() / columns.max(1);
    (0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])).collect()
}

fn sum_of_squares<'a>(values: impl Iterator<Item = &'a f32>) -> f64 {
    values.map(|value| f64::from(*value).powi(2)).sum()
}

/// With mean squares of rows, then of columns, at the start of the second block; of a vector, or a matrix of one row or column, those
/// of all elements.
fn adafactor(step: &Step, [rows, columns]: [usize; 2], blocks: &mut Blocks<'_>) {
    let Formula::Adafactor { fresh, relative, epsilons: [least, least_size], largest } = step.formula else {
        return;
    };
    let count = blocks.values.len() as f64;
    let size = (sum_of_squares(blocks.values.iter()) / count).sqrt() as f32;
    let g = |index: usize| blocks.gradient[index] * step.clip;
    let is_factored = rows > 1 && columns > 1;
    let mut update: Vec<f32> = if is_factored {
        let (of_rows, rest) = blocks.second.split_at_mut(rows);
        let of_columns = &mut rest[..columns];
        let mut sums = vec![0.0_f64; columns];
        for (row, mean) in of_rows.iter_mut().enumerate() {
            let mut all = 0.0;
            for (column, sum) in sums.iter_mut().enumerate() {
                let square = f64::from(g(row * columns + column)).powi(2);
                *sum += square;
                all += square;
            }
            *mean += fresh * ((all / columns as f64) as f32 - *mean);
        }
        for (mean, sum) in of_columns.iter_mut().zip(sums) {
            *mean += fresh * ((sum / rows as f64) as f32 - *mean);
        }
        let mean = (of_rows.iter().map(|mean| f64::from(*mean)).sum::<f64>() / rows as f64) as f32;
        let mean = mean.max(least);
        let of = |index: usize| of_rows[index / columns] * of_columns[index % columns] / mean;
        (0..rows * columns).map(|index| g(index) / of(index).max(least * least).sqrt()).collect()
    } else {
        let means = blocks.second.iter_mut().enumerate();
        let of = means.map(|(index, mean)| {
            *mean += fresh * (g(index).powi(2) - *mean);
            g(index) / mean.max(least * least).sqrt()
        });
        of.collect()
    };
    let norm = (sum_of_squares(update.iter()) / count).sqrt() as f32;
    let rate = size.max(least_size) * step.rate.min(relative) / (norm / largest).max(1.0);
    update.iter_mut().for_each(|update| *update *= rate);
    for (value, update) in blocks.values.iter_mut().zip(update) {
        *value = *value * step.keep - update;
    }
}
