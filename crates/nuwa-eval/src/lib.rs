//! How good a model is: tasks, their metrics, and how sure each figure is.
//!
//! - [`Scorer`]: what a task needs of a model; [`nuwa_infer::Engine`] is one.
//! - [`harness`]: task files of lm-evaluation-harness.
//! - [`language_modelling`]: how well a model predicts text, by [`evaluate`].
//! - [`bias`] and [`safety`]: measures of a kind of their own, by name as [`Probe`].
//! - [`metrics`]: figures of texts, classes and numbers against the true ones.
//! - [`ratings`]: answers that the model rates itself, against the truth.
//! - [`tasks`]: questions with answers, each task described by a file.
//! - [`suites`]: several tasks with their mean, as leaderboards show them.
//! - [`statistics`]: intervals, and tests of differences.
//! - [`comparison`]: models side by side, tested on the same items.
//! - [`people`]: what judges say of answers, blind and by a plan.
//! - [`TaskResult`]: the entry of `eval.json`.
//!
//! ```
//! use nuwa_eval::evaluate;
//! use nuwa_infer::Engine;
//! # use nuwa_tokenizer::{TrainSettings, train};
//! # let settings = TrainSettings { vocab_size: 260, ..TrainSettings::default() };
//! # let tokenizer = train(std::iter::once("clay and water ".repeat(9)), &settings, &mut |_| {})?;
//! # let config = r#"{"model_type": "llama", "vocab_size": 260, "hidden_size": 16, "intermediate_size": 32,
//! #     "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 64}"#;
//! # let engine = Engine::new(nuwa_models::build(&serde_json::from_str(config)?, 1)?, tokenizer)?;
//!
//! let mut texts = ["Clay and water.", "黄土和水。"].into_iter().map(|text| Ok(text.to_string()));
//! let result = evaluate(&engine, "language_modelling", &mut texts, None, &mut |_| {})?;
//! let bits = &result.metrics["bits_per_byte"];
//! println!("{:.2} ± {:.2} bits per byte", bits.value, bits.stderr.unwrap_or_default());
//! assert!(bits.value > 0.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod bias;
mod change;
pub mod comparison;
mod data_file;
mod error;
mod figures;
pub mod harness;
pub mod language_modelling;
pub mod metrics;
pub mod people;
mod probe;
mod python_random;
pub mod ratings;
mod ratio;
mod remark;
mod result;
pub mod safety;
mod scorer;
mod signature;
pub mod statistics;
pub mod suites;
pub mod tasks;

pub use change::{Change, FIGURES, change, smaller_is_better};
pub use data_file::DataFile;
pub use error::{Error, Result, TextError};
pub use probe::{Judges, Probe};
pub use ratio::Ratio;
pub use remark::{ErrorsOver, Warning};
pub use result::{Metric, Shown, TaskResult, Unit};
pub use scorer::Scorer;
pub use signature::Signature;

use nuwa_files::Progress;

/// The names of the tasks on plain text.
pub const TASKS: [&str; 1] = [language_modelling::NAME];

/// Texts to evaluate on, one document each, as they are read.
pub type Texts<'a> = dyn Iterator<Item = std::result::Result<String, TextError>> + 'a;

/// Runs the task called `task` on the first `limit` texts, or on all of them, with its usual settings.
///
/// # Errors
/// When there is no such task, the texts cannot be read or hold nothing to score, or the model fails.
pub fn evaluate(
    scorer: &dyn Scorer,
    task: &str,
    texts: &mut Texts<'_>,
    limit: Option<usize>,
    progress: &mut dyn FnMut(Progress),
) -> Result<TaskResult> {
    let texts = &mut texts.take(limit.unwrap_or(usize::MAX));
    match task {
        language_modelling::NAME => {
            language_modelling::evaluate(scorer, texts, &language_modelling::Settings::default(), progress)
        }
        _ => Err(unknown(task)),
    }
}

/// The error about a task that there is none of.
fn unknown(task: &str) -> Error {
    let known: Vec<&str> = TASKS
        .into_iter()
        .chain([ratings::NAME])
        .chain(Probe::ALL.map(Probe::name))
        .chain(tasks::Task::names())
        .collect();
    Error::UnknownTask { name: task.to_string(), known: known.join(", ") }
}
