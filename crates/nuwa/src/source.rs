//! What a build reads, and all that follows from it: text of the user's own, or the embedded world, which knows what is true.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nuwa_clean::{CleanSettings, StepName};
use nuwa_eval::tasks::Task;
use nuwa_world::{Language, is_stated};
use toml::Value;

use crate::recipe::{Draft, Recipe};

/// Where the text of a build comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Files, folders, data sets and sites that the recipe names.
    Text,
    /// The embedded world, which the build writes into its own folder.
    World,
}

/// Files of records to fine-tune on, by the stage that reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    Answers,
    Preferences,
}

/// Time to train when neither a budget nor a size was said.
const USUAL_OF_TEXT: Duration = Duration::from_secs(600);
const USUAL_OF_WORLD: Duration = Duration::from_secs(330);

/// What serves the embedded world best, found by trying: facts want many small steps.
const OF_WORLD: [(&str, Value); 11] = [
    ("model.width", Value::Integer(128)),
    ("model.layers", Value::Integer(3)),
    ("sft.epochs", Value::Integer(1)),
    ("pretrain.batch_tokens", Value::Integer(512)),
    // Slower, the form of a chat is not learnt, and what is known is not told in it; text of the pretraining keeps the rest.
    ("sft.learning_rate", Value::Float(1e-3)),
    ("sft.batch_tokens", Value::Integer(1024)),
    // Faster, or with beta at 0.1, answers lose letters and ends: what is rejected is often what is chosen, and more.
    ("dpo.learning_rate", Value::Float(1e-5)),
    ("dpo.beta", Value::Float(0.5)),
    ("dpo.epochs", Value::Integer(1)),
    ("dpo.batch_pairs", Value::Integer(16)),
    ("dpo.pretraining.share", Value::Float(0.2)),
];

impl Source {
    /// That of a recipe: without any named source, the embedded world.
    pub fn of(recipe: &Recipe) -> Self {
        if recipe.from.is_empty() { Self::World } else { Self::Text }
    }

    /// Whether a build writes this source itself, in its stage `world`.
    pub fn is_written(self) -> bool {
        self == Self::World
    }

    /// Says in `draft` what serves this source best, where nothing else was said; `run` is the folder of the build.
    pub fn put_into(self, draft: &mut Draft, run: &Path) -> anyhow::Result<()> {
        match self {
            Self::Text => Ok(()),
            Self::World => {
                fit(draft)?;
                fit_cleaning(draft, run)
            }
        }
    }

    /// Refuses settings that make no text of this source.
    pub fn check(self, recipe: &Recipe) -> anyhow::Result<()> {
        match self {
            Self::Text => recipe.clean.check()?,
            // Its cleaning reads files that the build writes itself.
            Self::World => recipe.world.check()?,
        }
        Ok(())
    }

    /// Files and folders of text, as the recipe names them or as the build has written them into `run`.
    pub fn texts(self, recipe: &Recipe, run: &Path) -> Vec<PathBuf> {
        match self {
            Self::Text => recipe.from.clone(),
            Self::World => vec![self.folder(run).join("corpus")],
        }
    }

    /// Records to fine-tune on: those that the recipe names, or the source's own.
    pub fn records(self, records: Records, recipe: &Recipe, run: &Path) -> Vec<PathBuf> {
        let (said, own) = match records {
            Records::Answers => (&recipe.answers, "sft.jsonl"),
            Records::Preferences => (&recipe.preferences, "preferences.jsonl"),
        };
        match self {
            Self::World if said.is_empty() => vec![self.folder(run).join(own)],
            _ => said.clone(),
        }
    }

