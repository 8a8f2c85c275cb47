//! The model learns from the rewards of answers that it samples itself: PPO.

use std::path::Path;

use nuwa_shards::tokenize::TokenizeSummary;

use super::fine_tuning;
use super::reward;
use super::stage::{Build, Stage};
use crate::afterwards;
use crate::alignment::Feedback;
use crate::console::Display;
use crate::recipe::Align;
use crate::run::{About, Dependencies};
use crate::source::Records;

pub static ABOUT: About = About::training("ppo", "强化学习（PPO）");

/// Trains the model on prompts, towards rewards.
pub struct PpoStage;

impl Stage for PpoStage {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn applies(&self, build: &Build) -> bool {
        build.recipe.align == Align::Ppo && !build.records(Records::Prompts).is_empty()
    }

    fn dependencies(&self, build: &Build, on: Dependencies) -> anyhow::Result<Dependencies> {
        let on = fine_tuning::dependencies(build, on, &build.recipe.ppo, &build.records(Records::Prompts))?;
        Ok(build.after(on, &[&reward::ABOUT]))
    }

    fn run(&self, build: &Build, out: &Path, display: &mut Display) -> anyhow::Result<String> {
        let records = build.records(Records::Prompts);
        let folder = build.place(&reward::ABOUT).join("model");
        let model = reward::is_needed(build).then_some(folder.as_path());
        let feedback = Feedback { reward: model, rules: &build.recipe.ppo.rules };
        fine_tuning::run(build, out, &records, |job| job.ppo(&build.recipe.ppo, &feedback, display))
    }

    fn work(&self, build: &Build, text: &TokenizeSummary) -> anyhow::Result<f64> {
        afterwards::of_ppo(&build.recipe, &build.records(Records::Prompts), text)
    }
}
