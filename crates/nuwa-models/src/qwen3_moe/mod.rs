//! Qwen3 with experts: Yang et al., "Qwen3 Technical Report" (2025).
//!
//! LLaMA's block, but in place of one feed-forward layer there are 128 small ones, of which each token goes through eight,
//! with their probabilities divided by the sum of the eight; some layers may have one feed-forward layer all the same. Each
//! head of queries and keys goes through RMS norm before it is turned.
//!
//! In training the router's losses are added: balance, with the coefficient of the configuration, and z
//! ([`nuwa_tensor::ops::route`]). Balance is over the rows of one pass; passes of one step have one each.

mod config;
mod presets;

pub use config::Qwen3MoeConfig;
use nuwa_nn::{Context, Head, HeadNorm, LayerInput, Scope};
use nuwa_tensor::{DType, Parameters, ParametersBuilder, Result, Tensor};

use crate::decoder::{self, Decoder};
use crate::experts;
use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct Qwen3Moe {
    config: Qwen3MoeConfig,
    decoder: Decoder<Layer>,
}

/// A block with experts, or with one feed-forward layer.
#[derive(Debug, Clone)]
enum Layer {
    Sparse(experts::Block),
    Dense(decoder::Block),
}

impl Layer {
    fn forward(&self, context: &Context<'_>, x: &Tensor, input: LayerInput<'_>) -> Result<Tensor> {
        match self {
            Self::Sparse(block) => block.forward(context, x, input),
            Self::Dense(block) => block.forward(context, x, input),
        }
    }
}

impl Qwen3Moe {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: Qwen3MoeConfig, builder: ParametersBuilder) -> Self {
        let decoder = Decoder::new(&config.decoder, builder, |scope, layer, rotary| {
            let attention = |mut scope: Scope<'_>| {
                let (heads, epsilon) = (config.decoder.head_layout(), config.decoder.rms_norm_eps);
                let norm = HeadNorm::of_each(scope.here(), heads, epsilon);
                config.decoder.attention(scope, [false; 2], rotary).with_head_norm(norm)
            };
            let (shared, shape, routing) = (&config.decoder, config.experts(), config.routing());
            match config.has_experts(layer) {
                true => Layer::Sparse(experts::Block::new(scope, shared, attention, shape, routing)),
                false => Layer::Dense(decoder::Block::new(scope, shared, attention, false)),
            }
        });
        Self { config, decoder }
    }
}

impl Model for Qwen3Moe {
    fn config(&self) -> ModelConfig {
        ModelConfig::Qwen3Moe(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        self.decoder.parameters()
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        self.decoder.routed(context, input, Layer::forward, self.config.router_losses())
    }

    fn head(&self) -> Head<'_> {
        self.decoder.head()
    }

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        self.decoder.new_cache(capacity, dtype)
    }
}
