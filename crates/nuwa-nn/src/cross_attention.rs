use std::sync::{Arc, Mutex, PoisonError};

use nuwa_tensor::{
    AttentionMask, AttentionOptions, DType, HeadLayout, KeptRows, KeyValueCache, Result, Tape, Tensor,
};

use crate::{Context, Initialisation, Linear, Scope, residual};

/// What a decoder reads besides its own rows.
#[derive(Debug)]
pub enum Source<'a> {
    /// The rows of an encoder, `[m, width]`, and which of them each query sees.
    Pass {
        /// The rows.
        rows: &'a Tensor,
        /// Which of them each query sees.
        mask: &'a AttentionMask,
        /// Where the layers write how much each query attends to each of them, where that is wanted.
        log: Option<&'a SourceLog>,
    },
    /// What the layer keeps of the source of each sequence.
    Kept(Vec<KeptRows<'a>>),
}

/// How much the rows of a decoder attend to those of an encoder, layer by layer: a mean over heads, `[n, m]`, whose rows add up to 1.
#[derive(Debug, Clone, Default)]
pub struct SourceLog(Arc<Mutex<Vec<Vec<f32>>>>);

impl SourceLog {
    /// What the layers wrote, from the first block on.
    pub fn take(&self) -> Vec<Vec<f32>> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, weights: Vec<f32>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(weights);
    }
}

/// Multi-head attention from the rows of a decoder to those of an encoder (Vaswani et al. 2017).
#[derive(Debug, Clone)]
pub struct CrossAttention {
    queries: Linear,
    memory: Linear,
    output: Linear,
    heads: HeadLayout,
    scale: Option<f32>,
    drops_weights: bool,
}

impl CrossAttention {
    /// Over rows of `width`; parameters `queries`, `memory` `[keys | values, width]` and `output`. `bias` says whether all of them
    /// have one; `weights` are those of queries, of keys and values, and of the output.
    pub fn new(
        mut scope: Scope<'_>,
        width: usize,
        heads: HeadLayout,
        bias: bool,
        [queries, memory, output]: [Initialisation; 3],
    ) -> Self {
        Self {
            queries: Linear::new(scope.child("queries"), width, heads.query_width(), bias, queries),
            memory: Linear::new(scope.child("memory"), width, heads.memory_width(), bias, memory),
            output: Linear::new(scope.child("output"), heads.query_width(), width, bias, output),
            heads,
            scale: None,
            drops_weights: false,
        }
    }

    /// The same with scores multiplied by `scale` instead of `1 / sqrt(head_dim)`.
    #[must_use]
    pub fn with_scale(self, scale: f32) -> Self {
        Self { scale: Some(scale), ..self }
    }

    /// The same with dropout of the weights of attention too.
    #[must_use]
    pub fn with_dropout_of_weights(self) -> Self {
        Self { drops_weights: true, ..self }
    }

    /// `x + dropout(attention(rows, source))`.
    ///
    /// # Errors
    /// When shapes do not fit, or nothing is kept of a source.
    pub fn forward(
        &self,
        context: &Context<'_>,
        x: &Tensor,
        rows: &Tensor,
        source: &Source<'_>,
    ) -> Result<Tensor> {
        let tape = context.tape;
        let queries = self.queries.forward(tape, rows)?;
        let dropout = context.attention_dropout(self.drops_weights);
        let options = AttentionOptions { scale: self.scale, dropout, bias: None };
        let attention = match source {
            Source::Pass { rows, mask, log } => {
                let memory = self.memory.forward(tape, &tape.fork(rows)?)?;
                if let Some(log) = log {
                    log.push(self.weights(tape, &queries, &memory, mask)?);
                }
                tape.cross_attention(&queries, &memory, self.heads, mask, options)?
            }
            Source::Kept(sequences) => tape.attention_over_kept(&queries, self.heads, sequences, options)?,
        };
        residual(context, x, &attention, &self.output)
    }

