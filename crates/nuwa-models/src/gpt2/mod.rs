//! GPT-2: Radford et al., "Language Models are Unsupervised Multitask Learners" (2019).
//!
//! Learned positions; pre-norm blocks `x + attention(norm(x))`, `x + feed_forward(norm(x))` with biases and GELU; a final
//! norm; the head is the embedding. Weights start normal with deviation 0.02, the projections back into the residual
//! stream with `0.02 / sqrt(2 layers)`.

mod config;
mod names;
mod presets;

pub use config::{Gelu, Gpt2Config};
use nuwa_nn::{
    Attention, Context, Embedding, FeedForward, Head, Initialisation, LayerInput, LayerNorm, Linear, Scope,
    embed, run_blocks,
};
use nuwa_tensor::{DType, HeadLayout, Parameters, ParametersBuilder, Result, Tensor};

use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct Gpt2 {
    config: Gpt2Config,
    body: Body,
}

/// All of it but how its layers attend.
#[derive(Debug)]
pub(crate) struct Body {
    parameters: Parameters,
    tokens: Embedding,
    positions: Embedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Option<Linear>,
    heads: HeadLayout,
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
    pub(crate) fn new(config: Gpt2Config, builder: ParametersBuilder) -> Self {
        let body = Body::new(&config, builder, |scope, _| {
            Attention::new(scope, config.n_embd, config.head_layout(), [true; 2], config.weights())
        });
        Self { config, body }
    }
}

impl Gpt2Config {
    /// The first weights of a layer: of what leads into it, and of what leads back into the residual stream.
    pub(crate) fn weights(&self) -> [Initialisation; 2] {
        let into_residual = self.initializer_range / (2.0 * self.n_layer as f32).sqrt();
        [self.initializer_range, into_residual].map(Initialisation::Normal)
    }
}

impl Body {
    /// A model with the builder's weights and the attention that `attention` makes for each layer.
    pub fn new(
        config: &Gpt2Config,
        mut builder: ParametersBuilder,
        attention: impl Fn(Scope<'_>, usize) -> Attention,
    ) -> Self {
        let mut root = Scope::root(&mut builder);
        let weights = Initialisation::Normal(config.initializer_range);
        let (width, vocabulary) = (config.n_embd, config.vocab_size);
        let tokens = Embedding::new(root.child("tokens"), vocabulary, width, weights);
        let positions = Embedding::new(root.child("positions"), config.n_positions, width, weights);
        let blocks = (0..config.n_layer)
            .map(|layer| {
                let place = root.child(&format!("layers.{layer}"));
                Block::new(place, config, |scope| attention(scope, layer))
            })
            .collect();
        let norm = LayerNorm::new(root.child("norm"), width, config.layer_norm_epsilon);
        let head = (!config.tie_word_embeddings)
            .then(|| Linear::new(root.child("head"), width, vocabulary, false, weights));
        let heads = config.head_layout();
        Self { parameters: builder.finish(), tokens, positions, blocks, norm, head, heads }
    }

    /// All weights.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The rows through all blocks and the last norm.
    pub fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        let mut pass = input.begin();
        let x = embed(context.tape, &[(&self.tokens, &pass.ids), (&self.positions, &pass.positions)])?;
        let x = run_blocks(context, &self.blocks, context.embedding_dropout(&x)?, &mut pass, Block::forward)?;
        pass.finish();
        Ok(self.norm.forward(context.tape, &x)?.into())
    }

    /// The head, which may be the embedding.
    pub fn head(&self) -> Head<'_> {
        Head::new(self.head.as_ref().map_or(self.tokens.weight(), Linear::weight))
    }

    /// An empty cache.
    pub fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        Cache::attention(self.blocks.len(), self.heads, capacity, dtype)
    }
}

impl Block {
    fn new(
        mut scope: Scope<'_>,
        config: &Gpt2Config,
        attention: impl FnOnce(Scope<'_>) -> Attention,
    ) -> Self {
        let (width, epsilon) = (config.n_embd, config.layer_norm_epsilon);
        Self {
            attention_norm: LayerNorm::new(scope.child("attention_norm"), width, epsilon),
            attention: attention(scope.child("attention")),
            feed_forward_norm: LayerNorm::new(scope.child("feed_forward_norm"), width, epsilon),
            feed_forward: FeedForward::plain(
                scope.child("feed_forward"),
                [width, config.inner()],
                true,
                config.activation_function.into(),
                config.weights(),
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
        self.body.parameters()
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        self.body.hidden(context, input)
    }

    fn head(&self) -> Head<'_> {
        self.body.head()
    }

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        self.body.new_cache(capacity, dtype)
    }
}
