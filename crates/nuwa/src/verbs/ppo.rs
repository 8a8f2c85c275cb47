use clap::Args;

use super::reinforcement::ReinforcementArguments;
use super::settings::Settings;
use crate::alignment::text;
use crate::console::{Display, print_figures};
use crate::stages::ppo::ABOUT;

/// Train a model by PPO towards a reward model (RLHF)
///
/// Proximal policy optimization: answers to the prompts are sampled, scored by the reward model, and learnt from, while the KL
/// divergence from the model it began as is taken from the reward. A value function begins as the reward model. Each line shows the
/// reward, the KL divergence an answer, the entropy a token, the share of clipped tokens, and the length of answers. Writes DIR/model
/// (with --lora: DIR/adapter) and DIR/metrics.jsonl. Run the same command again to resume after an interruption.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa ppo tuned/model --reward rewarder --prompts prompts.jsonl --out aligned
  nuwa ppo tuned/model --reward rewarder --prompts preferences.jsonl --out aligned --set ppo.kl_target=6
  nuwa ppo tuned/model --reward rewarder --rule 'length:5-40*0.2' --prompts questions.txt --out aligned --lora 16")]
pub struct Ppo {
    #[command(flatten)]
    reinforcement: ReinforcementArguments,
    #[command(flatten)]
    settings: Settings,
}

impl Ppo {
    pub fn run(self) -> anyhow::Result<()> {
        let mut draft = self.settings.draft()?;
        self.reinforcement.put_into(&ABOUT, &mut draft)?;
        let recipe = draft.recipe()?;
        let mut display = Display::new();
        let rules = &recipe.ppo.rules;
        let outcome = self
            .reinforcement
            .with(&ABOUT, recipe.seed, rules, |job, feedback| job.ppo(&recipe.ppo, feedback, &mut display))?;
        drop(display);
        let next = self.reinforcement.next_step(&outcome);
        print_figures(self.reinforcement.training.json, &outcome, || format!("{}\n{next}", text(&outcome)))
    }
}
