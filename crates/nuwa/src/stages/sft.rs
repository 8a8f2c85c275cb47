//! The model learns to answer.

use std::path::Path;

use nuwa_shards::tokenize::TokenizeSummary;

use super::fine_tuning;
use super::stage::{Build, Stage};
use crate::afterwards;
use crate::console::Display;
use crate::run::{About, Dependencies};
use crate::source::Records;

pub static ABOUT: About = About::training("sft", "监督微调");

/// Fine-tunes on dialogues.
pub struct SftStage;

impl Stage for SftStage {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn applies(&self, build: &Build) -> bool {
        !build.records(Records::Answers).is_empty()
    }

    fn dependencies(&self, build: &Build, on: Dependencies) -> anyhow::Result<Dependencies> {
        fine_tuning::dependencies(build, on, &build.recipe.sft, &build.records(Records::Answers))
    }

    fn run(&self, build: &Build, out: &Path, display: &mut Display) -> anyhow::Result<String> {
        let records = build.records(Records::Answers);
        fine_tuning::run(build, out, &records, |job| job.sft(&build.recipe.sft, display))
    }

    fn work(&self, build: &Build, text: &TokenizeSummary) -> anyhow::Result<f64> {
        afterwards::of_answers(&build.recipe, &build.records(Records::Answers), text)
    }
}
