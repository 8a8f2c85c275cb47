use clap::Args;

use super::reinforcement::ReinforcementArguments;
use super::settings::Settings;
use crate::alignment::text;
use crate::console::{Display, print_figures};
use crate::stages::grpo::ABOUT;

/// Train a model by GRPO towards rewards that can be checked
///
/// Group relative policy optimization: several answers to each prompt are sampled and held against each other, by rules (--rule) or a
/// reward model (--reward). Before the first step it tells pass@1, pass@8 and how many prompts can teach anything. Variants are settings:
/// grpo.baseline (Dr. GRPO, RLOO), grpo.averaging (DAPO), grpo.ratio (GSPO), grpo.clip_higher, grpo.resample. Writes DIR/model (with
/// --lora: DIR/adapter) and DIR/metrics.jsonl. Run the same command again to resume after an interruption.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa grpo tuned/model --rule exact --prompts sums.jsonl --out better
  nuwa grpo tuned/model --rule numeric --rule 'ended*0.1' --prompts sums.jsonl --out better --rounds 40
  nuwa grpo tuned/model --rule 'json:schema.json' --prompts questions.txt --out better
  nuwa grpo tuned/model --reward rewarder --prompts prompts.jsonl --out better --lora 16")]
pub struct Grpo {
    #[command(flatten)]
    reinforcement: ReinforcementArguments,
    #[command(flatten)]
    settings: Settings,
}

impl Grpo {
    pub fn run(self) -> anyhow::Result<()> {
        let mut draft = self.settings.draft()?;
        self.reinforcement.put_into(&ABOUT, &mut draft)?;
        let recipe = draft.recipe()?;
        let mut display = Display::new();
        let rules = &recipe.grpo.rules;
        let outcome = self.reinforcement.with(&ABOUT, recipe.seed, rules, |job, feedback| {
            job.grpo(&recipe.grpo, feedback, &mut display)
        })?;
        drop(display);
        let next = self.reinforcement.next_step(&outcome);
        print_figures(self.reinforcement.training.json, &outcome, || format!("{}\n{next}", text(&outcome)))
    }
}
