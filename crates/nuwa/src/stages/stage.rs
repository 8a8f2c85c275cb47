//! What a stage of a build is, and what a build hands it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nuwa_models::Prediction;
use nuwa_shards::tokenize::TokenizeSummary;
use nuwa_train::clock::Afterwards;

use crate::afterwards;
use crate::console::{Display, Shown};
use crate::recipe::{Draft, Recipe};
use crate::run::{About, Dependencies, StageOutcome};
use crate::source::{Records, Source};
use crate::taught::Taught;

/// A stage of a build. What it reads and writes are files; a stage is a file of this folder and a line in its table.
pub trait Stage: Sync {
    /// What is fixed about it.
    fn about(&self) -> &'static About;

    /// Whether a build has it.
    fn applies(&self, _build: &Build) -> bool {
        true
    }

    /// What has to be known or fetched before it can be told whether an earlier result still holds.
    fn prepare(&self, _build: &mut Build) -> anyhow::Result<()> {
        Ok(())
    }

    /// The settings that decide its result, its seed and its inputs, said in `on`.
    fn dependencies(&self, build: &Build, on: Dependencies) -> anyhow::Result<Dependencies>;

    /// Does the work in the folder `out`, and says in a line what came of it; in further lines, what else is worth knowing.
    fn run(&self, build: &Build, out: &Path, display: &mut Display) -> anyhow::Result<String>;

    /// What later stages have to know of its result, whether that is new or old.
    fn settle(&self, _build: &mut Build) -> anyhow::Result<()> {
        Ok(())
    }

    /// Its work in tokens of training, where it follows pretraining and the text came to `text`: a budget keeps time for it.
    fn work(&self, _build: &Build, _text: &TokenizeSummary) -> anyhow::Result<f64> {
        Ok(0.0)
    }
}

/// A build on its way.
pub struct Build {
    /// What the user said.
    pub draft: Draft,
    /// All settings; those that the plan chooses are filled in on the way.
    pub recipe: Recipe,
    /// Where the text comes from.
    pub source: Source,
    /// The run folder.
    pub folder: PathBuf,
    /// Files and folders to collect, once they are on this disk.
    pub texts: Vec<PathBuf>,
    /// What its records teach.
    pub taught: Taught,
    /// The stages that it has.
    pub stages: Vec<&'static dyn Stage>,
    begun: Instant,
    done: Vec<(&'static About, StageOutcome)>,
}

impl Build {
    /// A build of `draft` in the folder `folder`, of those of `stages` that apply.
    pub fn new(draft: Draft, folder: PathBuf, stages: &[&'static dyn Stage]) -> anyhow::Result<Self> {
        let recipe = draft.recipe()?;
        let mut build = Self {
            source: Source::of(&recipe),
            taught: Taught::of(&recipe),
            draft,
            recipe,
            folder,
            texts: Vec::new(),
            stages: Vec::new(),
            begun: Instant::now(),
            done: Vec::new(),
        };
        build.stages = stages.iter().copied().filter(|stage| stage.applies(&build)).collect();
        Ok(build)
    }

    /// The folder of a stage.
    pub fn place(&self, stage: &About) -> PathBuf {
        self.folder.join(stage.name)
    }

    /// How long it has taken so far.
    pub fn spent(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The resolved recipe, kept with the run.
    pub fn keep_recipe(&self) -> anyhow::Result<()> {
        let text = toml::to_string(&self.recipe)?;
        Ok(nuwa_files::write_atomically(&self.folder.join("recipe.toml"), text.as_bytes())?)
    }

    /// Something to draw the progress of a stage with.
    pub fn display(&self, stage: &About) -> Display {
        let names: Vec<&str> = self.stages.iter().map(|stage| stage.about().name).collect();
        let current = names.iter().position(|name| *name == stage.name).unwrap_or_default();
        Display::of_stages(Shown { names, current })
    }

    /// Takes note of what became of a stage.
    pub fn note(&mut self, stage: &'static About, outcome: StageOutcome) {
        self.done.push((stage, outcome));
    }

    /// `on` with what the named stages hand on, as far as this build has them.
    pub fn after(&self, on: Dependencies, stages: &[&About]) -> Dependencies {
        let named = self.done.iter().filter(|(stage, _)| stages.iter().any(|named| named.name == stage.name));
        named.fold(on, |on, (_, outcome)| on.after(outcome))
    }

    /// `on` with everything that the stages so far have written.
    pub fn shows(&self, on: Dependencies) -> Dependencies {
        self.done.iter().fold(on, |on, (_, outcome)| on.shows(outcome))
    }

    /// The stages so far that have made a model.
    pub fn models(&self) -> Vec<&'static About> {
        self.done.iter().map(|(stage, _)| *stage).filter(|stage| stage.makes_model).collect()
    }

    /// What the model predicts: one that is an encoder alone is neither fine-tuned to answer nor asked.
    pub fn predicts(&self) -> Prediction {
        self.recipe.model.family().registered().predicts
    }

    /// Files of records to fine-tune on, as far as the model learns from such.
    pub fn records(&self, records: Records) -> Vec<PathBuf> {
        match self.taught.learns_from(records) {
            true => self.source.records(records, &self.recipe, &self.folder),
            false => Vec::new(),
        }
    }

    /// What comes after pretraining, where the text came to `text`.
    pub fn afterwards(&self, text: &TokenizeSummary) -> anyhow::Result<Afterwards> {
        let works = self.stages.iter().map(|stage| stage.work(self, text));
        Ok(afterwards::of_build(works.sum::<anyhow::Result<f64>>()?))
    }
}
