//! Alignment: a model that continues text becomes one that answers.
//!
//! - [`data`]: dialogues and preferences, from every usual form of file.
//! - [`render`]: a dialogue as token ids, with the mark of which are trained on.
//! - [`pack`]: rendered dialogues cut to the context and gathered into steps, each accounted for.
//! - [`tune`]: the loop of training, of all weights or of [`LoraAdapters`] adapters, for any [`RecordSteps`]: [`Sft`],
//!   [`Dpo`]; what a reward model, PPO and GRPO need is the same: passes whose loss follows from the likelihood of tokens.
//! - [`Mixed`]: any of them with text of the pretraining beside it, so that what was learnt there is kept.
#![forbid(unsafe_code)]

pub mod data;
pub mod dpo;
mod epochs;
mod error;
mod join;
mod lora;
mod mixed;
pub mod pack;
pub mod render;
mod settings;
pub mod sft;
mod tune;

pub use dpo::Dpo;
pub use epochs::{Epochs, PairEpochs};
pub use error::{Advice, Error, Result};
pub use lora::LoraAdapters;
pub use mixed::{Mixed, TextSource, TextStats};
pub use settings::{
    BadRecords, DpoSettings, LongDialogues, LoraSettings, PretrainingText, SftSettings, TuningSettings,
};
pub use sft::Sft;
pub use tune::{Job, RecordSteps, Summary, packed, trainer, tune};
