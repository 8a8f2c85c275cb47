//! The model learns to answer, or to tell labels.

use std::path::Path;

use nuwa_align::data::LabelColumns;
use nuwa_shards::tokenize::TokenizeSummary;

use super::fine_tuning;
use super::stage::{Build, Stage};
use crate::afterwards;
use crate::alignment::AskedLabels;
use crate::console::Display;
use crate::run::{About, Dependencies};
use crate::source::Records;
use crate::taught::Taught;

pub static ABOUT: About = About::training("sft", "监督微调");

/// Fine-tunes on dialogues, pairs or texts with labels.
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
        fine_tuning::run(build, out, &records, |job| match build.taught {
            Taught::Labels => {
                let columns = LabelColumns::default();
                let language = job.language_of_labels(&columns)?;
                let asked = AskedLabels { columns, held_out: &[], language };
                job.label(&build.recipe.sft, &asked, display)
            }
            Taught::Dialogues | Taught::Pairs | Taught::Nothing => job.sft(&build.recipe.sft, display),
        })
    }

    fn work(&self, build: &Build, text: &TokenizeSummary) -> anyhow::Result<f64> {
        afterwards::of_answers(&build.recipe, build.taught, &build.records(Records::Answers), text)
    }
}
