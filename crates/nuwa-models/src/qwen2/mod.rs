//! Qwen2: Yang et al., "Qwen2 Technical Report" (2024), as Qwen2.5 is.
//!
//! LLaMA's block with grouped heads and a bias on queries, keys and values alone, which helps beyond the trained context; the
//! upper layers may attend within a sliding window.

mod config;
mod presets;

use config::BIASES;
pub use config::Qwen2Config;
use nuwa_nn::{Context, Head, Scope};
use nuwa_tensor::{DType, Parameters, ParametersBuilder, Result};

use crate::decoder::{Block, Decoder};
use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct Qwen2 {
    config: Qwen2Config,
    decoder: Decoder<Block>,
}

impl Qwen2 {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: Qwen2Config, builder: ParametersBuilder) -> Self {
        let decoder = Decoder::new(&config.decoder, builder, |scope, layer, rotary| {
            let window = config.windows.of(layer);
            let attention =
                |scope: Scope<'_>| config.decoder.attention(scope, BIASES, rotary).with_window(window);
            Block::new(scope, &config.decoder, attention, false)
        });
        Self { config, decoder }
    }
}

impl Model for Qwen2 {
    fn config(&self) -> ModelConfig {
        ModelConfig::Qwen2(self.config.clone())
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
