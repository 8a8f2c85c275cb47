use clap::Args;

use super::fine_tuning::FineTuningArguments;
use super::settings::Settings;
use crate::alignment::text;
use crate::console::{Display, print_figures};
use crate::stages::dpo::ABOUT;

/// Fine-tune a model on preference pairs (DPO)
///
/// Direct preference optimization (DPO) on records with a chosen and a rejected answer, and prompt,
/// conversations or instruction (or, as in hh-rlhf, the whole dialogue in both). Writes DIR/model
/// (with --lora: DIR/adapter) and DIR/metrics.jsonl. Run the same command again to resume after an
/// interruption.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa dpo tuned/model --data preferences.jsonl --out preferred
  nuwa dpo tuned/model --data hh.jsonl.gz --out preferred --lora 16 --set dpo.beta=0.2")]
pub struct Dpo {
    #[command(flatten)]
    tuning: FineTuningArguments,
    #[command(flatten)]
    settings: Settings,
}

impl Dpo {
    pub fn run(self) -> anyhow::Result<()> {
        let mut draft = self.settings.draft()?;
        self.tuning.put_into(&ABOUT, &mut draft)?;
        let recipe = draft.recipe()?;
        let mut display = Display::new();
        let outcome = self.tuning.with(&ABOUT, recipe.seed, |job| job.dpo(&recipe.dpo, &mut display))?;
        drop(display);
        let next = self.tuning.next_step(&outcome);
        print_figures(self.tuning.json, &outcome, || format!("{}\n{next}", text(&outcome)))
    }
}
