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
use std::sync::Arc;

use nuwa_nn::{Embedding, Initialisation, Linear, RmsNorm, Scope, residual};
use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{
    HeadLayout, Kind, Parameter, Parameters, ParametersBuilder, Result, RotaryTable, Tape, Tensor,
};

use crate::{Cache, Input, LanguageModel, LayerInput, ModelConfig};

/// The model.
#[derive(Debug)]
pub struct Llama {
    config: LlamaConfig,
    parameters: Parameters,
    rotary: RotaryTable,
    tokens: Embedding,
    blocks: Vec<Block>,
    norm: RmsNorm,
    head: Option<Linear>,
    dropout: f32,
    recompute: bool,
}

#[derive(Debug, Clone)]
struct Block {
    attention_norm: RmsNorm,
    qkv: Linear,
    output: Linear,
    feed_forward_norm: RmsNorm,
    gate_up: Linear,
    down: Linear,
}

impl Llama {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: LlamaConfig, mut builder: ParametersBuilder) -> Self {
        let mut root = Scope::root(&mut builder);
        let weights = Initialisation::Normal(config.initializer_range);
        let (width, vocabulary) = (config.hidden_size, config.vocab_size);
        let tokens = Embedding::new(root.child("tokens"), vocabulary, width, weights);
        let blocks = (0..config.num_hidden_layers)
            .map(|layer| Block::new(root.child(&format!("layers.{layer}")), &config))
            .collect();
        let norm = RmsNorm::new(root.child("norm"), width, config.rms_norm_eps);
        let head = (!config.tie_word_embeddings)
            .then(|| Linear::new(root.child("head"), width, vocabulary, false, weights));
        let rotary = RotaryTable::new(&config.frequencies(), config.max_position_embeddings);
        Self {
            parameters: builder.finish(),
            rotary,
            tokens,
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
    fn new(mut scope: Scope<'_>, config: &LlamaConfig) -> Self {
        let (width, inner, heads) = (config.hidden_size, config.intermediate_size, config.head_layout());
        let weights = Initialisation::Normal(config.initializer_range);
        let depth = config.num_hidden_layers as f32;
        let residual = Initialisation::Normal(config.initializer_range / (2.0 * depth).sqrt());
        let (attention, feed_forward) = (config.attention_bias, config.mlp_bias);
        Self {
            attention_norm: RmsNorm::new(scope.child("attention_norm"), width, config.rms_norm_eps),
            qkv: Linear::new(scope.child("attention.qkv"), width, heads.width(), attention, weights),
            output: Linear::new(
                scope.child("attention.output"),
                heads.query_width(),
                width,
                attention,
                residual,
            ),
            feed_forward_norm: RmsNorm::new(scope.child("feed_forward_norm"), width, config.rms_norm_eps),
            gate_up: Linear::new(
                scope.child("feed_forward.gate_up"),
                width,
                2 * inner,
                feed_forward,
                weights,
            ),
            down: Linear::new(scope.child("feed_forward.down"), inner, width, feed_forward, residual),
        }
    }

    fn forward(&self, tape: &Tape, x: &Tensor, settings: &Settings, input: LayerInput<'_>) -> Result<Tensor> {
        let x = self.attention(tape, x, settings, input)?;
        self.feed_forward(tape, &x, settings)
    }

    /// `x + attention(norm(x))`.
    fn attention(
        &self,
        tape: &Tape,
        x: &Tensor,
        settings: &Settings,
        input: LayerInput<'_>,
    ) -> Result<Tensor> {
        let Settings { heads, dropout, positions, rotary, .. } = settings;
        let qkv = self.qkv.forward(tape, &self.attention_norm.forward(tape, x)?)?;
        let qkv = tape.rotary(&qkv, *heads, positions, rotary)?;
        let attention = input.attention(tape, &qkv, *heads)?;
        residual(tape, x, &attention, &self.output, *dropout)
    }

    /// `x + feed_forward(norm(x))`.
    fn feed_forward(&self, tape: &Tape, x: &Tensor, settings: &Settings) -> Result<Tensor> {
        let gate_up = self.gate_up.forward(tape, &self.feed_forward_norm.forward(tape, x)?)?;
        let inner = tape.gated_activation(&gate_up, settings.activation)?;
        residual(tape, x, &inner, &self.down, settings.dropout)
    }
}

/// What every block needs to know.
#[derive(Debug)]
struct Settings {
    heads: HeadLayout,
    activation: Activation,
    dropout: f32,
    positions: Vec<u32>,
    rotary: RotaryTable,
}

impl LanguageModel for Llama {
    fn config(&self) -> ModelConfig {
        ModelConfig::Llama(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn hidden(&self, tape: &Tape, ids: &[u32], mut input: Input<'_>) -> Result<Tensor> {
        let positions = input.positions();
        let mut x = tape.dropout(&self.tokens.forward(tape, ids)?, self.dropout)?;
        let settings = Arc::new(Settings {
            heads: self.config.head_layout(),
            activation: self.config.hidden_act.into(),
            dropout: self.dropout,
            positions,
            rotary: self.rotary.clone(),
        });
        for (layer, block) in self.blocks.iter().enumerate() {
            x = match input.layer(layer) {
                LayerInput::Sequences(mask) if self.recompute => {
                    let (block, mask, settings) = (block.clone(), mask.clone(), Arc::clone(&settings));
                    tape.recomputed(&x, move |tape, x| {
                        block.forward(tape, x, &settings, LayerInput::Sequences(&mask))
                    })?
                }
                input => block.forward(tape, &x, &settings, input)?,
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
