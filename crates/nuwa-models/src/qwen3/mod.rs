//! Qwen3: Yang et al., "Qwen3 Technical Report" (2025), the dense models.
//!
//! LLaMA's block with grouped heads. The RMS norm of each query and each key head, before it is turned by its position, keeps
//! scores from growing in training (Henry et al., "Query-Key Normalization for Transformers", 2020; Dehghani et al. 2023), in
//! place of Qwen2's biases. Heads may be wider than the width of the model divided by their number.

mod config;
mod presets;

pub use config::Qwen3Config;
use nuwa_nn::{Context, Head, HeadNorm, Scope};
use nuwa_tensor::{DType, Parameters, ParametersBuilder, Result};

use crate::decoder::{Block, Decoder};
use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct Qwen3 {
    config: Qwen3Config,
    decoder: Decoder<Block>,
}

impl Qwen3 {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: Qwen3Config, builder: ParametersBuilder) -> Self {
        let shared = &config.decoder;
        let (heads, biases) = (shared.head_layout(), [config.attention_bias; 2]);
        let decoder = Decoder::new(shared, builder, |scope, layer, rotary| {
            let attention = |mut scope: Scope<'_>| {
                let norm = HeadNorm::of_each(scope.here(), heads, shared.rms_norm_eps);
                let attention = shared.attention(scope, biases, rotary);
                attention.with_head_norm(norm).with_window(config.windows.of(layer))
            };
            Block::new(scope, shared, attention, false)
        });
        Self { config, decoder }
    }
}

impl Model for Qwen3 {
    fn config(&self) -> ModelConfig {
        ModelConfig::Qwen3(self.config.clone())
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
