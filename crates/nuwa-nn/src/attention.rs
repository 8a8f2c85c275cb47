use std::sync::Arc;

use nuwa_tensor::{AttentionMask, AttentionOptions, CachedRows, HeadLayout, Result, RotaryTable, Tensor};

use crate::{Context, Initialisation, Linear, Scope, residual};

/// Which keys the queries of one layer attend to.
#[derive(Debug)]
pub enum Keys<'a> {
    /// Those of the same pass that a mask names.
    Pass(&'a AttentionMask),
    /// Those of each sequence so far and of its new rows.
    Cached(Vec<CachedRows<'a>>),
}

/// What one layer has to know of the rows it is given.
#[derive(Debug)]
pub struct LayerInput<'a> {
    /// The position of each row in its document.
    pub positions: &'a Arc<[u32]>,
    /// Which keys the queries attend to.
    pub keys: Keys<'a>,
}

/// Multi-head self-attention with its projections (Vaswani et al. 2017).
#[derive(Debug, Clone)]
pub struct Attention {
    qkv: Linear,
    output: Linear,
    heads: HeadLayout,
    rotary: Option<RotaryTable>,
    drops_weights: bool,
}

impl Attention {
    /// Over rows of `width`; parameters `qkv` `[queries | keys | values, width]` and `output`, both with or without `bias`.
    /// `weights` are those of the first, and of the second.
    pub fn new(
        mut scope: Scope<'_>,
        width: usize,
        heads: HeadLayout,
        bias: bool,
        weights: [Initialisation; 2],
    ) -> Self {
        Self {
            qkv: Linear::new(scope.child("qkv"), width, heads.width(), bias, weights[0]),
            output: Linear::new(scope.child("output"), heads.query_width(), width, bias, weights[1]),
            heads,
            rotary: None,
            drops_weights: false,
        }
    }

    /// The same with queries and keys turned by their position (Su et al. 2021).
    #[must_use]
    pub fn with_rotary(self, table: &RotaryTable) -> Self {
        Self { rotary: Some(table.clone()), ..self }
    }

    /// The same with dropout of the weights of attention too.
    #[must_use]
    pub fn with_dropout_of_weights(self) -> Self {
        Self { drops_weights: true, ..self }
    }

    /// `x + dropout(attention(rows))`.
    ///
    /// # Errors
    /// When shapes do not fit, a position is beyond the rotary table, or a cache is full.
    pub fn forward(
        &self,
        context: &Context<'_>,
        x: &Tensor,
        rows: &Tensor,
        input: LayerInput<'_>,
    ) -> Result<Tensor> {
        let tape = context.tape;
        let mut qkv = self.qkv.forward(tape, rows)?;
        if let Some(table) = &self.rotary {
            qkv = tape.rotary(&qkv, self.heads, input.positions, table)?;
        }
        let dropout = if self.drops_weights { context.dropout } else { 0.0 };
        let options = AttentionOptions { dropout, ..AttentionOptions::default() };
        let attention = match input.keys {
            Keys::Pass(mask) => tape.attention(&qkv, self.heads, mask, options)?,
            Keys::Cached(mut rows) => tape.cached_attention(&qkv, self.heads, &mut rows, None, options)?,
        };
        residual(context, x, &attention, &self.output)
    }
}
