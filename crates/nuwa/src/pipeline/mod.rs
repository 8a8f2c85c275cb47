//! A build: the stages of the table in their order, each skipped when nothing it depends on has changed.

mod closing;

use std::path::{Path, PathBuf};

use nuwa_models::Family;
use nuwa_report::numbers;
use toml::Value;

use crate::check::check;
use crate::console::{message, print_figures};
use crate::online;
use crate::recipe::{Draft, Recipe};
use crate::records;
use crate::run::{Dependencies, Lock, Owner, own_folder, rename_stages, renew_inputs, run_stage};
use crate::source::Source;
use crate::space;
use crate::stages::{self, Build, Stage};
use crate::{interrupt, provenance, run};
use closing::End;

/// A build about to go.
pub struct Pipeline {
    build: Build,
}

impl Pipeline {
    /// Checks what can be checked before anything is read.
    pub fn new(mut draft: Draft) -> anyhow::Result<Self> {
        let recipe = draft.recipe()?;
        let folder = folder(&recipe)?;
        Source::of(&recipe).put_into(&mut draft, &folder)?;
        tell_languages(&mut draft)?;
        let recipe = draft.recipe()?;
        check(&draft, &recipe)?;
        records::check(&recipe)?;
        space::check(&recipe, &folder)?.iter().for_each(|warning| message(warning));
        Ok(Self { build: Build::new(draft, folder, &stages::STAGES)? })
    }

    /// Runs all stages, and says how it went.
    pub fn run(mut self, json: bool) -> anyhow::Result<()> {
        let folder = &self.build.folder;
        let _lock = Lock::take(folder)?;
        Owner::new(&self.build.recipe.from, folder).claim(folder)?;
        rename_stages(folder, &stages::all())?;
        renew_inputs(folder, &stages::all())?;
        self.build.keep_recipe()?;
        for stage in self.build.stages.clone() {
            self.stage(stage)?;
        }
        provenance::write(&self.build.folder, self.build.recipe.seed)?;
        let end = End::of(&self.build)?;
        print_figures(json, &end, || end.text())
    }

    /// Runs a stage or skips it, and says which.
    fn stage(&mut self, stage: &dyn Stage) -> anyhow::Result<()> {
        let (about, build) = (stage.about(), &mut self.build);
        stage.prepare(build)?;
        let on = stage.dependencies(build, Dependencies::of(about))?;
        interrupt::begin(about.work(true))?;
        let mut told = String::new();
        let outcome = run_stage(&build.folder, on, |out| {
            told = stage.run(build, out, &mut build.display(about))?;
            Ok(())
        })?;
        message(&said(about.name, &outcome, &told));
        build.note(about, outcome);
        stage.settle(build)
    }
}

/// A family that is told languages learns from shards that say them.
fn tell_languages(draft: &mut Draft) -> anyhow::Result<()> {
    const KEY: &str = "tokenize.languages";
    let is_told = draft.recipe()?.model.family() == Family::Xlm;
    if is_told && !draft.says(KEY) {
        draft.put(KEY, Value::Boolean(true))?;
    }
    Ok(())
}

/// `collect    12 documents of 3 files (0.4s)`, and what else there is to say in further lines.
fn said(name: &str, outcome: &run::StageOutcome, told: &str) -> String {
    if outcome.skipped {
        return format!("{name:<10} skipped: unchanged");
    }
    let (first, rest) = told.split_at(told.find('\n').unwrap_or(told.len()));
    format!("{name:<10} {first} ({}){rest}", numbers::seconds(outcome.manifest.seconds))
}

/// The run folder: as said, or named after the first source; never that of another source.
fn folder(recipe: &Recipe) -> anyhow::Result<PathBuf> {
    let records = recipe.answers.iter().chain(&recipe.preferences);
    let offline = recipe.from.iter().filter(|source| !online::is_online(source));
    if let Some(missing) = offline.chain(records).find(|path| !path.exists()) {
        return Err(nuwa_files::Error::Missing { path: missing.clone() }.into());
    }
    if let Some(said) = &recipe.out {
        Owner::new(&recipe.from, said).check(said)?;
        return Ok(said.clone());
    }
    let name = recipe.from.first().map_or("world".into(), |source| name_of(source));
    let (folder, told) = own_folder(&recipe.from, &Path::new("runs").join(name));
    told.iter().for_each(|told| message(told));
    Ok(folder)
}

/// `book` of `texts/book.txt.gz`; a path without a name, such as `..`, is looked up.
fn name_of(source: &Path) -> String {
    let full = source.canonicalize().unwrap_or_else(|_| source.to_path_buf());
    let name = full.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = if full.is_dir() {
        name.as_str()
    } else {
        name.split('.').find(|part| !part.is_empty()).unwrap_or("")
    };
    if stem.is_empty() { "run".into() } else { stem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_named_after_their_source() {
        assert_eq!(name_of(Path::new("texts/book.txt.gz")), "book");
        assert_eq!(name_of(Path::new("texts/.hidden.txt")), "hidden");
        assert_eq!(name_of(Path::new("/")), "run");
    }
}
