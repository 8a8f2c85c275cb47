use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{HeadLayout, Result, Tensor};

use crate::{Attention, Context, CrossAttention, FeedForward, Initialisation, LayerInput, LayerNorm, Scope};

/// The sizes of a [`PostNormBlock`], and what its layers begin with.
pub struct PostNorm<'a> {
    /// Features of a row.
    pub width: usize,
    /// Those of the feed-forward layer.
    pub inner: usize,
    /// How packed rows are cut into heads.
    pub heads: HeadLayout,
    /// Of the feed-forward layer.
    pub activation: Activation,
    /// Added to variances.
    pub epsilon: f32,
    /// Of a matrix with so many inputs and outputs the first weights.
    pub weights: &'a dyn Fn(usize, usize) -> Initialisation,
    /// Whether it attends to a source too.
    pub reads_source: bool,
    /// Whether dropout falls on the weights of attention as well.
    pub drops_weights: bool,
}

/// A block of layers each of which is normalised after its residual branch (Vaswani et al. 2017): `x = norm(x + attention(x))`, of a
/// decoder `x = norm(x + attention(x, source))`, and `x = norm(x + W_2 f(W_1 x + b_1) + b_2)`.
#[derive(Debug, Clone)]
pub struct PostNormBlock {
    attention: Attention,
    attention_norm: LayerNorm,
    source: Option<(CrossAttention, LayerNorm)>,
    feed_forward: FeedForward,
    feed_forward_norm: LayerNorm,
}

impl PostNormBlock {
    /// Its layers are `attention`, `attention_norm`, `source`, `source_norm`, `feed_forward` and `feed_forward_norm` in the scope.
    pub fn new(mut scope: Scope<'_>, shape: &PostNorm<'_>) -> Self {
        let PostNorm { width, inner, heads, activation, epsilon, weights, .. } = *shape;
        let square = weights(width, width);
        let attention = Attention::new(scope.child("attention"), width, heads, [true; 2], [square; 2]);
        Self {
            attention: if shape.drops_weights { attention.with_dropout_of_weights() } else { attention },
            attention_norm: LayerNorm::new(scope.child("attention_norm"), width, epsilon),
            source: shape.reads_source.then(|| {
                let source = CrossAttention::new(scope.child("source"), width, heads, true, [square; 3]);
                let source = if shape.drops_weights { source.with_dropout_of_weights() } else { source };
                (source, LayerNorm::new(scope.child("source_norm"), width, epsilon))
            }),
            feed_forward: FeedForward::plain(
                scope.child("feed_forward"),
                [width, inner],
                true,
                activation,
                [weights(width, inner), weights(inner, width)],
            ),
            feed_forward_norm: LayerNorm::new(scope.child("feed_forward_norm"), width, epsilon),
        }
    }

    /// The layer that reads a source, where there is one.
    pub fn source_layer(&self) -> Option<&CrossAttention> {
        self.source.as_ref().map(|(layer, _)| layer)
    }

    /// The rows `[n, width]` behind it.
    ///
    /// # Errors
    /// When the width differs, or a block that reads a source is given none.
    pub fn forward(&self, context: &Context<'_>, x: &Tensor, mut input: LayerInput<'_>) -> Result<Tensor> {
        let tape = context.tape;
        let source = self.source.as_ref().map(|_| input.take_source()).transpose()?;
        let x = self.attention.forward(context, x, x, input)?;
        let mut x = self.attention_norm.forward_residual(tape, &x)?;
        if let Some(((layer, norm), source)) = self.source.as_ref().zip(source) {
            x = norm.forward_residual(tape, &layer.forward(context, &x, &x, &source)?)?;
        }
        let x = self.feed_forward.forward(context, &x, &x)?;
        self.feed_forward_norm.forward_residual(tape, &x)
    }
}
