use clap::Args;

use super::fine_tuning::FineTuningArguments;
use super::settings::Settings;
use crate::alignment::text;
use crate::console::{Display, print_figures};
use crate::failure::Problem;
use crate::stages::reward::ABOUT;

/// Train a reward model on preference pairs
///
/// The model learns to score answers: a linear head on the hidden state of an answer's last token, trained so that the
/// chosen answer of a pair scores higher than the rejected one (Bradley-Terry). Reads the records that `nuwa dpo` reads, and
/// their `margin` where they have one; all answers to one prompt are compared together. Writes DIR/model, which
/// transformers loads as ...ForSequenceClassification, and DIR/reward.json with accuracy, calibration and the accuracy by
/// difference of lengths on held-out pairs. Run the same command again to resume after an interruption.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa reward tuned/model --data preferences.jsonl --out rewarder
  nuwa reward tuned/model --data hh.jsonl.gz --out rewarder --lora 16
  nuwa ppo tuned/model --reward rewarder --prompts prompts.jsonl --out aligned")]
pub struct Reward {
    #[command(flatten)]
    tuning: FineTuningArguments,
    #[command(flatten)]
    settings: Settings,
}

impl Reward {
    pub fn run(self) -> anyhow::Result<()> {
        if self.tuning.training.shards.is_some() {
            let problem = Problem::new("--shards: a reward model writes nothing, so it forgets no text");
            return Err(problem.hint("leave --shards out").into());
        }
        let mut draft = self.settings.draft()?;
        self.tuning.put_into(&ABOUT, &mut draft)?;
        let recipe = draft.recipe()?;
        let mut display = Display::new();
        let outcome =
            self.tuning.with(&ABOUT, recipe.seed, |job| job.reward(&recipe.reward, &mut display))?;
        drop(display);
        print_figures(self.tuning.training.json, &outcome, || {
            let written = nuwa_files::quoted_path(&outcome.written);
            let model = outcome.written.display();
            let next = format!("model    {model}\nuse      nuwa score {written} --data FILE");
            format!("{}\n{next}", text(&outcome))
        })
    }
}
