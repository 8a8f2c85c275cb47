//! Training: the loop that pretraining and every kind of tuning go through.
//!
//! [`Steps`] say which passes a step is made of, [`Trainer`] adds up their gradient and changes the weights, [`run()`] is the
//! loop around it, and [`checkpoint`] keeps what a killed run needs to go on as if it had never stopped. [`plan::Plan`] says
//! what to pretrain, [`pretrain`] does it: [`Loader`] gives windows of tokens in an order that depends on nothing but the seed and
//! the sample's number, and an [objective](objectives) says what is predicted in them.
//!
//! ```
//! use std::sync::Arc;
//!
//! use nuwa_models::{ModelConfig, build};
//! use nuwa_nn::{Schedule, ScheduleKind};
//! use nuwa_shards::{IdWidth, Part, ShardWriter, Shards};
//! use nuwa_train::objectives::Causal;
//! use nuwa_train::{Loader, Pretraining, Trainer, TrainerSettings};
//!
//! # let folder = tempfile::tempdir()?;
//! # let config = r#"{"model_type": "gpt2", "vocab_size": 16, "n_positions": 8, "n_embd": 16, "n_layer": 1, "n_head": 2}"#;
//! # let config: ModelConfig = serde_json::from_str(config)?;
//! let mut shards = ShardWriter::create(folder.path(), Part::Train, IdWidth::Two, 10_000);
//! (0..50).try_for_each(|_| shards.push(&[1, 2, 3, 4, 5, 6, 7, 0], "a document"))?;
//! shards.finish()?;
//! let loader = Loader::new(Shards::open(folder.path(), Part::Train)?, 8, 1)?;
//! let mut source = Pretraining::new(loader, Arc::new(Causal { eos: Some(0) }), [4, 1]);
//! let mut trainer = Trainer::new(build(&config, 1)?, None, TrainerSettings::default());
//! trainer.set_schedule(Schedule { floor: 0.1, warmup: 2, ..Schedule::new(ScheduleKind::Cosine, 1e-2, 20) });
//! let losses = (0..20).map(|step| Ok(trainer.step(&mut source, step)?.measured.loss)).collect::<nuwa_train::Result<Vec<_>>>()?;
//! assert!(losses[19] < losses[0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod clock;
pub mod course;
mod earlier;
mod error;
pub mod inside;
mod loader;
mod metrics;
pub mod objectives;
pub mod plan;
mod pretrain;
mod pretraining;
mod run;
pub mod search;
mod settings;
mod shares;
mod steps;
mod sum;
mod trainer;
mod validation;

pub use earlier::{Kept, keep_earlier};
pub use error::{Error, Result};
pub use loader::Loader;
pub use metrics::{MetricsFile, Sample, StepLine, TrainEvent, ValidationLine};
pub use pretrain::{Job, MOST_TEST_TOKENS, Summary, pretrain};
pub use pretraining::Pretraining;
pub use run::{BEST, CHECKPOINT, Finished, Hooks, Pacing, Run, remove_best, remove_checkpoint, run};
pub use settings::{
    LanguageObjective, LanguageSettings, MaskedSettings, MicroBatch, ModelSettings, Parametrization,
    PermutationSettings, PrecisionChoice, PretrainSettings, Recompute, SequenceObjective, SpanSettings,
    check_optimizer,
};
pub use shares::LayerShares;
pub use steps::{Figures, Measured, Steps};
pub use trainer::{Adapters, StepOutcome, Trainer, TrainerSettings};
pub use validation::{Validation, validate};