    /// How much each query attends to each row of `memory`. Where the values of some rows are features of their own, 1 there and 0
    /// elsewhere, what attention gives is their weights: a head has room for `head_dim` of them at a time.
    fn weights(
        &self,
        tape: &Tape,
        queries: &Tensor,
        memory: &Tensor,
        mask: &AttentionMask,
    ) -> Result<Vec<f32>> {
        let HeadLayout { heads, head_dim, .. } = self.heads;
        let (width, rows) = (self.heads.memory_width(), memory.rows());
        let options = AttentionOptions { scale: self.scale, ..AttentionOptions::default() };
        let keys = memory.to_host();
        let mut weights = vec![0.0; queries.rows() * rows];
        for first in (0..rows).step_by(head_dim) {
            let some = first..(first + head_dim).min(rows);
            let mut marked = keys.clone();
            for (row, values) in marked.chunks_exact_mut(width).enumerate() {
                let values = &mut values[self.heads.key_width()..];
                values.fill(0.0);
                if some.contains(&row) {
                    values.iter_mut().skip(row - first).step_by(head_dim).for_each(|value| *value = 1.0);
                }
            }
            let marked = tape.constant([rows, width], &marked)?;
            let found = tape.cross_attention(queries, &marked, self.heads, mask, options)?.to_host();
            for (weights, found) in weights.chunks_exact_mut(rows).zip(found.chunks_exact(heads * head_dim)) {
                for of_head in found.chunks_exact(head_dim) {
                    let own = weights[some.clone()].iter_mut().zip(of_head);
                    own.for_each(|(weight, found)| *weight += found / heads as f32);
                }
            }
        }
        Ok(weights)
    }

    /// The keys and values of the rows of an encoder, `[m, keys | values]`.
    ///
    /// # Errors
    /// When the width differs.
    pub fn memory(&self, tape: &Tape, rows: &Tensor) -> Result<Tensor> {
        self.memory.forward(tape, rows)
    }

    /// Rows that [`CrossAttention::memory`] gave, kept in `dtype` to be read while an answer is written.
    ///
    /// # Errors
    /// When they need a gradient.
    pub fn keep(&self, tape: &Tape, memory: &Tensor, dtype: DType) -> Result<KeyValueCache> {
        let mut cache = KeyValueCache::new(self.heads, memory.rows(), dtype);
        tape.keep_memory(memory, self.heads, &mut cache)?;
        Ok(cache)
    }
}

#[cfg(test)]
mod tests {
    use nuwa_tensor::{ParametersBuilder, Random};

    use super::*;

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut values = vec![0.0; count];
        Random::new(seed).fill_normal(&mut values, 1.0);
        values
    }

    /// `rows W^T + b`, of the outputs from `first` on.
    fn projected(layer: &Linear, rows: &[f32], first: usize, outputs: usize) -> Vec<f64> {
        let (weight, bias) = (layer.weight().to_host(), layer.bias().unwrap().to_host());
        let width = layer.weight().shape().axes()[1];
        let output = |row: &[f32], o: usize| {
            let dot = row.iter().zip(&weight[o * width..]).map(|(x, w)| f64::from(*x) * f64::from(*w));
            f64::from(bias[o]) + dot.sum::<f64>()
        };
        rows.chunks_exact(width)
            .flat_map(|row| (first..first + outputs).map(move |o| output(row, o)))
            .collect()
    }

    /// More rows than a head has features, so that they are marked in several turns.
    #[test]
    fn the_log_holds_the_mean_weights_of_all_heads() {
        let (width, heads) = (6, HeadLayout { heads: 2, kv_heads: 2, head_dim: 3 });
        let mut builder = ParametersBuilder::new(3);
        let weights = [Initialisation::Normal(0.8); 3];
        let layer = CrossAttention::new(Scope::root(&mut builder), width, heads, true, weights);
        let _parameters = builder.finish();
        let (rows, memory) = (numbers(4 * width, 1), numbers(8 * width, 2));
        let tape = Tape::inference();
        let [x, encoded] =
            [(4, &rows), (8, &memory)].map(|(n, rows)| tape.constant([n, width], rows).unwrap());
        let (mask, log) = (AttentionMask::full_memory(1, [4, 8]), SourceLog::default());
        let source = Source::Pass { rows: &encoded, mask: &mask, log: Some(&log) };
        layer.forward(&Context::new(&tape), &x, &x, &source).unwrap();
        let found = log.take().remove(0);
        let queries = projected(&layer.queries, &rows, 0, width);
        let keys = projected(&layer.memory, &memory, 0, width);
        for row in 0..4 {
            let of_head = |head: usize| {
                let part = |all: &[f64], row: usize| all[row * width + 3 * head..][..3].to_vec();
                let scores: Vec<f64> = (0..8)
                    .map(|key| {
                        let (q, k) = (part(&queries, row), part(&keys, key));
                        (q.iter().zip(&k).map(|(q, k)| q * k).sum::<f64>() / 3_f64.sqrt()).exp()
                    })
                    .collect();
                let total: f64 = scores.iter().sum();
                scores.into_iter().map(move |score| score / total).collect::<Vec<f64>>()
            };
            let expected = of_head(0).into_iter().zip(of_head(1)).map(|(a, b)| (a + b) / 2.0);
            for (found, expected) in found[row * 8..].iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-5, "row {row}: {found} {expected}");
            }
        }
        assert!(log.take().is_empty());
    }
}
