//! Task files of lm-evaluation-harness (Gao et al.; the YAML of 0.4.13), run without Python.
//!
//! - [`HarnessTasks`]: what a file stands for: a task, or a group with its tasks.
//! - [`HarnessTask::evaluate`]: runs one; [`HarnessTasks::group`] puts the figures of a group together.
//!
//! A file that needs a function in Python is refused with the function's name and file, except for those that are built in, known by
//! the hash of their text: HellaSwag's, WinoGrande's, TruthfulQA's mc2 and WikiText's.

mod collection;
mod config;
mod files;
mod filters;
mod jinja;
mod prompt;
mod python;
mod run;
mod sampling;
mod scores;
#[cfg(test)]
mod tests;
mod twins;
mod yaml;

pub use collection::{HarnessTask, HarnessTasks};
pub use config::DataSource;
pub use run::{HarnessOptions, Splits};
