//! What a build does after pretraining, as work in tokens of training: so much of the budget is kept for it.
//!
//! Counted are the tokens that go through the model. What a stage costs beside them is in its factor, from the stages of the
//! embedded world (`docs/benchmarks.md`); since work is turned into time at the speed that training has just then, it is right on
//! a slower machine too.

use std::path::{Path, PathBuf};

use nuwa_align::data::{self, Columns, Dialogue, LabelColumns, Lessons, Opinions, Rated};
use nuwa_align::labelling::label_epochs;
use nuwa_align::{BadRecords, Epochs, PairEpochs, PreferenceLoss, RolloutSettings};
use nuwa_shards::tokenize::TokenizeSummary;
use nuwa_shards::{Part, Shards};
use nuwa_train::clock::Afterwards;

use crate::recipe::Recipe;
use crate::taught::Taught;

/// Looking at a token, in place of learning from it.
const FORWARD: f64 = 0.35;

/// A token of fine-tuning, with what is rendered, packed and measured for it.
const FINE_TUNING: f64 = 1.12;

/// A token of a pair: learning from it, and the likelihood under the reference.
const PREFERENCE: f64 = 1.6;

/// A token of a rollout before it is learnt from: sampling it, its likelihood under policy and reference, its score and value.
const PPO: f64 = 3.0;
/// Learning from it once, of policy and value function.
const PPO_EPOCH: f64 = 2.0;
/// The same without a value function.
const GRPO: f64 = 2.0;

/// Tokens of an answer where that is not said.
const ANSWER: usize = 32;

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

/// Fine-tuning on files of answers, which teach `taught`, where the text came to `text`.
pub fn of_answers(
    recipe: &Recipe,
    taught: Taught,
    files: &[PathBuf],
    text: &TokenizeSummary,
) -> anyhow::Result<f64> {
    let bad = recipe.sft.tuning.bad_records;
    match taught {
        Taught::Pairs => return of_pairs(recipe, files, text),
        Taught::Labels => return of_labels(recipe, files, text),
        Taught::Dialogues | Taught::Nothing => {}
    }
    let (lessons, _) = Lessons::read(files, &Columns::new(), bad)?;
    let learnt: f64 = lessons.dialogues.iter().map(|dialogue| tokens(dialogue, text)).sum();
    let of_ratings = |rated: &Rated| rated.ratings.len() as f64 * (tokens(&rated.dialogue, text) + RATING);
    let sum = learnt + lessons.rated.iter().map(of_ratings).sum::<f64>();
    let settings = &recipe.sft;
    let course = Epochs::of(settings.epochs, settings.batch_tokens, sum as usize);
    Ok(sum * course.epochs as f64 / (1.0 - settings.pretraining.share) * FINE_TUNING)
}

/// The same of an encoder-decoder, which learns pairs, without text of the pretraining.
fn of_pairs(recipe: &Recipe, files: &[PathBuf], text: &TokenizeSummary) -> anyhow::Result<f64> {
    let settings = &recipe.sft;
    let (pairs, _) = data::text_pairs(files, &Columns::new(), settings.tuning.bad_records)?;
    let bytes: usize = pairs.iter().map(|pair| pair.source.len() + pair.target.len()).sum();
    let sum = bytes as f64 / text.bytes_per_token.max(0.1) + 2.0 * pairs.len() as f64;
    let course = Epochs::of(settings.epochs, settings.batch_tokens, sum as usize);
    Ok(sum * course.epochs as f64 * FINE_TUNING)
}

/// The same of texts with labels.
fn of_labels(recipe: &Recipe, files: &[PathBuf], text: &TokenizeSummary) -> anyhow::Result<f64> {
    let settings = &recipe.sft;
    let (texts, _) = data::plain_texts(files, &LabelColumns::default(), settings.tuning.bad_records)?;
    let bytes: usize =
        texts.iter().map(|own| own.text.len() + own.pair.as_ref().map_or(0, String::len)).sum();
    let sum = bytes as f64 / text.bytes_per_token.max(0.1) + 2.0 * texts.len() as f64;
    Ok(sum * label_epochs(texts.len(), settings) as f64 * FINE_TUNING)
}

/// Fine-tuning on files of preferences.
pub fn of_preferences(recipe: &Recipe, files: &[PathBuf], text: &TokenizeSummary) -> anyhow::Result<f64> {
    let settings = &recipe.dpo;
    let (opinions, _) = Opinions::read(files, &Columns::new(), settings)?;
    let sum: f64 = opinions.dialogues().iter().map(|dialogue| tokens(dialogue, text)).sum();
    let of = if settings.loss.is_unpaired() { PairEpochs::of_answers } else { PairEpochs::of };
    let course = of(settings.epochs, settings.batch_pairs, opinions.count());
    // Before each step answers are looked at behind other prompts, by the model and the reference, or pairs are sorted.
    let looks = match settings.loss {
        PreferenceLoss::Kto => 2.0,
        PreferenceLoss::Aot => 1.0,
        _ => 0.0,
    };
    let work = PREFERENCE + looks * FORWARD;
    Ok(sum * course.epochs as f64 / (1.0 - settings.pretraining.share) * work)
}

/// A reward model from files of preferences.
pub fn of_reward(recipe: &Recipe, files: &[PathBuf], text: &TokenizeSummary) -> anyhow::Result<f64> {
    let bad = recipe.reward.tuning.bad_records;
    let (pairs, _) = data::read(files, &Columns::new(), bad, data::preference)?;
    let dialogues = pairs.iter().flat_map(data::Preference::dialogues);
    let sum: f64 = dialogues.map(|dialogue| tokens(&dialogue, text)).sum();
    let course = PairEpochs::of(recipe.reward.epochs, recipe.reward.batch_prompts, pairs.len());
    Ok(sum * course.epochs as f64 * FINE_TUNING)
}

/// PPO on files of prompts.
pub fn of_ppo(recipe: &Recipe, files: &[PathBuf], text: &TokenizeSummary) -> anyhow::Result<f64> {
    let settings = &recipe.ppo;
    let bad = settings.tuning.bad_records;
    of_rollouts(files, (&settings.rollouts, bad), text, PPO + PPO_EPOCH * settings.rollouts.epochs as f64)
        .map(|work| work / (1.0 - settings.pretraining.share))
}

/// GRPO on files of prompts.
pub fn of_grpo(recipe: &Recipe, files: &[PathBuf], text: &TokenizeSummary) -> anyhow::Result<f64> {
    let settings = &recipe.grpo;
    let bad = settings.tuning.bad_records;
    of_rollouts(files, (&settings.rollouts, bad), text, GRPO + settings.rollouts.epochs as f64)
        .map(|work| work / (1.0 - settings.pretraining.share))
}

/// Rounds of so many answers, each of whose tokens costs so much.
fn of_rollouts(
    files: &[PathBuf],
    (rollouts, bad): (&RolloutSettings, BadRecords),
    text: &TokenizeSummary,
    token: f64,
) -> anyhow::Result<f64> {
    let (prompts, _) = data::prompts(files, &Columns::new(), bad)?;
    let bytes = |prompt: &data::Prompt| prompt.messages.iter().map(|turn| turn.content.len()).sum::<usize>();
    let all: usize = prompts.iter().map(bytes).sum();
    let prompt = all as f64 / prompts.len().max(1) as f64 / text.bytes_per_token.max(0.1) + MESSAGE;
    let answer = rollouts.max_tokens.unwrap_or(ANSWER) as f64 / 2.0;
    Ok(rollouts.rounds as f64 * rollouts.answers as f64 * (prompt + answer) * token)
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
