//! The records that a build will learn answers from, looked at before anything long runs.

use nuwa_align::data::{self, Columns, Lessons, Opinions};
use nuwa_models::Prediction;
use nuwa_tokenizer::CHAT_TEMPLATE;

use crate::recipe::{Align, Recipe};

/// Reads every record of `answers` and `preferences`, and lets the chat template of a model built here write each.
///
/// # Errors
/// As the stages `sft` and `dpo` would give hours later.
pub fn check(recipe: &Recipe) -> anyhow::Result<()> {
    let columns = Columns::new();
    let is_of_pairs = recipe.model.family().registered().predicts == Prediction::Answer;
    if is_of_pairs && !recipe.answers.is_empty() {
        data::text_pairs(&recipe.answers, &columns, recipe.sft.tuning.bad_records)?;
    }
    if is_of_pairs {
        return Ok(());
    }
    if !recipe.answers.is_empty() {
        let (lessons, _) = Lessons::read(&recipe.answers, &columns, recipe.sft.tuning.bad_records)?;
        lessons.conversations().try_for_each(|dialogue| data::check_template(CHAT_TEMPLATE, dialogue))?;
    }
    if !recipe.preferences.is_empty() {
        let (opinions, _) = Opinions::read(&recipe.preferences, &columns, &recipe.dpo)?;
        let dialogues = opinions.dialogues();
        dialogues.iter().try_for_each(|dialogue| data::check_template(CHAT_TEMPLATE, dialogue))?;
    }
    if recipe.align != Align::Dpo && !recipe.prompts.is_empty() {
        let bad = match recipe.align {
            Align::Grpo => recipe.grpo.tuning.bad_records,
            _ => recipe.ppo.tuning.bad_records,
        };
        data::prompts(&recipe.prompts, &columns, bad)?;
    }
    Ok(())
}
