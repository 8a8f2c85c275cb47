//! What the encoder-decoders share that normalise after each residual branch: the Transformer of 2017, and BART.

mod config;
mod names;

pub(crate) use config::{ACTIVATIONS, FIXED, as_post_norm};
pub use config::{PlainActivation, PostNormConfig};
pub(crate) use names::tensor_names;

use nuwa_nn::{Context, CrossAttention, Initialisation, PostNorm, PostNormBlock, Scope, run_blocks};
use nuwa_tensor::{DType, HeadLayout, Parameter, Result, Tensor};

use crate::input::Pass;
use crate::{Cache, Memory, Text};

/// Of a matrix with so many inputs and outputs the first weights.
pub(crate) type Weights<'a> = &'a dyn Fn(usize, usize) -> Initialisation;

/// Added to variances by all norms.
pub(crate) const EPSILON: f32 = 1e-5;

/// What is added to the logits of tokens, which is not trained, of a model that gives some.
pub(crate) fn head_bias(root: &mut Scope<'_>, config: &PostNormConfig) -> Option<Parameter> {
    let bias = (!config.tells_labels)
        .then(|| root.child("head").parameter("bias", [config.vocab_size], Initialisation::Zeros))?;
    bias.entry().set_trainable(false);
    Some(bias)
}

/// The blocks of the encoder, and those of the decoder.
#[derive(Debug)]
pub(crate) struct Stacks {
    encoder: Vec<PostNormBlock>,
    decoder: Vec<PostNormBlock>,
    heads: HeadLayout,
}

impl Stacks {
    /// Those of `config`, in the place `root`.
    pub fn new(mut root: Scope<'_>, config: &PostNormConfig, weights: Weights<'_>) -> Self {
        let encoder = PostNorm {
            width: config.d_model,
            inner: config.encoder_ffn_dim,
            heads: config.encoder_heads(),
            activation: config.activation_function.into(),
            epsilon: EPSILON,
            weights,
            reads_source: false,
            drops_weights: false,
        };
        let (inner, heads) = (config.decoder_ffn_dim, config.decoder_heads());
        let decoder = PostNorm { inner, heads, reads_source: true, ..encoder };
        let mut stack = |name: &str, layers: usize, shape: &PostNorm<'_>| -> Vec<PostNormBlock> {
            let block = |layer| PostNormBlock::new(root.child(&format!("{name}.layers.{layer}")), shape);
            (0..layers).map(block).collect()
        };
        Self {
            encoder: stack("encoder", config.encoder_layers, &encoder),
            decoder: stack("decoder", config.decoder_layers, &decoder),
            heads,
        }
    }

    /// What the encoder makes of `x`, the embedded `source`.
    pub fn encode(
        &self,
        context: &Context<'_>,
        x: Tensor,
        source: &Text,
        mut pass: Pass<'_>,
    ) -> Result<Memory> {
        let rows = run_blocks(context, &self.encoder, x, &mut pass, PostNormBlock::forward)?;
        Ok(Memory::new(rows, source))
    }

    /// What the decoder makes of `x`, the embedded answers.
    pub fn decode(&self, context: &Context<'_>, x: Tensor, mut pass: Pass<'_>) -> Result<Tensor> {
        let hidden = run_blocks(context, &self.decoder, x, &mut pass, PostNormBlock::forward)?;
        pass.finish();
        Ok(hidden)
    }

    /// The layers that read a source.
    pub fn source_layers(&self) -> Vec<&CrossAttention> {
        self.decoder.iter().filter_map(PostNormBlock::source_layer).collect()
    }

    /// An empty cache of self-attention.
    pub fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        Cache::attention(self.decoder.len(), self.heads, capacity, dtype)
    }
}
