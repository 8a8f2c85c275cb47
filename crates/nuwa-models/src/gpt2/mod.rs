//! GPT-2: Radford et al., "Language Models are Unsupervised Multitask Learners" (2019).
//!
//! Learned positions; pre-norm blocks `x + attention(norm(x))`, `x + feed_forward(norm(x))` with biases and GELU; a final
//! norm; the head is the embedding. Weights start normal with deviation 0.02, the projections back into the residual
//! stream with `0.02 / sqrt(2 layers)`.

mod config;
mod names;

pub use config::{Gelu, Gpt2Config};
use nuwa_nn::{
    Attention, Context, Embedding, FeedForward, Head, Initialisation, LayerInput, LayerNorm, Linear, Scope,
    embed, run_blocks,
};
use nuwa_tensor::{DType, Parameters, ParametersBuilder, Result, Tensor};

use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct Gpt2 {
    config: Gpt2Config,
    parameters: Parameters,
    tokens: Embedding,
    positions: Embedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Option<Linear>,
}

#[derive(Debug, Clone)]
struct Block {
    attention_norm: LayerNorm,
    attention: Attention,
    feed_forward_norm: LayerNorm,
    feed_forward: FeedForward,
}

impl Gpt2 {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: Gpt2Config, mut builder: ParametersBuilder) -> Self {
        let mut root = Scope::root(&mut builder);
        let weights = Initialisation::Normal(config.initializer_range);
        let (width, vocabulary) = (config.n_embd, config.vocab_size);
        let tokens = Embedding::new(root.child("tokens"), vocabulary, width, weights);
        let positions = Embedding::new(root.child("positions"), config.n_positions, width, weights);
        let blocks = (0..config.n_layer)
            .map(|layer| Block::new(root.child(&format!("layers.{layer}")), &config))
            .collect();
        let norm = LayerNorm::new(root.child("norm"), width, config.layer_norm_epsilon);
        let head = (!config.tie_word_embeddings)
            .then(|| Linear::new(root.child("head"), width, vocabulary, false, weights));
        Self { parameters: builder.finish(), tokens, positions, blocks, norm, head, config }
    }
}

impl Block {
    fn new(mut scope: Scope<'_>, config: &Gpt2Config) -> Self {
        let (width, epsilon) = (config.n_embd, config.layer_norm_epsilon);
        let deviation = config.initializer_range;
        let into_residual = deviation / (2.0 * config.n_layer as f32).sqrt();
        let weights = [deviation, into_residual].map(Initialisation::Normal);
        Self {
            attention_norm: LayerNorm::new(scope.child("attention_norm"), width, epsilon),
            attention: Attention::new(
                scope.child("attention"),
                width,
                config.head_layout(),
                [true; 2],
                weights,
            ),
            feed_forward_norm: LayerNorm::new(scope.child("feed_forward_norm"), width, epsilon),
            feed_forward: FeedForward::plain(
                scope.child("feed_forward"),
                [width, config.inner()],
                true,
                config.activation_function.into(),
                weights,
            ),
        }
    }

    fn forward(&self, context: &Context<'_>, x: &Tensor, input: LayerInput<'_>) -> Result<Tensor> {
        let x = self.attention.forward(context, x, &self.attention_norm.forward(context.tape, x)?, input)?;
        self.feed_forward.forward(context, &x, &self.feed_forward_norm.forward(context.tape, &x)?)
    }
}

impl Model for Gpt2 {
    fn config(&self) -> ModelConfig {
        ModelConfig::Gpt2(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        let mut pass = input.begin();
        let x = embed(context.tape, &[(&self.tokens, &pass.ids), (&self.positions, &pass.positions)])?;
        let x = run_blocks(context, &self.blocks, context.dropout(&x)?, &mut pass, Block::forward)?;
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
