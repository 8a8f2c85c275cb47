//! OLMoE: Muennighoff et al., "OLMoE: Open Mixture-of-Experts Language Models" (2024).
//!
//! LLaMA's block, but in place of one feed-forward layer there are 64 small ones, of which each token goes through eight, with
//! their probabilities as they are: what the eight sum to says how sure the router is. Queries and keys go through RMS norm
//! over their whole width before they are turned.
//!
//! In training the router's losses are added: balance, with the coefficient of the configuration, and z
//! ([`nuwa_tensor::ops::route`]). Balance is over the rows of one pass; passes of one step have one each.

mod config;
mod presets;

pub use config::OlmoeConfig;
use nuwa_nn::{Context, Head, HeadNorm, Scope};
use nuwa_tensor::{DType, Parameters, ParametersBuilder, Result};

use crate::decoder::Decoder;
use crate::experts::Block;
use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct Olmoe {
    config: OlmoeConfig,
    decoder: Decoder<Block>,
}

impl Olmoe {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: OlmoeConfig, builder: ParametersBuilder) -> Self {
        let decoder = Decoder::new(&config.decoder, builder, |scope, _, rotary| {
            let attention = |mut scope: Scope<'_>| {
                let (heads, epsilon) = (config.decoder.head_layout(), config.decoder.rms_norm_eps);
                let norm = HeadNorm::of_all(scope.here(), heads, epsilon);
                config.decoder.attention(scope, [false; 2], rotary).with_head_norm(norm)
            };
            Block::new(scope, &config.decoder, attention, config.experts(), config.routing())
        });
        Self { config, decoder }
    }
}

impl Model for Olmoe {
    fn config(&self) -> ModelConfig {
        ModelConfig::Olmoe(self.config.clone())
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
