//! Mixtral: Jiang et al., "Mixtral of Experts" (2024).
//!
//! LLaMA's block, but in place of one feed-forward layer there are eight, of which each token goes through two. The router
//! `softmax(x W_r)` chooses the two most likely; their results are added with their probabilities, divided by the sum of the
//! two. A token meets a fourth of the experts' weights: the model knows much and costs little.
//!
//! In training the router's losses are added: balance, with the coefficient of the configuration, and z
//! ([`nuwa_tensor::ops::route`]). Balance is over the rows of one pass; passes of one step have one each.

mod config;
mod presets;

pub use config::MixtralConfig;
use nuwa_nn::{Context, Head, Scope};
use nuwa_tensor::{DType, Parameters, ParametersBuilder, Result};

use crate::decoder::Decoder;
use crate::experts::Block;
use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct Mixtral {
    config: MixtralConfig,
    decoder: Decoder<Block>,
}

impl Mixtral {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: MixtralConfig, builder: ParametersBuilder) -> Self {
        let decoder = Decoder::new(&config.decoder, builder, |scope, _, rotary| {
            let attention = |scope: Scope<'_>| {
                config.decoder.attention(scope, [false; 2], rotary).with_window(config.sliding_window)
            };
            Block::new(scope, &config.decoder, attention, config.experts(), config.routing())
        });
        Self { config, decoder }
    }
}

impl Model for Mixtral {
    fn config(&self) -> ModelConfig {
        ModelConfig::Mixtral(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        self.decoder.parameters()
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        self.decoder.routed(context, input, Block::forward, self.config.router_losses())
    }

    fn head(&self) -> Head<'_> {
        self.decoder.head()
    }

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        self.decoder.new_cache(capacity, dtype)
    }
}
