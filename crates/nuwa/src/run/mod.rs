//! A run folder: one folder for each stage, a manifest in each that is finished, a lock while a build works in it.

mod aside;
mod lock;
mod manifest;
mod owner;
mod sources;
mod stage;

pub use lock::Lock;
pub use manifest::renew_inputs;
pub use owner::{Owner, own_folder};
pub use stage::{Outcome, Stage, run_stage};
