use clap::Args;

use super::fine_tuning::FineTuningArguments;
use super::settings::Settings;
use crate::alignment::text;
use crate::console::{Display, print_figures};
use crate::stages::dpo::ABOUT;

/// Fine-tune a model on preferences (DPO and its relatives)
///
/// Learns from records with a chosen and a rejected answer, and prompt, conversations or
/// instruction (or, as in hh-rlhf, the whole dialogue in both), or from answers with scores, of
/// which the best is chosen over the worst. With --loss kto also from single answers: prompt,
/// completion and label (true or false, 1 or 0, good or bad, a thumb up or down), or messages and
/// label. Writes DIR/model (with --lora: DIR/adapter) and DIR/metrics.jsonl. Run the same command
/// again to resume after an interruption.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa dpo tuned/model --data preferences.jsonl --out preferred
  nuwa dpo tuned/model --data hh.jsonl.gz --out preferred --lora 16 --set dpo.beta=0.2
  nuwa dpo tuned/model --data preferences.jsonl --out preferred --loss ipo
  nuwa dpo tuned/model --data thumbs.jsonl --out preferred --loss kto     single answers with a label
  nuwa dpo tuned/model --data scored.jsonl --out preferred --loss simpo   completions with scores")]
pub struct Dpo {
    #[command(flatten)]
    tuning: FineTuningArguments,
    /// Loss: sigmoid (DPO), robust, ipo, hinge, simpo, orpo, dpop, aot or kto [default: sigmoid]
    #[arg(long, value_name = "LOSS")]
    loss: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

impl Dpo {
    pub fn run(self) -> anyhow::Result<()> {
        let mut draft = self.settings.draft()?;
        self.tuning.put_into(&ABOUT, &mut draft)?;
        if let Some(loss) = &self.loss {
            draft.put("dpo.loss", toml::Value::String(loss.clone()))?;
        }
        let recipe = draft.recipe()?;
        let mut display = Display::new();
        let outcome = self.tuning.with(&ABOUT, recipe.seed, |job| job.dpo(&recipe.dpo, &mut display))?;
        drop(display);
        let next = self.tuning.next_step(&outcome);
        print_figures(self.tuning.training.json, &outcome, || format!("{}\n{next}", text(&outcome)))
    }
}
