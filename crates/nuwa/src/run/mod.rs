//! A run folder: one folder for each stage, a manifest in each that is finished, a lock while a build works in it.

mod aside;
mod list;
mod lock;
mod manifest;
mod owner;
mod sources;
mod stage;

pub use list::{Entry, State, bytes_below, is_run, runs_in};
pub use lock::{Lock, is_held};
pub use manifest::renew_inputs;
pub use owner::{Owner, own_folder};
pub use stage::{Outcome, Stage, run_stage};

/// The stages in their order.
pub const STAGES: [&str; 12] = [
    "world",
    "collect",
    "clean",
    "tokenizer",
    "tokenize",
    "tune",
    "pretrain",
    "sft",
    "dpo",
    "eval",
    "export",
    "report",
];

/// Those of them that make models.
pub const MODEL_STAGES: [&str; 3] = ["pretrain", "sft", "dpo"];
