//! Training: the loop that pretraining and every kind of tuning go through.
//!
//! [`Steps`] say which passes a step is made of, [`Trainer`] adds up their gradient and changes the weights, [`run()`] is the
//! loop around it, and [`checkpoint`] keeps what a killed run needs to go on as if it had never stopped. [`plan::Plan`] says
//! what to pretrain, [`pretrain`] does it: [`Loader`] gives windows of tokens in an order that depends on nothing but the seed and
//! the sample's number, and an [objective](objectives) says what is predicted in them.
#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod clock;
pub mod course;
mod earlier;
mod error;
mod loader;
mod metrics;
pub mod objectives;
pub mod plan;
mod pretrain;
mod pretraining;
mod run;
mod settings;
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
pub use settings::{ModelSettings, PrecisionChoice, PretrainSettings, Recompute};
pub use steps::{Figures, Measured, Steps};
pub use trainer::{Adapters, StepOutcome, Trainer, TrainerSettings};
pub use validation::{Validation, validate};
