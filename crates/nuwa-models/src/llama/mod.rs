//! LLaMA: Touvron et al., "LLaMA: Open and Efficient Foundation Language Models" (2023), with grouped heads (Ainslie et
//! al. 2023) and Llama 3.1's long-context frequencies.
//!
//! Rotary positions; pre-norm blocks `x + attention(norm(x))`, `x + feed_forward(norm(x))` with RMS norm and SwiGLU; a
//! final norm. Weights start normal with deviation 0.02, the projections back into the residual stream with
//! `0.02 / sqrt(2 layers)`.

mod config;
mod presets;

pub use config::LlamaConfig;
use nuwa_nn::{Context, Head, Scope};
use nuwa_tensor::{DType, Parameters, ParametersBuilder, Result};

use crate::decoder::{Block, Decoder};
use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct Llama {
    config: LlamaConfig,
    decoder: Decoder<Block>,
}

impl Llama {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: LlamaConfig, builder: ParametersBuilder) -> Self {
        let biases = [config.attention_bias; 2];
        let decoder = Decoder::new(&config.decoder, builder, |scope, _, rotary| {
            let attention = |scope: Scope<'_>| config.decoder.attention(scope, biases, rotary);
            Block::new(scope, &config.decoder, attention, config.mlp_bias)
        });
        Self { config, decoder }
    }
}

impl Model for Llama {
    fn config(&self) -> ModelConfig {
        ModelConfig::Llama(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        self.decoder.parameters()
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        self.decoder.hidden(context, input, Block::forward)
    }

    fn head(&self) -> Head<'_> {
        self.decoder.head()
    }

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        self.decoder.new_cache(capacity, dtype)
    }
}
