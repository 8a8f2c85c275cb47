//! GPT-2: Radford et al., "Language Models are Unsupervised Multitask Learners" (2019).
//!
//! Learned positions; pre-norm blocks `x + attention(norm(x))`, `x + feed_forward(norm(x))` with biases and GELU; a final
//! norm; the head is the embedding. Weights start normal with deviation 0.02, the projections back into the residual
//! stream with `0.02 / sqrt(2 layers)`.

mod config;
mod names;

pub use config::{Gelu, Gpt2Config};
use nuwa_nn::{Embedding, Initialisation, LayerNorm, Linear, Scope, residual};
use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{HeadLayout, Kind, Parameter, Parameters, ParametersBuilder, Result, Tape, Tensor};

use crate::{Cache, Input, LanguageModel, LayerInput, ModelConfig};

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
    dropout: f32,
    recompute: bool,
}

#[derive(Debug, Clone)]
struct Block {
    attention_norm: LayerNorm,
    qkv: Linear,
    output: Linear,
    feed_forward_norm: LayerNorm,
    up: Linear,
    down: Linear,
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
        Self {
            parameters: builder.finish(),
            tokens,
            positions,
            blocks,
            norm,
            head,
            dropout: 0.0,
            recompute: false,
            config,
        }
    }
}

impl Block {
    fn new(mut scope: Scope<'_>, config: &Gpt2Config) -> Self {
        let (width, inner) = (config.n_embd, config.inner());
        let weights = Initialisation::Normal(config.initializer_range);
        let residual =
            Initialisation::Normal(config.initializer_range / (2.0 * config.n_layer as f32).sqrt());
        Self {
            attention_norm: LayerNorm::new(scope.child("attention_norm"), width, config.layer_norm_epsilon),
            qkv: Linear::new(scope.child("attention.qkv"), width, 3 * width, true, weights),
            output: Linear::new(scope.child("attention.output"), width, width, true, residual),
            feed_forward_norm: LayerNorm::new(
                scope.child("feed_forward_norm"),
                width,
                config.layer_norm_epsilon,
            ),
            up: Linear::new(scope.child("feed_forward.up"), width, inner, true, weights),
            down: Linear::new(scope.child("feed_forward.down"), inner, width, true, residual),
        }
    }

    fn forward(&self, tape: &Tape, x: &Tensor, settings: Settings, input: LayerInput<'_>) -> Result<Tensor> {
        let x = self.attention(tape, x, settings, input)?;
        self.feed_forward(tape, &x, settings)
    }

    /// `x + attention(norm(x))`.
    fn attention(
        &self,
        tape: &Tape,
        x: &Tensor,
        settings: Settings,
        input: LayerInput<'_>,
    ) -> Result<Tensor> {
        let qkv = self.qkv.forward(tape, &self.attention_norm.forward(tape, x)?)?;
        let attention = input.attention(tape, &qkv, settings.heads)?;
        residual(tape, x, &attention, &self.output, settings.dropout)
    }

    /// `x + feed_forward(norm(x))`.
    fn feed_forward(&self, tape: &Tape, x: &Tensor, settings: Settings) -> Result<Tensor> {
        let normalised = self.feed_forward_norm.forward(tape, x)?;
        let up = self.up.forward_activation(tape, &normalised, settings.activation)?;
        residual(tape, x, &up, &self.down, settings.dropout)
    }
}

/// What every block needs to know.
#[derive(Debug, Clone, Copy)]
struct Settings {
    heads: HeadLayout,
    activation: Activation,
    dropout: f32,
}

impl LanguageModel for Gpt2 {
    fn config(&self) -> ModelConfig {
        ModelConfig::Gpt2(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn hidden(&self, tape: &Tape, ids: &[u32], mut input: Input<'_>) -> Result<Tensor> {
        let positions = input.positions();
        let x = tape.add(&self.tokens.forward(tape, ids)?, &self.positions.forward(tape, &positions)?)?;
        let mut x = tape.dropout(&x, self.dropout)?;
        let settings = Settings {
            heads: self.config.head_layout(),
            activation: self.config.activation_function.into(),
            dropout: self.dropout,
        };
        for (layer, block) in self.blocks.iter().enumerate() {
            x = match input.layer(layer) {
                LayerInput::Sequences(mask) if self.recompute => {
                    let (block, mask) = (block.clone(), mask.clone());
                    tape.recomputed(&x, move |tape, x| {
                        block.forward(tape, x, settings, LayerInput::Sequences(&mask))
                    })?
                }
                input => block.forward(tape, &x, settings, input)?,
            };
        }
        input.finish();
        self.norm.forward(tape, &x)
    }

    fn head(&self) -> &Parameter {
        self.head.as_ref().map_or(self.tokens.weight(), Linear::weight)
    }

    fn new_cache(&self, capacity: usize, kind: Kind) -> Cache {
        Cache::attention(self.blocks.len(), self.config.head_layout(), capacity, kind)
    }

    fn set_dropout(&mut self, probability: f32) {
        self.dropout = probability;
    }

    fn set_recompute(&mut self, recompute: bool) {
        self.recompute = recompute;
    }
}
