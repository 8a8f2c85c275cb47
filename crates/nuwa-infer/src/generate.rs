use crate::LogProbability;

/// A text that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// The continuation, without the prompt and without a stop string.
    pub text: String,
    /// The ids that were chosen, those of a stop string among them, without the end of the text.
    pub tokens: Vec<u32>,
    /// The logarithm of the probability of each, in nats, under the model's own distribution: before penalties, temperature
    /// and what else the sampling settings do.
    pub log_probabilities: Vec<f32>,
    /// The likeliest ids in the place of each, as many as were asked for, and after them those that are watched.
    pub top: Vec<Vec<LogProbability>>,
    /// How many ids of the prompt were not read, since they had been for another request.
    pub reused: usize,
    /// The id that ended the text, where the model did.
    pub ended_by: Option<LogProbability>,
    /// Why it ended.
    pub finish: Finish,
}

/// Why a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model ended it.
    EndOfText,
    /// It has as many tokens as were asked for.
    Length,
    /// A stop string came.
    Stop,
    /// The listener had enough.
    Interrupted,
}

/// What the listener to a text says before each token.
pub type Flow = std::ops::ControlFlow<()>;
