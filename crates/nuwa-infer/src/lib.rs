//! Text out of a model, and the likelihood of given text.
//!
//! - [`Engine`]: a model with its tokenizer; a prompt in, its continuation out, or a source in and its answer out, streamed in whole
//!   characters.
//! - [`Scheduler`]: many requests at one time, with one pass of the model for all of them.
//! - [`Conversation`]: turns of a chat, kept within the context.
//! - [`Candidates`]: several answers to one turn, rated by the model that wrote them.
//! - [`GroundedAnswer`]: an answer that is looked up with a tool set, such as [`calculate`], before it is given.
//! - [`BeamSettings`]: beam search, for continuations ([`Engine::beams`]) and for answers to sources ([`Engine::answers`]).
//! - [`Sequence`]: one growing row of ids, of a model that somebody else has.
//! - [`Sampler`]: logits to the next id, with seeded randomness.
//! - [`fill`]: the likeliest tokens for the masks of a text, of an encoder.
//! - [`JsonSchema`]: what a text can be held to while it is written.
//! - [`MaskedWriter`]: a text of masks that are filled in one after the other, of UniLM.
//! - [`LabelTeller`]: the labels of texts, of a model with a head for them.
//! - [`Embedder`]: a vector for each text.
//! - [`score`]: the negative log-likelihood of ids that are given.
//!
//! ```
//! use nuwa_infer::{Engine, GenerateSettings, SamplingSettings};
//! # use nuwa_tokenizer::{TrainSettings, train};
//! # let folder = tempfile::tempdir()?;
//! # let settings = TrainSettings { vocab_size: 260, ..TrainSettings::default() };
//! # train(std::iter::once("clay and water ".repeat(9)), &settings, &mut |_| {})?.save(folder.path())?;
//! # let config = r#"{"model_type": "llama", "vocab_size": 260, "hidden_size": 16, "intermediate_size": 32,
//! #     "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}"#;
//! # nuwa_format::save_model(nuwa_models::build(&serde_json::from_str(config)?, 1)?.as_ref(), folder.path())?;
//!
//! let engine = Engine::load(folder.path())?;
//! let settings = GenerateSettings { max_tokens: 12, sampling: SamplingSettings::greedy(), ..Default::default() };
//! let mut streamed = String::new();
//! let written = engine.generate("She made", &settings, &mut |text| streamed.push_str(text))?;
//! assert_eq!(streamed, written.text);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod answers;
mod beam;
mod calculator;
mod candidates;
mod conversation;
mod embed;
mod engine;
mod error;
mod fill;
mod generate;
mod grounded;
mod labels;
mod masked_writing;
mod ratings;
mod request;
mod running;
mod sampler;
mod scheduler;
mod schema;
mod score;
mod sequence;
mod settings;
mod shared;
mod slot;
mod stop;
mod whole;
mod writer;

pub use answers::MORE_TOKENS;
pub use beam::{BeamSettings, Hypothesis};
pub use calculator::calculate;
pub use candidates::{CandidateSettings, Candidates, RatedAnswer};
pub use conversation::{Answer, Conversation, Prompt};
pub use embed::Embedder;
pub use engine::{Engine, check_config_writes, check_writes};
pub use error::{Error, Result};
pub use fill::{Filling, MASK, fill};
pub use generate::{Finish, Flow, Generation};
pub use grounded::{GroundedAnswer, MOST_ROUNDS, NOTHING, Round, Snippet, query};
pub use labels::{LabelTeller, likeliest_label, told};
pub use masked_writing::{MaskedBeginning, MaskedWriter};
pub use ratings::{Ratings, answered_ids, rate};
pub use request::{Chosen, LogProbability, Request, RequestId, Update};
pub use sampler::{Candidate, Sampler};
pub use scheduler::{CacheUse, SLOTS, Scheduler, SchedulerSettings};
pub use schema::{JsonSchema, OrderedJson};
pub use score::{Window, score};
pub use sequence::Sequence;
pub use settings::{GenerateSettings, SamplingSettings};
pub use shared::score_shared;
pub use whole::{TextReader, WholeText};
