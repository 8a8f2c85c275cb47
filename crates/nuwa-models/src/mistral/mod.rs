//! Mistral: Jiang et al., "Mistral 7B" (2023).
//!
//! LLaMA's block with grouped heads, of which every layer attends within a sliding window alone: what lies further back is
//! known through the layers below, a window further for each. Keys beyond the window need not be kept for decoding.

mod config;
mod presets;

pub use config::MistralConfig;
use nuwa_nn::{Context, Head, Scope};
use nuwa_tensor::{DType, Parameters, ParametersBuilder, Result};

use crate::decoder::{Block, Decoder};
use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct Mistral {
    config: MistralConfig,
    decoder: Decoder<Block>,
}

impl Mistral {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: MistralConfig, builder: ParametersBuilder) -> Self {
        let decoder = Decoder::new(&config.decoder, builder, |scope, _, rotary| {
            let attention = |scope: Scope<'_>| {
                config.decoder.attention(scope, [false; 2], rotary).with_window(config.sliding_window)
            };
            Block::new(scope, &config.decoder, attention, false)
        });
        Self { config, decoder }
    }
}

impl Model for Mistral {
    fn config(&self) -> ModelConfig {
        ModelConfig::Mistral(self.config.clone())
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
