//! A new model learns from the shards.

use std::path::Path;

use nuwa_report::numbers;
use nuwa_report::records::PretrainingOutcome;
use nuwa_shards::tokenize::TokenizeSummary;
use nuwa_tokenizer::Tokenizer;

use super::stage::{Build, Stage};
use super::{plan, tokenize, tokenizer};
use crate::console::Display;
use crate::run::{About, Dependencies};
use crate::training::{self, Training};
use crate::{afterwards, space};

pub static ABOUT: About = About::training("pretrain", "预训练");

/// Trains the model that the plan names.
pub struct PretrainStage;

impl Stage for PretrainStage {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn dependencies(&self, build: &Build, on: Dependencies) -> anyhow::Result<Dependencies> {
        let on = on.settings(&build.recipe.pretrain)?.seed(build.recipe.seed);
        Ok(build.after(on, &[&tokenize::ABOUT, &tokenizer::ABOUT, &plan::ABOUT]))
    }

    fn run(&self, build: &Build, out: &Path, display: &mut Display) -> anyhow::Result<String> {
        let plan = plan::made(build)?.plan;
        let short = space::check_weights(plan.parameters, &build.folder)?;
        short.iter().for_each(|warning| display.note(warning));
        let training = Training {
            shards: &build.place(&tokenize::ABOUT),
            tokenizer: &Tokenizer::load(&build.place(&tokenizer::ABOUT))?,
            out,
            plan: &plan,
            settings: &build.recipe.pretrain,
            seed: build.recipe.seed,
            init: None,
            afterwards: build.afterwards(&tokenize::figures(build)?)?,
        };
        Ok(text(&training.run(display)?))
    }

    /// Only what it does at its end, after the training.
    fn work(&self, _build: &Build, text: &TokenizeSummary) -> anyhow::Result<f64> {
        Ok(afterwards::in_training(text.test.tokens))
    }
}

/// The figures in a sentence.
pub fn text(outcome: &PretrainingOutcome) -> String {
    let PretrainingOutcome { parameters, summary, .. } = outcome;
    let bits = summary
        .bits_per_byte
        .map_or(String::new(), |bits| format!(", {bits:.3} bits per byte on held-out text"));
    let figures = training::figures(&summary.figures);
    let measured = if figures.is_empty() { bits } else { format!(", on held-out text{figures}") };
    let (parameters, tokens) =
        (numbers::rounded(*parameters as f64), numbers::rounded(summary.tokens as f64));
    let ended = training::ended(outcome).map_or(String::new(), |ended| format!("\n  {ended}"));
    format!(
        "{parameters} parameters, {tokens} tokens in {}{measured}{ended}",
        numbers::counted(summary.steps, "step")
    )
}
