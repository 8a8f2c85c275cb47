//! The stages of a build, in one table: builds, verbs, the live view, the list of runs and the report read it.
//!
//! A new stage is a file here and a line in [`STAGES`].

pub mod clean;
pub mod collect;
pub mod dpo;
pub mod eval;
pub mod export;
mod fine_tuning;
pub mod grpo;
pub mod plan;
pub mod ppo;
pub mod pretrain;
pub mod report;
pub mod reward;
pub mod sft;
mod stage;
pub mod tokenize;
pub mod tokenizer;
pub mod world;

pub use stage::{Build, Stage};

use nuwa_report::ReportedStage;

use crate::run::About;

/// All stages in their order.
pub const STAGES: [&dyn Stage; 15] = [
    &world::WorldStage,
    &collect::CollectStage,
    &clean::CleanStage,
    &tokenizer::TokenizerStage,
    &tokenize::TokenizeStage,
    &plan::PlanStage,
    &pretrain::PretrainStage,
    &sft::SftStage,
    &dpo::DpoStage,
    &reward::RewardStage,
    &ppo::PpoStage,
    &grpo::GrpoStage,
    &eval::EvalStage,
    &export::ExportStage,
    &report::ReportStage,
];

/// What is fixed about each of them.
pub fn all() -> Vec<&'static About> {
    STAGES.iter().map(|stage| stage.about()).collect()
}

/// The same as far as the report shows it.
pub fn reported() -> Vec<ReportedStage> {
    all().into_iter().map(About::reported).collect()
}

/// Those of them that make models.
pub fn models() -> Vec<&'static About> {
    all().into_iter().filter(|stage| stage.makes_model).collect()
}

/// Whether a build ends with this one.
pub fn is_last(stage: &About) -> bool {
    STAGES.last().is_some_and(|last| last.about().name == stage.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_the_first_model_is_the_pretrained_one() {
        let names: std::collections::BTreeSet<&str> = all().iter().map(|stage| stage.name).collect();
        assert_eq!(names.len(), STAGES.len());
        assert_eq!(models().first().map(|stage| stage.name), Some("pretrain"));
    }
}