    /// Tasks whose items the source has itself.
    pub fn tasks(self) -> impl Iterator<Item = &'static str> {
        Task::names().filter(move |task| self == Self::World && task.starts_with("world_"))
    }

    /// The folder of the items of [`Self::tasks`].
    pub fn items(self, run: &Path) -> PathBuf {
        self.folder(run).join("eval")
    }

    /// How many items each model is asked.
    pub fn items_asked(self, recipe: &Recipe) -> usize {
        self.tasks().count() * recipe.eval.limit.unwrap_or(usize::MAX).min(recipe.world.items)
    }

    /// Files of items that must not stand in the training text: all but those whose facts it states on purpose.
    pub fn held_out_items(self, run: &Path) -> Vec<PathBuf> {
        let folder = self.items(run);
        self.tasks()
            .filter(|task| !is_stated(task))
            .map(|task| folder.join(format!("{task}.jsonl")))
            .collect()
    }

    /// Languages in which the model is measured one by one.
    pub fn languages(self) -> &'static [Language] {
        match self {
            Self::Text => &[],
            Self::World => &Language::BOTH,
        }
    }

    /// The time of a build where neither a budget nor a size was said.
    pub fn usual_budget(self) -> Duration {
        match self {
            Self::Text => USUAL_OF_TEXT,
            Self::World => USUAL_OF_WORLD,
        }
    }

    /// Parameters of a model that a vocabulary is chosen for, which is that of `likely` ones unless the source needs more.
    pub fn parameters_to_name(self, likely: u64) -> u64 {
        match self {
            Self::Text => likely,
            // Its facts are names: each has its tokens.
            Self::World => u64::MAX,
        }
    }

    /// Where the build writes it.
    pub fn folder(self, run: &Path) -> PathBuf {
        run.join("world")
    }
}

/// Sizes and rates for the embedded world.
fn fit(draft: &mut Draft) -> anyhow::Result<()> {
    let sized = draft.says("params");
    for (key, value) in OF_WORLD {
        // A size that was asked for decides the shape.
        let decided = draft.says(key) || (sized && key.starts_with("model."));
        if !decided {
            draft.put(key, value)?;
        }
    }
    if !draft.says("tokenizer.split") {
        draft.put("tokenizer.split", Value::String("characters".into()))?;
    }
    Ok(())
}

/// Cleaning that knows what is planted into the embedded world: its slurs, and slips in words.
fn fit_cleaning(draft: &mut Draft, run: &Path) -> anyhow::Result<()> {
    if draft.says("clean.steps") {
        return Ok(());
    }
    let mut steps = CleanSettings::default().steps;
    let duplicates = steps.iter().position(|step| *step == StepName::ExactDuplicates).unwrap_or(steps.len());
    steps.splice(duplicates..duplicates, [StepName::Toxicity, StepName::Spelling]);
    draft.put("clean.steps", Value::try_from(steps)?)?;
    let slurs = Source::World.folder(run).join("slurs.txt");
    // Slips are planted side by side there, and there are no foreign passages.
    let known = [
        ("clean.toxicity.word_lists", Value::try_from([slurs])?),
        ("clean.spelling.unknown_around", Value::Integer(6)),
    ];
    for (key, value) in known {
        if !draft.says(key) {
            draft.put(key, value)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_has_its_own_records_and_tasks_and_other_text_has_what_is_named() {
        let run = Path::new("run");
        let (world, mut recipe) = (Recipe::default(), Recipe::default());
        recipe.from = vec!["book.txt".into()];
        assert_eq!((Source::of(&world), Source::of(&recipe)), (Source::World, Source::Text));
        let answers = |recipe: &Recipe| Source::of(recipe).records(Records::Answers, recipe, run);
        assert_eq!(answers(&world), [run.join("world/sft.jsonl")]);
        assert!(answers(&recipe).is_empty());
        let named = Recipe { answers: vec!["own.jsonl".into()], ..world.clone() };
        assert_eq!(answers(&named), [Path::new("own.jsonl")]);
        assert!(Source::World.tasks().count() > 0 && Source::Text.tasks().count() == 0);
        assert_eq!(Source::Text.texts(&recipe, run), [Path::new("book.txt")]);
    }

    #[test]
    fn what_was_said_is_kept() {
        let mut draft = Draft::default();
        draft.set("sft.epochs=4").unwrap();
        draft.set("clean.steps=[\"length\"]").unwrap();
        Source::World.put_into(&mut draft, Path::new("run")).unwrap();
        let recipe = draft.recipe().unwrap();
        assert_eq!(
            (recipe.sft.epochs, recipe.model.width, recipe.clean.steps.len()),
            (Some(4), Some(128), 1)
        );
    }
}
