use nuwa_tensor::{AttentionMask, AttentionOptions, DType, HeadLayout, KeptRows, KeyValueCache, Result, Tape, Tensor};

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
    },
    /// What the layer keeps of the source of each sequence.
    Kept(Vec<KeptRows<'a>>),
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
        let dropout = if self.drops_weights { context.dropout } else { 0.0 };
        let options = AttentionOptions { scale: self.scale, dropout, bias: None };
        let attention = match source {
            Source::Pass { rows, mask } => {
                let memory = self.memory.forward(tape, &tape.fork(rows)?)?;
                if let Some(weights) = context.source_weights {
                    weights.note(self.weights(tape, [&queries, &memory], mask, options)?);
                }
                tape.cross_attention(&queries, &memory, self.heads, mask, options)?
            }
            Source::Kept(sequences) => tape.attention_over_kept(&queries, self.heads, sequences, options)?,
        };
        residual(context, x, &attention, &self.output)
    }

    /// The weights of attention of each row of queries, the mean over heads. They are what attention gives where each row of the source
    /// has the value 1 in a place of its own and 0 in all others, as many rows at a time as a head has places.
    fn weights(
        &self,
        tape: &Tape,
        [queries, memory]: [&Tensor; 2],
        mask: &AttentionMask,
        options: AttentionOptions<'_>,
    ) -> Result<Vec<Vec<f32>>> {
        let (heads, width) = (self.heads, self.heads.memory_width());
        let (rows, places) = (memory.rows(), heads.head_dim);
        let own = memory.to_host();
        let mut weights = vec![vec![0.0; rows]; queries.rows()];
        for first in (0..rows).step_by(places) {
            let mut marked = own.clone();
            for (row, values) in marked.chunks_exact_mut(width).map(|row| &mut row[heads.key_width()..]).enumerate() {
                values.fill(0.0);
                if (first..first + places).contains(&row) {
                    values.chunks_exact_mut(places).for_each(|head| head[row - first] = 1.0);
                }
            }
            let marked = tape.constant([rows, width], &marked)?;
            let found = tape.cross_attention(queries, &marked, heads, mask, options)?.to_host();
            for (weights, found) in weights.iter_mut().zip(found.chunks_exact(heads.query_width())) {
                for head in found.chunks_exact(places) {
                    let some = weights[first..].iter_mut().zip(head);
                    some.for_each(|(weight, own)| *weight += own / heads.heads as f32);
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
    use nuwa_tensor::ParametersBuilder;

    use super::*;
    use crate::SourceWeights;

    /// `softmax(scale q k^T)` in f64, the mean over heads, each query seeing its own part of the source.
    #[test]
    fn the_weights_are_those_of_the_definition() {
        let heads = HeadLayout { heads: 2, kv_heads: 2, head_dim: 3 };
        let mut builder = ParametersBuilder::new(3);
        let scope = Scope::root(&mut builder).child("source");
        let layer = CrossAttention::new(scope, 6, heads, true, [Initialisation::Normal(1.0); 3]).with_scale(0.7);
        let _parameters = builder.finish();
        let tape = Tape::inference();
        let numbers = |count: usize, factor: f32| (0..count).map(|at| (at as f32 * factor).sin()).collect::<Vec<f32>>();
        let rows = tape.constant([3, 6], &numbers(18, 0.7)).unwrap();
        let source = tape.constant([5, 6], &numbers(30, 1.3)).unwrap();
        let ranges = vec![[0, 5], [1, 5], [2, 3]];
        let mask = AttentionMask::over_memory(1, [3, 5], ranges.clone()).unwrap();
        let log = SourceWeights::default();
        let context = Context::new(&tape).with_source_weights(&log);
        layer.forward(&context, &rows, &rows, &Source::Pass { rows: &source, mask: &mask }).unwrap();
        let queries = layer.queries.forward(&tape, &rows).unwrap().to_host();
        let memory = layer.memory.forward(&tape, &source).unwrap().to_host();
        for (row, found) in log.rows().into_iter().enumerate() {
            let mut expected = vec![0.0; 5];
            for head in 0..2 {
                let score = |key: usize| -> f64 {
                    let of = |at: usize| f64::from(queries[row * 6 + head * 3 + at]) * f64::from(memory[key * 12 + head * 3 + at]);
                    0.7 * (0..3).map(of).sum::<f64>()
                };
                let [first, end] = ranges[row].map(|end| end as usize);
                let total: f64 = (first..end).map(|key| score(key).exp()).sum();
                (first..end).for_each(|key| expected[key] += score(key).exp() / total / 2.0);
            }
            for (found, expected) in found.iter().zip(&expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-5, "row {row}: {found} {expected}");
            }
        }
    }
}
