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
                tape.cross_attention(&queries, &memory, self.heads, mask, options)?
            }
            Source::Kept(sequences) => tape.attention_over_kept(&queries, self.heads, sequences, options)?,
        };
        residual(context, x, &attention, &self.output)
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
