use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Result, Trainer};

/// Figures beside the loss, by name: `accuracy`, `bits_per_byte`.
pub type Figures = BTreeMap<String, f64>;

/// What a step, or a look at held-out data, came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The mean loss, in nats.
    pub loss: f64,
    /// Tokens that went through the model.
    pub tokens: u64,
    /// Other figures.
    pub figures: Figures,
}

/// The steps of a run: which passes each is made of, and what validation measures.
pub trait Steps: Send {
    /// Tokens that go through the model in step `step`, counted from 0.
    fn tokens(&self, step: u64) -> u64;

    /// Does the passes of step `step`, which add up to its gradient. What a step sees follows from the seed and its number alone.
    ///
    /// # Errors
    /// When data cannot be read, or the engine refuses.
    fn step(&mut self, trainer: &mut Trainer, step: u64) -> Result<Measured>;

    /// Measures on what is held out; none where nothing is.
    ///
    /// # Errors
    /// As [`Steps::step`].
    fn validate(&mut self, trainer: &mut Trainer) -> Result<Option<Measured>>;

    /// Whether after `step` steps data was seen more than once, so that the model can begin to know it by heart, and the best
    /// state be another than the last.
    fn repeats(&self, _step: u64) -> bool {
        true
    }

    /// Whether a killed run can go on from the state after `step` steps: not where a step needs what an earlier one has made, such as
    /// answers that several steps learn from.
    fn resumes_at(&self, _step: u64) -> bool {
        true
    }

    /// Further models that are trained beside the main one, which checkpoints keep with it: a value function.
    fn companions(&self) -> Vec<&Trainer> {
        Vec::new()
    }

    /// The same, to be set to what a checkpoint has kept.
    fn companions_mut(&mut self) -> Vec<&mut Trainer> {
        Vec::new()
    }

    /// What else follows from the steps done so far and is no weight, such as a coefficient that adapts.
    fn state(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// Goes on from what [`Steps::state`] gave.
    fn restore(&mut self, _state: &serde_json::Value) {}

    /// A text that changes with anything that changes the outcome, but for the weights at the start and the settings of the
    /// loop.
    fn fingerprint(&self) -> String;
}
