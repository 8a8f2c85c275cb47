//! A run folder: one folder for each stage, a manifest in each that is finished, a lock while a build works in it.

mod lock;
mod manifest;
mod sources;
mod stage;

pub use lock::Lock;
pub use stage::{Outcome, Stage, run_stage};
