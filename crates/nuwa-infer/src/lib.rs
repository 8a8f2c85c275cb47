//! Text out of a model, and the likelihood of given text.
//!
//! - [`Engine`]: a model with its tokenizer; a prompt in, its continuation out, streamed in whole characters.
//! - [`Scheduler`]: many requests at one time, with one pass of the model for all of them.
//! - [`Conversation`]: turns of a chat, kept within the context.
//! - [`Sequence`]: one growing row of ids, of a model that somebody else has.
//! - [`Sampler`]: logits to the next id, with seeded randomness.
//! - [`fill`]: the likeliest tokens for the masks of a text, of an encoder.
//! - [`score`]: the negative log-likelihood of ids that are given.
#![forbid(unsafe_code)]

mod conversation;
mod engine;
mod error;
mod fill;
mod generate;
mod request;
mod running;
mod sampler;
mod scheduler;
mod score;
mod sequence;
mod settings;
mod slot;
mod stop;
mod writer;

pub use conversation::{Answer, Conversation, Prompt};
pub use engine::{Engine, check_writes};
pub use error::{Error, Result};
pub use fill::{Filling, MASK, fill};
pub use generate::{Finish, Flow, Generation};
pub use request::{Chosen, LogProbability, Request, RequestId, Update};
pub use sampler::{Candidate, Sampler};
pub use scheduler::{SLOTS, Scheduler, SchedulerSettings};
pub use score::{Window, score};
pub use sequence::Sequence;
pub use settings::{GenerateSettings, SamplingSettings};
