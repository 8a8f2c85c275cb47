//! UniLM: Dong et al., "Unified Language Model Pre-training for Natural Language Understanding and Generation" (2019).
//!
//! [BERT](crate::bert) with the same weights, trained under four masks in turn: both sides of the text, a first part and then the
//! second from left to right, all from left to right, all from right to left. Segments say which ([`Task`]), so there are six. What it
//! fills in under the first mask, it writes under the others, one `[MASK]` after the other.

mod config;
mod presets;
mod task;

pub use config::UnilmConfig;
use nuwa_nn::{Context, Head};
use nuwa_tensor::{DType, Parameters, ParametersBuilder, Result, Tensor};
pub use task::Task;

use crate::bert::Bert;
use crate::{Cache, Input, Model, ModelConfig, Rows};

/// The model.
#[derive(Debug)]
pub struct Unilm(Bert);

impl Unilm {
    /// A model with the builder's weights. The configuration has been validated.
    pub(crate) fn new(config: UnilmConfig, builder: ParametersBuilder) -> Self {
        Self(Bert::new(config.0, builder))
    }
}

impl Model for Unilm {
    fn config(&self) -> ModelConfig {
        ModelConfig::Unilm(UnilmConfig(self.0.own_config().clone()))
    }

    fn parameters(&self) -> &Parameters {
        self.0.parameters()
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> Result<Rows> {
        self.0.hidden(context, input)
    }

    fn head(&self) -> Head<'_> {
        self.0.head()
    }

    fn class_head(&self) -> Option<Head<'_>> {
        self.0.class_head()
    }

    fn summary(&self, context: &Context<'_>, rows: Tensor) -> Result<Tensor> {
        self.0.summary(context, rows)
    }

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        self.0.new_cache(capacity, dtype)
    }

    /// A BERT of six segments.
    fn in_common_family(&self) -> Option<Box<dyn Model>> {
        let model = Bert::new(self.0.own_config().clone(), ParametersBuilder::zeros());
        for (there, own) in model.parameters().iter().zip(self.parameters().iter()) {
            there.from_host(&own.to_host());
        }
        Some(Box::new(model))
    }
}
