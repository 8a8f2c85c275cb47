//! The records that a build will learn answers from, looked at before anything long runs.

use nuwa_align::data::{self, Columns, LabelColumns, LabelledTexts, Lessons, Opinions};
use nuwa_tokenizer::CHAT_TEMPLATE;

use crate::failure::Problem;
use crate::recipe::{Align, Recipe};
use crate::taught::Taught;

/// Reads every record of `answers` and `preferences`, and lets the chat template of a model built here write each.
///
/// # Errors
/// As the stages `sft` and `dpo` would give hours later.
pub fn check(recipe: &Recipe) -> anyhow::Result<()> {
    let columns = Columns::new();
    let (taught, bad) = (Taught::of(recipe), recipe.sft.tuning.bad_records);
    let has_answers = !recipe.answers.is_empty();
    match taught {
        Taught::Pairs if has_answers => drop(data::text_pairs(&recipe.answers, &columns, bad)?),
        Taught::Labels => {
            LabelledTexts::read(&recipe.answers, &columns, &LabelColumns::default(), bad)?;
        }
        Taught::Nothing if has_answers => return Err(learns_labels_alone(recipe)),
        Taught::Dialogues | Taught::Pairs | Taught::Nothing => {}
    }
    if taught != Taught::Dialogues {
        return check_no_preferences(recipe, taught);
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

fn learns_labels_alone(recipe: &Recipe) -> anyhow::Error {
    let family = recipe.model.family().registered().model_type;
    let problem = format!("answers: {family} writes no answers, so it learns from no dialogues and no pairs");
    Problem::new(problem)
        .hint("give texts with labels, which it learns to tell apart, or take a family that writes, such as llama")
        .into()
}

/// Preferences and prompts are for models that continue a dialogue.
fn check_no_preferences(recipe: &Recipe, taught: Taught) -> anyhow::Result<()> {
    let named = [("preferences", &recipe.preferences), ("prompts", &recipe.prompts)];
    let Some((key, _)) = named.into_iter().find(|(_, files)| !files.is_empty()) else { return Ok(()) };
    let what = match taught {
        Taught::Labels => "the answers are texts with labels, and a model that tells labels".to_string(),
        _ => recipe.model.family().registered().model_type.to_string(),
    };
    let problem = Problem::new(format!("{key}: {what} writes no dialogues, so there is nothing to prefer"));
    Err(problem.hint(format!("leave {key} out, or take a family that continues text, such as llama")).into())
}
