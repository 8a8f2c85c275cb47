//! What the encoder-decoders share that normalise after each residual branch: the Transformer of 2017, and BART.

mod config;
mod names;

pub(crate) use config::{ACTIVATIONS, FIXED, as_post_norm};
pub use config::{PlainActivation, PostNormConfig};
pub(crate) use names::tensor_names;

use nuwa_nn::{
    Attention, Context, CrossAttention, FeedForward, Initialisation, LayerInput, LayerNorm, Scope, run_blocks,
};
use nuwa_tensor::{DType, HeadLayout, Result, Tensor};

use crate::input::Pass;
use crate::{Cache, Memory, Text};

/// Of a matrix with so many inputs and outputs the first weights.
pub(crate) type Weights<'a> = &'a dyn Fn(usize, usize) -> Initialisation;

/// Added to variances by all norms.
pub(crate) const EPSILON: f32 = 1e-5;

/// The blocks of the encoder, and those of the decoder.
#[derive(Debug)]
pub(crate) struct Stacks {
    encoder: Vec<EncoderBlock>,
    decoder: Vec<DecoderBlock>,
    heads: HeadLayout,
}

#[derive(Debug, Clone)]
struct EncoderBlock {
    attention: Attention,
    attention_norm: LayerNorm,
    feed_forward: FeedForward,
    feed_forward_norm: LayerNorm,
}

#[derive(Debug, Clone)]
struct DecoderBlock {
    attention: Attention,
    attention_norm: LayerNorm,
    source: CrossAttention,
    source_norm: LayerNorm,
    feed_forward: FeedForward,
    feed_forward_norm: LayerNorm,
}

impl Stacks {
    /// Those of `config`, in the place `root`.
    pub fn new(mut root: Scope<'_>, config: &PostNormConfig, weights: Weights<'_>) -> Self {
        let (mut encoder, mut decoder) = (Vec::new(), Vec::new());
        for layer in 0..config.encoder_layers {
            encoder.push(EncoderBlock::new(root.child(&format!("encoder.layers.{layer}")), config, weights));
        }
        for layer in 0..config.decoder_layers {
            decoder.push(DecoderBlock::new(root.child(&format!("decoder.layers.{layer}")), config, weights));
        }
        Self { encoder, decoder, heads: config.decoder_heads() }
    }

    /// What the encoder makes of `x`, the embedded `source`.
    pub fn encode(
        &self,
        context: &Context<'_>,
        x: Tensor,
        source: &Text,
        mut pass: Pass<'_>,
    ) -> Result<Memory> {
        let rows = run_blocks(context, &self.encoder, x, &mut pass, EncoderBlock::forward)?;
        Ok(Memory::new(rows, source))
    }

    /// What the decoder makes of `x`, the embedded answers.
    pub fn decode(&self, context: &Context<'_>, x: Tensor, mut pass: Pass<'_>) -> Result<Tensor> {
        let hidden = run_blocks(context, &self.decoder, x, &mut pass, DecoderBlock::forward)?;
        pass.finish();
        Ok(hidden)
    }

    /// The layers that read a source.
    pub fn source_layers(&self) -> Vec<&CrossAttention> {
        self.decoder.iter().map(|block| &block.source).collect()
    }

    /// An empty cache of self-attention.
    pub fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        Cache::attention(self.decoder.len(), self.heads, capacity, dtype)
    }
}

impl EncoderBlock {
    fn new(mut scope: Scope<'_>, config: &PostNormConfig, weights: Weights<'_>) -> Self {
        let (width, inner) = (config.d_model, config.encoder_ffn_dim);
        Self {
            attention: attention(scope.child("attention"), width, config.encoder_heads(), weights),
            attention_norm: LayerNorm::new(scope.child("attention_norm"), width, EPSILON),
            feed_forward: feed_forward(scope.child("feed_forward"), [width, inner], config, weights),
            feed_forward_norm: LayerNorm::new(scope.child("feed_forward_norm"), width, EPSILON),
        }
    }

    fn forward(&self, context: &Context<'_>, x: &Tensor, input: LayerInput<'_>) -> Result<Tensor> {
        let x = self.attention.forward(context, x, x, input)?;
        let x = self.attention_norm.forward_residual(context.tape, &x)?;
        let x = self.feed_forward.forward(context, &x, &x)?;
        self.feed_forward_norm.forward_residual(context.tape, &x)
    }
}

impl DecoderBlock {
    fn new(mut scope: Scope<'_>, config: &PostNormConfig, weights: Weights<'_>) -> Self {
        let (width, inner, heads) = (config.d_model, config.decoder_ffn_dim, config.decoder_heads());
        let square = [weights(width, width); 3];
        Self {
            attention: attention(scope.child("attention"), width, heads, weights),
            attention_norm: LayerNorm::new(scope.child("attention_norm"), width, EPSILON),
            source: CrossAttention::new(scope.child("source"), width, heads, true, square),
            source_norm: LayerNorm::new(scope.child("source_norm"), width, EPSILON),
            feed_forward: feed_forward(scope.child("feed_forward"), [width, inner], config, weights),
            feed_forward_norm: LayerNorm::new(scope.child("feed_forward_norm"), width, EPSILON),
        }
    }

    fn forward(&self, context: &Context<'_>, x: &Tensor, mut input: LayerInput<'_>) -> Result<Tensor> {
        let source = input.take_source()?;
        let x = self.attention.forward(context, x, x, input)?;
        let x = self.attention_norm.forward_residual(context.tape, &x)?;
        let x = self.source.forward(context, &x, &x, &source)?;
        let x = self.source_norm.forward_residual(context.tape, &x)?;
        let x = self.feed_forward.forward(context, &x, &x)?;
        self.feed_forward_norm.forward_residual(context.tape, &x)
    }
}

fn attention(scope: Scope<'_>, width: usize, heads: HeadLayout, weights: Weights<'_>) -> Attention {
    Attention::new(scope, width, heads, [true; 2], [weights(width, width); 2])
}

fn feed_forward(
    scope: Scope<'_>,
    [width, inner]: [usize; 2],
    config: &PostNormConfig,
    weights: Weights<'_>,
) -> FeedForward {
    let weights = [weights(width, inner), weights(inner, width)];
    FeedForward::plain(scope, [width, inner], true, config.activation_function.into(), weights)
}
