//! The model learns which answers are preferred.

use std::path::Path;

use nuwa_shards::tokenize::TokenizeSummary;

use super::fine_tuning;
use super::stage::{Build, Stage};
use crate::afterwards;
use crate::console::Display;
use crate::recipe::Align;
use crate::run::{About, Dependencies};
use crate::source::Records;

pub static ABOUT: About = About::training("dpo", "偏好优化");

/// Tunes on pairs of a preferred and another answer.
pub struct DpoStage;

impl Stage for DpoStage {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn applies(&self, build: &Build) -> bool {
        build.recipe.align == Align::Dpo && !build.records(Records::Preferences).is_empty()
    }

    fn dependencies(&self, build: &Build, on: Dependencies) -> anyhow::Result<Dependencies> {
        fine_tuning::dependencies(build, on, &build.recipe.dpo, &build.records(Records::Preferences))
    }

    fn run(&self, build: &Build, out: &Path, display: &mut Display) -> anyhow::Result<String> {
        let records = build.records(Records::Preferences);
        fine_tuning::run(build, out, &records, |job| job.dpo(&build.recipe.dpo, display))
    }

    fn work(&self, build: &Build, text: &TokenizeSummary) -> anyhow::Result<f64> {
        afterwards::of_preferences(&build.recipe, &build.records(Records::Preferences), text)
    }
}
