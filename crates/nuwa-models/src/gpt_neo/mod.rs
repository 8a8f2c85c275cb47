//! GPT-3: Brown et al., "Language Models are Few-Shot Learners" (2020), in the layout of GPT-Neo (Black et al. 2021).
//!
//! GPT-2 whose layers attend in turn to everything before and to a band of the nearest positions, as locally banded layers
//! of the Sparse Transformer do (Child et al. 2019); queries, keys and values have no bias.

mod config;
mod names;
mod presets;

pub use config::{AttentionType, GptNeoConfig};
use nuwa_nn::{Attention, Context, Head};
use nuwa_tensor::{DType, Parameters, ParametersBuilder, Result};

use crate::gpt2::{Body, Gpt2Config};
use crate::{Cache, Input, Model, ModelConfig, Rows, build_zeros};

/// The model.
#[derive(Debug)]
pub struct GptNeo {
    config: GptNeoConfig,
    body: Body,
}

impl GptNeo {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: GptNeoConfig, builder: ParametersBuilder) -> Self {
        let (shape, windows) = (config.as_gpt2(), config.windows());
        let body = Body::new(&shape, builder, |scope, layer| {
            Attention::new(scope, shape.n_embd, shape.head_layout(), [false, true], shape.weights())
                .with_window(windows[layer])
        });
        Self { config, body }
    }

    /// The same weights as a GPT-2, whose biases of queries, keys and values are 0.
    fn as_gpt2(&self, config: Gpt2Config) -> Box<dyn Model> {
        let model = build_zeros(&ModelConfig::Gpt2(config)).expect("GPT-2 has every shape that this has");
        for own in self.parameters().iter() {
            let there = model.parameters().get(own.entry().path()).expect("GPT-2 has all of these");
            there.from_host(&own.to_host());
        }
        model
    }
}

impl Model for GptNeo {
    fn config(&self) -> ModelConfig {
        ModelConfig::GptNeo(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        self.body.parameters()
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        self.body.hidden(context, input)
    }

    fn head(&self) -> Head<'_> {
        self.body.head()
    }

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        self.body.new_cache(capacity, dtype)
    }

    /// A GPT-2, where no layer is local.
    fn in_common_family(&self) -> Option<Box<dyn Model>> {
        let is_dense = self.config.windows().iter().all(Option::is_none);
        is_dense.then(|| self.as_gpt2(self.config.as_gpt2()))
    }
}
