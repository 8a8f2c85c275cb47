//! The plan.
use nuwa_models::ModelConfig;
use serde::{Deserialize, Serialize};

/// What to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The model.
    pub model: ModelConfig,
    /// Tokens a sequence.
    pub context: usize,
    /// Sequences that go through the model at one time.
    pub sequences: usize,
    /// Such passes a step.
    pub accumulation: usize,
    /// All steps.
    pub steps: u64,
    /// Highest learning rate.
    pub learning_rate: f32,
    /// Share of activations dropped.
    pub dropout: f32,
}

impl Plan {
    /// Tokens a step.
    pub fn batch_tokens(&self) -> u64 {
        (self.context * self.sequences * self.accumulation) as u64
    }

    /// The part of the plan that decides the weights.
    pub(crate) fn what_is_trained(&self) -> serde_json::Value {
        serde_json::json!(self)
    }
}
