use std::sync::{Arc, Mutex, PoisonError};

use nuwa_tensor::{
    AttentionMask, AttentionOptions, CachedRows, Error, HeadLayout, LayerRouter, Result, RotaryTable, Tensor,
};

use crate::position_bias::BiasOfPass;
use crate::{Carried, Context, HeadNorm, Initialisation, Linear, PositionBias, Scope, Source, residual};

/// Which keys the queries of a pass attend to, and the same within each window that a layer asked for: made once, however many
/// layers have it.
#[derive(Debug, Clone)]
pub struct PassMask {
    whole: AttentionMask,
    within: Arc<Mutex<Vec<(usize, AttentionMask)>>>,
}

impl PassMask {
    /// For a pass in which no layer attends beyond `mask`.
    pub fn new(mask: AttentionMask) -> Self {
        Self { whole: mask, within: Arc::default() }
    }

    /// Positions of a sequence.
    pub(crate) fn length(&self) -> usize {
        self.whole.length()
    }

    fn within(&self, window: Option<usize>) -> AttentionMask {
        let Some(window) = window else { return self.whole.clone() };
        let mut within = self.within.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, mask)) = within.iter().find(|(known, _)| *known == window) {
            return mask.clone();
        }
        let mask = self.whole.clone().within_window(window);
        within.push((window, mask.clone()));
        mask
    }
}

/// Which keys the queries of one layer attend to.
#[derive(Debug)]
pub enum Keys<'a> {
    /// Those of the same pass that a mask names.
    Pass(&'a PassMask),
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
    /// Where a router writes how it shared the rows, where that is wanted.
    pub router: Option<LayerRouter>,
    /// What a decoder reads besides its own rows, where there is an encoder.
    pub source: Option<Source<'a>>,
    /// Which rows follow which, and what comes before them, for layers that carry a state along.
    pub carried: Carried<'a>,
}

impl<'a> LayerInput<'a> {
    /// What a decoder reads besides its own rows.
    ///
    /// # Errors
    /// When there is none.
    pub fn take_source(&mut self) -> Result<Source<'a>> {
        self.source.take().ok_or_else(|| Error::Shape {
            operation: "cross_attention",
            reason: "the decoder reads a source, and there is none".into(),
        })
    }
}

/// Multi-head self-attention with its projections (Vaswani et al. 2017).
#[derive(Debug, Clone)]
pub struct Attention {
    qkv: Linear,
    output: Linear,
    heads: HeadLayout,
    norm: Option<HeadNorm>,
    rotary: Option<RotaryTable>,
    bias: Option<PositionBias>,
    window: Option<usize>,
    scale: Option<f32>,
    drops_weights: bool,
}

impl Attention {
    /// Over rows of `width`; parameters `qkv` `[queries | keys | values, width]` and `output`. `biases` says which of the two has
    /// one; `weights` are those of the first, and of the second.
    pub fn new(
        mut scope: Scope<'_>,
        width: usize,
        heads: HeadLayout,
        biases: [bool; 2],
        weights: [Initialisation; 2],
    ) -> Self {
        Self {
            qkv: Linear::new(scope.child("qkv"), width, heads.width(), biases[0], weights[0]),
            output: Linear::new(scope.child("output"), heads.query_width(), width, biases[1], weights[1]),
            heads,
            norm: None,
            rotary: None,
            bias: None,
            window: None,
            scale: None,
            drops_weights: false,
        }
    }

    /// The same with queries and keys turned by their position (Su et al. 2021).
    #[must_use]
    pub fn with_rotary(self, table: &RotaryTable) -> Self {
        Self { rotary: Some(table.clone()), ..self }
    }

    /// The same with a bias of the scores by position.
    #[must_use]
    pub fn with_bias(self, positions: &PositionBias) -> Self {
        Self { bias: Some(positions.clone()), ..self }
    }

    /// The same with queries and keys normalised before they are turned.
    #[must_use]
    pub fn with_head_norm(self, norm: HeadNorm) -> Self {
        Self { norm: Some(norm), ..self }
    }

    /// The same, but each query attends to at most `window` keys up to and including its own position (Beltagy et al. 2020).
    #[must_use]
    pub fn with_window(self, window: Option<usize>) -> Self {
        Self { window, ..self }
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
        if let Some(norm) = &self.norm {
            qkv = norm.forward(tape, &qkv, self.heads)?;
        }
        if let Some(table) = &self.rotary {
            qkv = tape.rotary(&qkv, self.heads, input.positions, table)?;
        }
        let dropout = context.attention_dropout(self.drops_weights);
        let bias = self.bias.as_ref().map(|bias| bias.of_pass(tape, &input)).transpose()?;
        let bias = bias.as_ref().map(BiasOfPass::get);
        let options = AttentionOptions { scale: self.scale, dropout, bias };
        let attention = match input.keys {
            Keys::Pass(mask) => tape.attention(&qkv, self.heads, &mask.within(self.window), options)?,
            Keys::Cached(mut rows) => {
                tape.cached_attention(&qkv, self.heads, &mut rows, self.window, options)?
            }
        };
        residual(context, x, &attention, &self.output)
    }
}
