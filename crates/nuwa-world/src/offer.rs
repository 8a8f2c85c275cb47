//! What a build takes from the world, as data: where its files lie, the tasks that its items are for, and the settings that
//! serve it.

use super::facts::Language;
use super::items::{TASKS, is_stated};

/// Settings that serve the world best, as a recipe (TOML): each holds where nothing else was said.
pub const RECIPE: &str = include_str!("../recipe.toml");

/// Seconds of training where neither a budget nor a size was said.
pub const USUAL_SECONDS: u64 = 330;

/// The folder of the corpus, below the folder that [`write`](super::write) writes.
pub const CORPUS: &str = "corpus";

/// The dialogues to learn from, below the same folder.
pub const DIALOGUES: &str = "sft.jsonl";

/// The preference pairs to learn from.
pub const PREFERENCES: &str = "preferences.jsonl";

/// Rated answers to learn rating from.
pub const RATINGS: &str = "ratings.jsonl";

/// Dialogues in which things are looked up before they are answered.
pub const LOOKUPS: &str = "lookups.jsonl";

/// Prompts for reinforcement learning, each with the answers that are right.
pub const PROMPTS: &str = "prompts.jsonl";

/// The same for measuring; nothing learns from these.
pub const HELD_OUT_PROMPTS: &str = "prompts-held-out.jsonl";

/// The slurs that are planted, one a line, for the cleaning step `toxicity`.
pub const SLUR_LIST: &str = "slurs.txt";

/// The folder of the held-out items.
pub const ITEMS: &str = "eval";

/// Below [`ITEMS`], pairs of sentences that differ in a pronoun, to measure a planted bias on; in the form of CrowS-Pairs.
pub const BIAS_PAIRS: &str = "bias.jsonl";

/// A task of evaluation in one language, with its held-out items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldTask {
    /// Its name in `nuwa-eval`: `world_choice_en`.
    pub name: String,
    /// Its language.
    pub language: Language,
    /// Its items, below the folder of the world: `eval/world_choice_en.jsonl`.
    pub items: String,
    /// Whether the corpus states on purpose what the items say, so that cleaning must not take it for contamination.
    pub is_stated: bool,
}

/// All tasks, each in both languages.
pub fn tasks() -> impl Iterator<Item = WorldTask> {
    TASKS.into_iter().flat_map(|task| Language::BOTH.map(|language| WorldTask::of(task, language)))
}

impl WorldTask {
    fn of(task: &str, language: Language) -> Self {
        let name = format!("{task}_{}", language.code());
        Self { language, items: format!("{ITEMS}/{name}.jsonl"), is_stated: is_stated(task), name }
    }
}
