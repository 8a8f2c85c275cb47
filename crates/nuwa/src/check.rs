//! What can be refused before anything long runs: settings that make nothing, and tasks that cannot be asked.
//!
//! Each room checks its own settings here as it does again when it works.

use nuwa_eval::TASKS;
use nuwa_eval::tasks::Task;

use crate::evaluation::nearest_task;
use crate::failure::Problem;
use crate::planning;
use crate::recipe::{Align, Draft, EvalSettings, Recipe};
use crate::source::Source;
use crate::world_rule;

/// The fewest tokens of a vocabulary, for a size that only the text will tell.
const SMALLEST_VOCABULARY: usize = 259;

/// Checks all settings of a build.
pub fn check(draft: &Draft, recipe: &Recipe) -> anyhow::Result<()> {
    Source::of(recipe).check(recipe)?;
    recipe.tokenizer.check()?;
    recipe.tokenize.check()?;
    let vocabulary = recipe.tokenizer.vocab_size;
    let planned = !draft.says("tokenizer.vocab_size");
    planning::check(recipe, if planned { SMALLEST_VOCABULARY } else { vocabulary })?;
    recipe.sft.check()?;
    recipe.dpo.check()?;
    recipe.reward.check()?;
    recipe.ppo.check()?;
    recipe.grpo.check()?;
    rewards(recipe)?;
    tasks(&recipe.eval)
}

/// Reinforcement learning needs prompts, and something that says what a good answer is.
fn rewards(recipe: &Recipe) -> anyhow::Result<()> {
    let rules = match recipe.align {
        Align::Dpo => return Ok(()),
        Align::Ppo => &recipe.ppo.rules,
        Align::Grpo => &recipe.grpo.rules,
    };
    world_rule::rules(rules)?;
    if Source::of(recipe).is_written() || !recipe.preferences.is_empty() {
        return Ok(());
    }
    let (missing, hint) = match (recipe.prompts.is_empty(), rules.is_empty()) {
        (false, false) => return Ok(()),
        (_, true) => ("is nothing that says what a good answer is", "give --preferences, for a reward model"),
        (true, false) => ("are no prompts", "give --prompts"),
    };
    let problem = Problem::new(format!("align = {}: there {missing}", toml::Value::try_from(recipe.align)?));
    Err(problem.hint(hint).into())
}

/// A build measures on what it held out; other tasks need items that it does not have.
fn tasks(settings: &EvalSettings) -> anyhow::Result<()> {
    if settings.limit == Some(0) {
        let problem = Problem::new("eval.limit = 0: expected at least 1");
        return Err(problem.hint("leave it out to measure on all that is held out").into());
    }
    let Some(other) = settings.tasks.iter().find(|task| !TASKS.contains(&task.as_str())) else {
        return Ok(());
    };
    let problem = format!("eval.tasks = {:?}: expected no others than {TASKS:?}", settings.tasks);
    let is_asked = other.ends_with(".toml") || Task::names().any(|name| name == other);
    let hint = match is_asked {
        true => format!(
            "{other} asks items of a file, so ask it after the build: nuwa eval RUN/model --task {other} --data ITEMS"
        ),
        false => match nearest_task(other) {
            Some(known) => format!("there is no task {other:?}; did you mean {known}?"),
            None => format!("there is no task {other:?}; leave eval.tasks out"),
        },
    };
    Err(Problem::new(problem).hint(hint).into())
}
