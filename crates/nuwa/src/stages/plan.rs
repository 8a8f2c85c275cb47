//! The plan: what is trained within the budget, and a prediction of time, memory and loss.

use std::path::Path;

use nuwa_report::records::PlanFile;
use nuwa_report::repetition;
use nuwa_tokenizer::Tokenizer;

use super::stage::{Build, Stage};
use super::{tokenize, tokenizer};
use crate::console::Display;
use crate::machine;
use crate::planning::{self, Time};
use crate::recipe::Recipe;
use crate::run::{About, Dependencies, HandsOn};

pub static ABOUT: About = About {
    hands_on: HandsOn::Hash(planning::what_is_trained),
    former: Some("tune"),
    ..About::new("plan", "训练计划")
};

/// Plans once; the plan stays as long as what it was made from.
pub struct PlanStage;

impl Stage for PlanStage {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn dependencies(&self, build: &Build, on: Dependencies) -> anyhow::Result<Dependencies> {
        let Recipe { budget, params, tokens, model, pretrain, .. } = &build.recipe;
        let on = on.settings(&(budget, params, tokens, model, pretrain))?;
        Ok(build.after(on, &[&tokenize::ABOUT]))
    }

    fn run(&self, build: &Build, out: &Path, display: &mut Display) -> anyhow::Result<String> {
        nuwa_files::write_json(&build.folder.join("machine.json"), &machine::measured())?;
        let tokenizer = Tokenizer::load(&build.place(&tokenizer::ABOUT))?;
        let afterwards = build.afterwards(&tokenize::figures(build)?)?;
        let time = Time { spent: build.spent(), afterwards };
        let planned =
            planning::make(&build.recipe, &build.place(&tokenize::ABOUT), &tokenizer, time, display)?;
        nuwa_files::write_json(&out.join(ABOUT.summary_file()), &planned)?;
        let warning = repetition::warning(planned.plan.epochs).map(|told| format!("\n  {told}"));
        Ok(planning::text(&planned) + &warning.unwrap_or_default())
    }
}

/// The plan that was made.
pub fn made(build: &Build) -> anyhow::Result<PlanFile> {
    Ok(nuwa_files::read_json(&build.place(&ABOUT).join(ABOUT.summary_file()))?)
}
