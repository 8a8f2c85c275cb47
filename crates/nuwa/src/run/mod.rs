//! A run folder: one folder for each stage, a manifest in each that is finished, a lock while a build works in it.

mod about;
mod aside;
mod former;
mod lock;
mod manifest;
mod owner;
mod sources;
mod stage;

pub use about::{About, HandsOn};
pub use former::rename_stages;
pub use lock::{Lock, is_held};
pub use manifest::{
    MANIFEST, UNFINISHED, handed_on, is_of_progress, outputs_hash, read_manifest, renew_inputs,
};
pub use owner::{Owner, own_folder};
pub use sources::{source_files, source_hash};
pub use stage::{Dependencies, StageOutcome, run_stage};
