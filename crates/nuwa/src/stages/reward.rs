//! A model learns to score answers as people prefer them.

use std::path::Path;

use nuwa_shards::tokenize::TokenizeSummary;

use super::fine_tuning;
use super::stage::{Build, Stage};
use crate::afterwards;
use crate::console::Display;
use crate::recipe::Align;
use crate::run::{About, Dependencies};
use crate::source::Records;

/// It makes a model that scores and writes nothing: the stages that follow go on from the model before it.
pub static ABOUT: About = About { makes_model: false, ..About::training("reward", "奖励模型") };

/// Trains a reward model on the pairs, where reinforcement learning needs one.
pub struct RewardStage;

/// Whether a build trains a reward model.
pub fn is_needed(build: &Build) -> bool {
    let learns = match build.recipe.align {
        Align::Dpo => false,
        Align::Ppo => true,
        Align::Grpo => build.recipe.grpo.rules.is_empty(),
    };
    learns && !build.records(Records::Preferences).is_empty()
}

impl Stage for RewardStage {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn applies(&self, build: &Build) -> bool {
        is_needed(build)
    }

    fn dependencies(&self, build: &Build, on: Dependencies) -> anyhow::Result<Dependencies> {
        fine_tuning::dependencies(build, on, &build.recipe.reward, &build.records(Records::Preferences))
    }

    fn run(&self, build: &Build, out: &Path, display: &mut Display) -> anyhow::Result<String> {
        let records = build.records(Records::Preferences);
        fine_tuning::run(build, out, &records, |job| job.reward(&build.recipe.reward, display))
    }

    fn work(&self, build: &Build, text: &TokenizeSummary) -> anyhow::Result<f64> {
        afterwards::of_reward(&build.recipe, &build.records(Records::Preferences), text)
    }
}
