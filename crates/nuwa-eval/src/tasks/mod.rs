//! Tasks that are described in files: what is asked in Jinja, what is measured, and on which data.
//!
//! - [`Task`]: the description, from a TOML file or [built in](Task::built_in).
//! - [`Items`]: the data, as JSON lines, a JSON list, CSV or TSV.
//! - [`Task::evaluate`]: runs it on a [`Scorer`](crate::Scorer).
//!
//! The prompts, the splitting of context and continuation, and the metrics are those of lm-evaluation-harness (Gao et al.;
//! `lm_eval/tasks` and `lm_eval/api` of 0.4), so that figures can be compared. Beside each figure stands a hash of all
//! prompts and options.
//!
//! ```no_run
//! # fn main() -> nuwa_eval::Result<()> {
//! use nuwa_eval::tasks::{Items, Options, Task};
//! let engine = nuwa_infer::Engine::load("runs/world/model".as_ref())?;
//! let items = Items::read("arc_easy.jsonl".as_ref())?;
//! let result = Task::built_in("arc_easy")?.evaluate(&engine, &items, &Options::default(), &mut |_| {})?;
//! println!("{:?}", result.metrics["acc"]);
//! # Ok(()) }
//! ```

mod ask;
mod description;
mod evaluate;
mod examples;
mod fields;
mod items;
pub(crate) mod likelihood;
mod right;
mod table;
mod tally;
mod templates;
mod written;

pub use description::{Kind, Task, deep_line};
pub use evaluate::Options;
pub(crate) use examples::SEED;
pub use examples::Sampler;
pub use items::Items;
pub use written::TextMetric;
