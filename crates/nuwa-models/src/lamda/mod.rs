//! LaMDA: Thoppilan et al., "LaMDA: Language Models for Dialog Applications" (2022).
//!
//! A decoder alone, with "relative attention as described in T5" and gated GELU. The paper does not tell its norms, biases and
//! first weights. Norms are as in T5 1.1 (Raffel et al. 2020; Shazeer 2020): pre-norm blocks `x + attention(norm(x))`,
//! `x + feed_forward(norm(x))` with RMS norm and without biases, a final norm; one table of biases by distance for all layers, of 32
//! buckets up to a distance of 128. Scores are scaled by `1 / sqrt(head_dim)`: T5 leaves that out and draws smaller queries, which
//! suits the relative steps of its optimizer, but not AdamW's. Weights start normal with deviation 0.02, the projections back into
//! the residual stream with `0.02 / sqrt(2 layers)`.
//!
//! No model of this kind exists at Hugging Face: a folder has `model_type` `lamda`, with T5's names of fields and of the tensors of
//! its decoder.

mod config;
mod names;
mod presets;

pub use config::LamdaConfig;
use nuwa_nn::{
    Attention, Context, Embedding, FeedForward, Head, Initialisation, LayerInput, Linear, PositionBias,
    RmsNorm, Scope, run_blocks,
};
use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{DType, Parameters, ParametersBuilder, Result, Tensor};

use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct Lamda {
    config: LamdaConfig,
    parameters: Parameters,
    tokens: Embedding,
    blocks: Vec<Block>,
    norm: RmsNorm,
    head: Option<Linear>,
}

#[derive(Debug, Clone)]
struct Block {
    attention_norm: RmsNorm,
    attention: Attention,
    feed_forward_norm: RmsNorm,
    feed_forward: FeedForward,
}

impl Lamda {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: LamdaConfig, mut builder: ParametersBuilder) -> Self {
        let mut root = Scope::root(&mut builder);
        let weights = Initialisation::Normal(config.initializer_range);
        let (width, vocabulary) = (config.d_model, config.vocab_size);
        let tokens = Embedding::new(root.child("tokens"), vocabulary, width, weights);
        let (buckets, heads) = (config.buckets(), config.num_heads);
        let distances = PositionBias::buckets(root.child("distances"), heads, buckets, weights);
        let blocks = (0..config.num_layers)
            .map(|layer| Block::new(root.child(&format!("layers.{layer}")), &config, &distances))
            .collect();
        let norm = RmsNorm::new(root.child("norm"), width, config.layer_norm_epsilon);
        let head = (!config.tie_word_embeddings)
            .then(|| Linear::new(root.child("head"), width, vocabulary, false, weights));
        Self { parameters: builder.finish(), tokens, blocks, norm, head, config }
    }
}

impl Block {
    fn new(mut scope: Scope<'_>, config: &LamdaConfig, distances: &PositionBias) -> Self {
        let (width, inner, epsilon) = (config.d_model, config.d_ff, config.layer_norm_epsilon);
        let deviation = config.initializer_range;
        let into_residual = deviation / (2.0 * config.num_layers as f32).sqrt();
        let weights = [deviation, into_residual].map(Initialisation::Normal);
        Self {
            attention_norm: RmsNorm::new(scope.child("attention_norm"), width, epsilon),
            attention: Attention::new(
                scope.child("attention"),
                width,
                config.head_layout(),
                [false; 2],
                weights,
            )
            .with_bias(distances),
            feed_forward_norm: RmsNorm::new(scope.child("feed_forward_norm"), width, epsilon),
            feed_forward: FeedForward::gated(
                scope.child("feed_forward"),
                [width, inner],
                false,
                Activation::GeluTanh,
                weights,
            ),
        }
    }

    fn forward(&self, context: &Context<'_>, x: &Tensor, input: LayerInput<'_>) -> Result<Tensor> {
        let x = self.attention.forward(context, x, &self.attention_norm.forward(context.tape, x)?, input)?;
        self.feed_forward.forward(context, &x, &self.feed_forward_norm.forward(context.tape, &x)?)
    }
}

impl Model for Lamda {
    fn config(&self) -> ModelConfig {
        ModelConfig::Lamda(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        let mut pass = input.begin();
        let x = context.embedding_dropout(&self.tokens.forward(context.tape, &pass.ids)?)?;
        let x = run_blocks(context, &self.blocks, x, &mut pass, Block::forward)?;
        pass.finish();
        Ok(self.norm.forward(context.tape, &x)?.into())
    }

    fn head(&self) -> Head<'_> {
        Head::new(self.head.as_ref().map_or(self.tokens.weight(), Linear::weight))
    }

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        Cache::attention(self.blocks.len(), self.config.head_layout(), capacity, dtype)
    }
}
