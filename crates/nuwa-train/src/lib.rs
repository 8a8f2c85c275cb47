//! Pretraining.
//!
//! [`plan::Plan`] says what to train, [`pretrain`] trains it: [`Loader`] gives windows of tokens in an order that
//! depends on nothing but the seed and the sample's number, [`Trainer`] does one step, [`checkpoint`] keeps what a
//! killed run needs to go on as if it had never stopped.
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
mod settings;
mod trainer;
mod validation;

pub use earlier::{Kept, keep_earlier};
pub use error::{Error, Result};
pub use loader::Loader;
pub use metrics::{MetricsFile, Sample, StepLine, TrainEvent, ValidationLine};
pub use pretrain::{Hooks, Job, MOST_TEST_TOKENS, Summary, pretrain};
pub use settings::{ModelSettings, PrecisionChoice, PretrainSettings, Recompute};
pub use trainer::{StepOutcome, Trainer};
pub use validation::{Validation, validate};
