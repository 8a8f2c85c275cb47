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
    fn validate(&self, trainer: &mut Trainer) -> Result<Option<Measured>>;

    /// Whether after `step` steps data was seen more than once, so that the model can begin to know it by heart, and the best
    /// state be another than the last.
    fn repeats(&self, _step: u64) -> bool {
        true
    }

    /// A text that changes with anything that changes the outcome, but for the weights at the start and the settings of the
    /// loop.
    fn fingerprint(&self) -> String;
}
