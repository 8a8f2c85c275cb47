//! What a build does after pretraining, as work in tokens of training: so much of the budget is kept for it.
//!
//! Counted are the tokens that go through the model. What a stage costs beside them is in its factor, from the stages of the
//! embedded world (`docs/benchmarks.md`); since work is turned into time at the speed that training has just then, it is right on
//! a slower machine too.

use std::path::{Path, PathBuf};

use nuwa_align::data::{self, Columns, Dialogue, Lessons, Rated};
use nuwa_align::{Epochs, PairEpochs};
use nuwa_shards::tokenize::TokenizeSummary;
use nuwa_shards::{Part, Shards};
use nuwa_train::clock::Afterwards;

use crate::recipe::Recipe;

/// Looking at a token, in place of learning from it.
const FORWARD: f64 = 0.35;

/// A token of fine-tuning, with what is rendered, packed and measured for it.
const FINE_TUNING: f64 = 1.12;

/// A token of a pair: learning from it, and the likelihood under the reference.
const PREFERENCE: f64 = 1.6;

/// An item of the embedded world that is asked.
const ITEM: f64 = 61.0;

/// What a message costs in the chat template, in tokens.
const MESSAGE: f64 = 4.0;

/// What the attribute and its rating cost behind an answer, in tokens.
const RATING: f64 = 8.0;

/// Loading, hashing, exporting and the report, in seconds.
const SECONDS: f64 = 2.0;

/// Writing the model, in seconds.
const SAVING: f64 = 0.3;

/// Work of so many tokens in the later stages of a build.
pub fn of_build(tokens: f64) -> Afterwards {
    Afterwards { tokens, seconds: SECONDS }
}

/// Work after the last step where nothing but pretraining is asked for.
pub fn of_pretraining(shards: &Path) -> anyhow::Result<Afterwards> {
    let test = Shards::open_if_any(shards, Part::Test)?.map_or(0, |part| part.tokens());
    Ok(Afterwards { tokens: in_training(test), seconds: SAVING })
}

/// What pretraining itself does at its end.
pub fn in_training(test: u64) -> f64 {
    test.min(nuwa_train::MOST_TEST_TOKENS) as f64 * FORWARD
}

/// Fine-tuning on files of answers, where the text came to `text`.
pub fn of_answers(recipe: &Recipe, files: &[PathBuf], text: &TokenizeSummary) -> anyhow::Result<f64> {
    let bad = recipe.sft.tuning.bad_records;
    let (lessons, _) = Lessons::read(files, &Columns::new(), bad)?;
    let learnt: f64 = lessons.dialogues.iter().map(|dialogue| tokens(dialogue, text)).sum();
    let of_ratings = |rated: &Rated| rated.ratings.len() as f64 * (tokens(&rated.dialogue, text) + RATING);
    let sum = learnt + lessons.rated.iter().map(of_ratings).sum::<f64>();
    let settings = &recipe.sft;
    let course = Epochs::of(settings.epochs, settings.batch_tokens, sum as usize);
    Ok(sum * course.epochs as f64 / (1.0 - settings.pretraining.share) * FINE_TUNING)
}

/// Fine-tuning on files of preferences.
pub fn of_preferences(recipe: &Recipe, files: &[PathBuf], text: &TokenizeSummary) -> anyhow::Result<f64> {
    let bad = recipe.dpo.tuning.bad_records;
    let (pairs, _) = data::read(files, &Columns::new(), bad, data::preference)?;
    let dialogues = pairs.iter().flat_map(data::Preference::dialogues);
    let sum: f64 = dialogues.map(|dialogue| tokens(&dialogue, text)).sum();
    let course = PairEpochs::of(recipe.dpo.epochs, recipe.dpo.batch_pairs, pairs.len());
    Ok(sum * course.epochs as f64 / (1.0 - recipe.dpo.pretraining.share) * PREFERENCE)
}

/// Measuring so many models on the text of the test part, `readings` times, and on so many items.
pub fn of_evaluation(models: usize, text: &TokenizeSummary, readings: usize, items: usize) -> f64 {
    let measured = text.test.tokens as f64 * FORWARD * readings as f64;
    models as f64 * (measured + items as f64 * ITEM)
}

fn tokens(dialogue: &Dialogue, text: &TokenizeSummary) -> f64 {
    let of = |bytes: usize| bytes as f64 / text.bytes_per_token.max(0.1) + MESSAGE;
    dialogue.messages.iter().map(|message| of(message.content.len())).sum()
}
