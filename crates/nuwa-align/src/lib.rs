//! Alignment: a model that continues text becomes one that answers.
//!
//! - [`data`]: dialogues, preferences and prompts, from every usual form of file.
//! - [`rules`]: rewards that can be checked, from exact answers to a program of one's own.
//! - [`feedback`]: what a person decided about answers, as records of those forms.
//! - [`render`]: a dialogue as token ids, with the mark of which are trained on.
//! - [`ratings`]: rated answers as examples, from which the model learns to rate.
//! - [`preference`]: what is minimised over answers that are compared, a file for each loss.
//! - [`pack`]: rendered dialogues cut to the context and gathered into steps, each accounted for.
//! - [`tune`]: the loop of training, of all weights or of [`LoraAdapters`] adapters, for any [`RecordSteps`]: [`Sft`],
//!   [`Dpo`], [`Kto`]; what a reward model, PPO and GRPO need is the same: passes whose loss follows from the likelihood of tokens.
//! - [`Labelling`]: a head for labels over any model.
//! - [`sequences`]: pairs of a source and a target, which an encoder-decoder learns to write.
//! - [`Mixed`]: any of them with text of the pretraining beside it, so that what was learnt there is kept.
//!
//! ```
//! use nuwa_align::pack::Example;
//! use nuwa_align::{Sft, SftSettings, TuningSettings, trainer};
//! use nuwa_models::build;
//! use nuwa_nn::{Schedule, ScheduleKind};
//!
//! # let config = r#"{"model_type": "llama", "vocab_size": 16, "hidden_size": 16, "intermediate_size": 32,
//! #     "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 32}"#;
//! # let model = build(&serde_json::from_str(config)?, 1)?;
//! // A question, and an answer on whose tokens the model is trained.
//! let example = Example::of(vec![1, 2, 3, 9, 8, 0], vec![false, false, false, true, true, true]);
//! let settings = SftSettings { epochs: Some(20), ..SftSettings::default() };
//! let mut source = Sft::of_examples(vec![example; 8], Vec::new(), &settings, 1)?;
//! let mut trainer = trainer(model, None, &TuningSettings::default(), 1);
//! trainer.set_schedule(Schedule { floor: 0.1, warmup: 2, ..Schedule::new(ScheduleKind::Cosine, 1e-2, 20) });
//! let losses = (0..20).map(|step| Ok(trainer.step(&mut source, step)?.measured.loss)).collect::<nuwa_train::Result<Vec<_>>>()?;
//! assert!(losses[19] < losses[0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod data;
pub mod dpo;
mod epochs;
mod error;
pub mod feedback;
mod fitting;
mod join;
pub mod kto;
mod label_loss;
pub mod labelling;
mod likelihood;
mod lora;
mod mismatch;
mod mixed;
pub mod pack;
pub mod preference;
pub mod ratings;
pub mod render;
pub mod rl;
pub mod rules;
pub mod sequences;
mod settings;
pub mod sft;
mod tune;

pub use dpo::Dpo;
pub use epochs::{Epochs, PairEpochs};
pub use error::{Advice, Error, Result};
pub use kto::Kto;
pub use labelling::Labelling;
pub use lora::LoraAdapters;
pub use mixed::{Mixed, TextSource, TextStats};
pub use nuwa_format::{Labels, Problem};
pub use rl::{GrpoSettings, PpoSettings, RewardSettings, RolloutSettings};
pub use sequences::SequenceToSequence;
pub use settings::{
    BadRecords, DpoSettings, LongDialogues, LoraSettings, PreferenceLoss, PretrainingText, SftSettings,
    TuningSchedule, TuningSettings,
};
pub use sft::{Sft, divide};
pub use tune::{Job, RecordSteps, Summary, Watch, packed, trainer, tune, tune_watched};
