//! What a build reads, and all that follows from it: text of the user's own, or the embedded world, which knows what is true.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nuwa_eval::Probe;
use nuwa_eval::tasks::Task;
use nuwa_models::Prediction;
use nuwa_world::{
    BIAS_PAIRS, CORPUS, DIALOGUES, ITEMS, Language, PREFERENCES, PROMPTS, RATINGS, RECIPE, SLUR_LIST,
    USUAL_SECONDS,
};
use toml::{Table, Value};

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
    Prompts,
}

/// Time to train when neither a budget nor a size was said.
const USUAL_OF_TEXT: Duration = Duration::from_secs(600);

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
            Self::World => fit(draft, run),
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
            Self::World => vec![self.folder(run).join(CORPUS)],
        }
    }

    /// Records to fine-tune on: those that the recipe names, or the source's own.
    pub fn records(self, records: Records, recipe: &Recipe, run: &Path) -> Vec<PathBuf> {
        let (said, own) = match records {
            Records::Answers => (&recipe.answers, DIALOGUES),
            Records::Preferences => (&recipe.preferences, PREFERENCES),
            Records::Prompts => (&recipe.prompts, PROMPTS),
        };
        match self {
            Self::World if said.is_empty() => {
                let writes = recipe.model.family().registered().predicts == Prediction::NextToken;
                let rated = records == Records::Answers && recipe.world.learn_ratings && writes;
                let names = std::iter::once(own).chain(rated.then_some(RATINGS));
                names.map(|name| self.folder(run).join(name)).collect()
            }
            Self::Text if said.is_empty() && records == Records::Prompts => recipe.preferences.clone(),
            _ => said.clone(),
        }
    }

    /// Tasks whose items the source has itself.
    pub fn tasks(self) -> impl Iterator<Item = &'static str> {
        Task::names().filter(move |task| self == Self::World && task.starts_with("world_"))
    }

    /// The folder of the items of [`Self::tasks`].
    pub fn items(self, run: &Path) -> PathBuf {
        self.folder(run).join(ITEMS)
    }

    /// What of bias and safety each model is measured by, with the data of each: its own, or what the measure carries.
    pub fn probes(self, run: &Path) -> Vec<(Probe, Vec<PathBuf>)> {
        match self {
            Self::Text => Vec::new(),
            Self::World => {
                vec![
                    (Probe::CrowsPairs, vec![self.items(run).join(BIAS_PAIRS)]),
                    (Probe::OverRefusals, Vec::new()),
                ]
            }
        }
    }

    /// How many items each model is asked.
    pub fn items_asked(self, recipe: &Recipe) -> usize {
        self.tasks().count() * recipe.eval.limit.unwrap_or(usize::MAX).min(recipe.world.items)
    }

    /// Files of items that must not stand in the training text: all but those whose facts it states on purpose.
    pub fn held_out_items(self, run: &Path) -> Vec<PathBuf> {
        let held_out = || nuwa_world::tasks().filter(|task| !task.is_stated);
        match self {
            Self::Text => Vec::new(),
            Self::World => held_out().map(|task| self.folder(run).join(task.items)).collect(),
        }
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
            Self::World => Duration::from_secs(USUAL_SECONDS),
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

/// What serves the embedded world, where nothing else was said.
fn fit(draft: &mut Draft, run: &Path) -> anyhow::Result<()> {
    // A size that was asked for decides the shape, and own steps the cleaning.
    let (sized, cleaned) = (draft.says("params"), draft.says("clean.steps"));
    let slurs = Source::World.folder(run).join(SLUR_LIST);
    let mut settings = leaves(&toml::from_str(RECIPE).expect("a test reads it"));
    settings.push(("clean.toxicity.word_lists".into(), Value::try_from([slurs])?));
    for (key, value) in settings {
        let decided = draft.says(&key)
            || (sized && key.starts_with("model."))
            || (cleaned && key.starts_with("clean."));
        if !decided {
            draft.put(&key, value)?;
        }
    }
    Ok(())
}

/// The values of a recipe, each with its whole key.
fn leaves(table: &Table) -> Vec<(String, Value)> {
    let below = |(key, value): (&String, &Value)| match value {
        Value::Table(table) => {
            leaves(table).into_iter().map(|(inner, value)| (format!("{key}.{inner}"), value)).collect()
        }
        value => vec![(key.clone(), value.clone())],
    };
    table.iter().flat_map(below).collect()
}

#[cfg(test)]
mod tests {
    use nuwa_clean::{CleanSettings, StepName};

    use super::*;

    #[test]
    fn the_world_is_cleaned_as_usual_with_what_finds_the_planted() {
        let mut draft = Draft::default();
        Source::World.put_into(&mut draft, Path::new("run")).unwrap();
        let clean = draft.recipe().unwrap().clean;
        let own = [StepName::Toxicity, StepName::Spelling];
        let (found, usual): (Vec<_>, Vec<_>) = clean.steps.iter().partition(|step| own.contains(step));
        assert_eq!((found, usual), (own.to_vec(), CleanSettings::default().steps));
        assert_eq!(clean.toxicity.word_lists, [Path::new("run/world/slurs.txt")]);
    }

    #[test]
    fn each_task_of_the_world_is_described() {
        let mut described: Vec<&str> = Source::World.tasks().collect();
        let tasks: Vec<_> = nuwa_world::tasks().collect();
        let mut offered: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
        described.sort_unstable();
        offered.sort_unstable();
        assert_eq!(described, offered);
    }

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
