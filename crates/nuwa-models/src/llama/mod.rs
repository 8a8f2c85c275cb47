//! LLaMA: Touvron et al., "LLaMA: Open and Efficient Foundation Language Models" (2023), with grouped heads (Ainslie et
//! al. 2023) and Llama 3.1's long-context frequencies.
//!
//! Rotary positions; pre-norm blocks `x + attention(norm(x))`, `x + feed_forward(norm(x))` with RMS norm and SwiGLU; a
//! final norm. Weights start normal with deviation 0.02, the projections back into the residual stream with
//! `0.02 / sqrt(2 layers)`.

mod config;
mod dialect;
mod names;

pub use config::{GateActivation, Llama3Scaling, LlamaConfig, RopeScaling};
use nuwa_nn::{
    Attention, Context, Embedding, FeedForward, Head, Initialisation, LayerInput, Linear, RmsNorm, Scope,
    run_blocks,
};
use nuwa_tensor::{DType, Parameters, ParametersBuilder, Result, RotaryTable, Tensor};

use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct Llama {
    config: LlamaConfig,
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

impl Llama {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: LlamaConfig, mut builder: ParametersBuilder) -> Self {
        let mut root = Scope::root(&mut builder);
        let weights = Initialisation::Normal(config.initializer_range);
        let (width, vocabulary) = (config.hidden_size, config.vocab_size);
        let tokens = Embedding::new(root.child("tokens"), vocabulary, width, weights);
        let rotary = RotaryTable::new(&config.frequencies(), config.max_position_embeddings);
        let blocks = (0..config.num_hidden_layers)
            .map(|layer| Block::new(root.child(&format!("layers.{layer}")), &config, &rotary))
            .collect();
        let norm = RmsNorm::new(root.child("norm"), width, config.rms_norm_eps);
        let head = (!config.tie_word_embeddings)
            .then(|| Linear::new(root.child("head"), width, vocabulary, false, weights));
        Self { parameters: builder.finish(), tokens, blocks, norm, head, config }
    }
}

impl Block {
    fn new(mut scope: Scope<'_>, config: &LlamaConfig, rotary: &RotaryTable) -> Self {
        let (width, epsilon) = (config.hidden_size, config.rms_norm_eps);
        let deviation = config.initializer_range;
        let into_residual = deviation / (2.0 * config.num_hidden_layers as f32).sqrt();
        let weights = [deviation, into_residual].map(Initialisation::Normal);
        let heads = config.head_layout();
        let biases = [config.attention_bias; 2];
        Self {
            attention_norm: RmsNorm::new(scope.child("attention_norm"), width, epsilon),
            attention: Attention::new(scope.child("attention"), width, heads, biases, weights)
                .with_rotary(rotary),
            feed_forward_norm: RmsNorm::new(scope.child("feed_forward_norm"), width, epsilon),
            feed_forward: FeedForward::gated(
                scope.child("feed_forward"),
                [width, config.intermediate_size],
                config.mlp_bias,
                config.hidden_act.into(),
                weights,
            ),
        }
    }

    fn forward(&self, context: &Context<'_>, x: &Tensor, input: LayerInput<'_>) -> Result<Tensor> {
        let x = self.attention.forward(context, x, &self.attention_norm.forward(context.tape, x)?, input)?;
        self.feed_forward.forward(context, &x, &self.feed_forward_norm.forward(context.tape, &x)?)
    }
}

impl Model for Llama {
    fn config(&self) -> ModelConfig {
        ModelConfig::Llama(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        let mut pass = input.begin();
        let x = context.dropout(&self.tokens.forward(context.tape, &pass.ids)?)?;
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
