//! Falcon: Almazrouei et al., "The Falcon Series of Open Language Models" (2023).
//!
//! Attention and feed-forward layer read the same rows and stand beside each other, `x + attention(norm(x)) +
//! feed_forward(norm(x))`, which takes one step where a sequential block takes two; the larger models have a norm for each, the
//! small ones of the RefinedWeb report (Penedo et al. 2023) sequential blocks. All queries share one head of keys and values
//! (Shazeer 2019), or each group does; layer norm, GELU, no biases but in the small ones; rotary positions, or ALiBi (Press et
//! al. 2022). The head is the embedding. Weights start normal with deviation 0.02, the projections back into the residual stream
//! with `0.02 / sqrt(2 layers)`.

mod config;
mod names;
mod presets;

pub use config::{FalconConfig, FalconRope};
use nuwa_nn::{
    Attention, Context, Embedding, FeedForward, Head, Initialisation, LayerInput, LayerNorm, Linear,
    PositionBias, Scope, run_blocks,
};
use nuwa_tensor::{DType, Parameters, ParametersBuilder, Result, RotaryTable, Tensor};

use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct Falcon {
    config: FalconConfig,
    parameters: Parameters,
    tokens: Embedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Option<Linear>,
}

#[derive(Debug, Clone)]
struct Block {
    attention_norm: LayerNorm,
    attention: Attention,
    /// None where both layers read the same rows.
    feed_forward_norm: Option<LayerNorm>,
    feed_forward: FeedForward,
    is_parallel: bool,
}

/// How attention knows positions.
enum Positions {
    Rotary(RotaryTable),
    Alibi(PositionBias),
}

impl Positions {
    /// The bias is added before scores are scaled, as transformers does.
    fn new(config: &FalconConfig) -> Self {
        if !config.alibi {
            let frequencies = RotaryTable::frequencies(config.rope_parameters.rope_theta, config.head_dim());
            return Self::Rotary(RotaryTable::new(&frequencies, config.max_position_embeddings));
        }
        Self::Alibi(PositionBias::alibi(config.num_attention_heads, 1.0 / (config.head_dim() as f32).sqrt()))
    }
}

impl Falcon {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: FalconConfig, mut builder: ParametersBuilder) -> Self {
        let mut root = Scope::root(&mut builder);
        let weights = Initialisation::Normal(config.initializer_range);
        let (width, vocabulary) = (config.hidden_size, config.vocab_size);
        let tokens = Embedding::new(root.child("tokens"), vocabulary, width, weights);
        let positions = Positions::new(&config);
        let blocks = (0..config.num_hidden_layers)
            .map(|layer| Block::new(root.child(&format!("layers.{layer}")), &config, &positions))
            .collect();
        let norm = LayerNorm::new(root.child("norm"), width, config.layer_norm_epsilon);
        let head = (!config.tie_word_embeddings)
            .then(|| Linear::new(root.child("head"), width, vocabulary, false, weights));
        Self { parameters: builder.finish(), tokens, blocks, norm, head, config }
    }
}

impl Block {
    fn new(mut scope: Scope<'_>, config: &FalconConfig, positions: &Positions) -> Self {
        let (width, epsilon, bias) = (config.hidden_size, config.layer_norm_epsilon, config.bias);
        let deviation = config.initializer_range;
        let into_residual = deviation / (2.0 * config.num_hidden_layers as f32).sqrt();
        let weights = [deviation, into_residual].map(Initialisation::Normal);
        let attention_norm = LayerNorm::new(scope.child("attention_norm"), width, epsilon);
        let attention =
            Attention::new(scope.child("attention"), width, config.head_layout(), [bias; 2], weights);
        let feed_forward_norm =
            config.has_two_norms().then(|| LayerNorm::new(scope.child("feed_forward_norm"), width, epsilon));
        let sizes = [width, config.inner()];
        let activation = config.activation.into();
        Self {
            attention_norm,
            attention: match positions {
                Positions::Rotary(table) => attention.with_rotary(table),
                Positions::Alibi(slopes) => attention.with_bias(slopes),
            },
            feed_forward_norm,
            feed_forward: FeedForward::plain(scope.child("feed_forward"), sizes, bias, activation, weights),
            is_parallel: config.is_parallel(),
        }
    }

    fn forward(&self, context: &Context<'_>, x: &Tensor, input: LayerInput<'_>) -> Result<Tensor> {
        let rows = self.attention_norm.forward(context.tape, x)?;
        let attended = self.attention.forward(context, x, &rows, input)?;
        let source = if self.is_parallel { x } else { &attended };
        let rows = match &self.feed_forward_norm {
            Some(norm) => norm.forward(context.tape, source)?,
            None => rows,
        };
        self.feed_forward.forward(context, &attended, &rows)
    }
}

impl Model for Falcon {
    fn config(&self) -> ModelConfig {
        ModelConfig::Falcon(self.config.clone())
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
