use std::fmt;
use std::sync::Arc;

use crate::schema::JsonSchema;
use crate::{GenerateSettings, Generation, Prompt, Result};

/// A text to be continued.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What an encoder-decoder reads and answers; nothing is added to it.
    pub source: Option<Arc<[u32]>>,
    /// What is continued; nothing is added to it.
    pub prompt: Prompt,
    /// How.
    pub settings: GenerateSettings,
    /// The ids that end the text: the end of a text, of a turn.
    pub ends: Vec<u32>,
    /// How many of the likeliest ids are told with each chosen one.
    pub top_log_probabilities: usize,
    /// Ids that are told after those with each chosen one, however unlikely they are.
    pub watched: Vec<u32>,
    /// What is added to the logits of some ids before one is chosen.
    pub bias: Vec<(u32, f32)>,
    /// What the text is held to. It ends where it is whole, whatever `ends` says.
    pub schema: Option<Arc<JsonSchema>>,
    /// Whether the text ends where the context is full. Otherwise it goes on from the last half of it.
    pub within_context: bool,
}

impl Request {
    /// Continues `prompt` up to any of the ids `ends`.
    pub fn new(prompt: Prompt, settings: &GenerateSettings, ends: &[u32]) -> Self {
        Self {
            source: None,
            prompt,
            settings: settings.clone(),
            ends: ends.to_vec(),
            top_log_probabilities: 0,
            watched: Vec::new(),
            bias: Vec::new(),
            schema: None,
            within_context: false,
        }
    }

    /// Answers `source`, an answer beginning with `start`, up to any of the ids `ends`.
    pub fn answer(source: Vec<u32>, start: u32, settings: &GenerateSettings, ends: &[u32]) -> Self {
        Self { source: Some(source.into()), ..Self::new(Prompt::of(vec![start]), settings, ends) }
    }

    /// This many answers to the same prompt, each under a seed of its own: that of the request, the one after it, and so on.
    /// Where they are submitted together, the prompt is read once.
    pub fn candidates(&self, count: usize) -> Vec<Self> {
        let nth = |n: u64| {
            let mut candidate = self.clone();
            candidate.settings.seed = self.settings.seed.wrapping_add(n);
            candidate
        };
        (0..count as u64).map(nth).collect()
    }
}

/// Names a request of a [`Scheduler`](crate::Scheduler).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An id that was chosen, or might have been.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogProbability {
    /// The id.
    pub id: u32,
    /// The logarithm of its probability, in nats, under the model's own distribution: before penalties, temperature and what
    /// else the sampling settings do.
    pub log_probability: f32,
}

/// An id that a model chose.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The id and how likely the model found it.
    pub token: LogProbability,
    /// The likeliest ids there, from likely to unlikely, as many as were asked for, and after them those that are watched.
    pub top: Vec<LogProbability>,
}

/// What a step did for one request.
#[derive(Debug)]
pub struct Update {
    /// Which one.
    pub request: RequestId,
    /// What was chosen, be it an id that ends the text; nothing where the text ended without a choice.
    pub chosen: Option<Chosen>,
    /// The text that is certain now and was not before, in whole characters; may be empty.
    pub text: String,
    /// The whole result, where the request has ended, or why it failed.
    pub outcome: Option<Result<Generation>>,
}
