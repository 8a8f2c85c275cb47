//! What the stages of a run leave in its folder beside their results, each file as one type: whoever writes it and whoever reads it
//! use that.

mod evaluation;
mod fine_tuning;
mod labels;
mod machine;
mod manifest;
mod plan;
mod pretraining;
mod provenance;

pub use evaluation::{Evaluation, Tasks};
pub use fine_tuning::{FineTuningOutcome, Reinforcement};
pub use labels::{LabelFigures, LabelOutcome};
pub use machine::Machine;
pub use manifest::{Basis, Manifest, Output};
pub use plan::PlanFile;
pub use pretraining::PretrainingOutcome;
pub use provenance::{
    FileDigest, MadeBy, MadeOn, ModelDigest, PROVENANCE, Provenance, SourceDigest, StageDigest,
};
