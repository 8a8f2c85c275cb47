//! The runs below a folder, as their files tell of them; what is absent or broken is left out, never a failure.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use nuwa_eval::TaskResult;
use nuwa_report::records::{Evaluation, Tasks};
use serde::{Deserialize, Serialize};

use crate::machine::disk;
use crate::run::{About, MANIFEST, Owner, UNFINISHED, is_held, read_manifest};
use crate::stages;

/// A run in a list of runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Its folder's name.
    pub name: String,
    pub folder: PathBuf,
    /// Paths and addresses it was built from; none: the embedded world.
    pub sources: Vec<String>,
    #[serde(flatten)]
    pub state: State,
    pub bytes_on_disk: u64,
    /// Weights of the model.
    pub parameters: Option<u64>,
    /// Of the held-out text, as the last model predicts it.
    pub bits_per_byte: Option<f64>,
    /// The share of the embedded world's questions that the last model answers right.
    pub answers: Option<f64>,
    /// When it was last worked on, in seconds since 1970.
    pub changed: Option<u64>,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "stage", rename_all = "lowercase")]
pub enum State {
    /// A program works on it now.
    Running,
    /// All stages are done.
    Finished,
    /// Within this stage.
    Interrupted(&'static str),
    /// Between this stage and the next.
    Stopped(&'static str),
    /// Before the first stage.
    Begun,
}

/// The runs that lie directly below `folder`, the one that was worked on last first.
pub fn runs_in(folder: &Path) -> nuwa_files::Result<Vec<Entry>> {
    let mut runs = Vec::new();
    for entry in fs::read_dir(folder).map_err(nuwa_files::Error::read(folder))? {
        let path = entry.map_err(nuwa_files::Error::read(folder))?.path();
        if is_run(&path) {
            runs.push(Entry::of(&path));
        }
    }
    runs.sort_by(|one, other| (other.changed, &one.name).cmp(&(one.changed, &other.name)));
    Ok(runs)
}

/// Whether a build wrote this folder: it holds a resolved recipe, and says whose run it is or holds a stage.
pub fn is_run(folder: &Path) -> bool {
    let is_begun = |stage: &&About| {
        [MANIFEST, UNFINISHED].iter().any(|file| folder.join(stage.name_in(folder)).join(file).is_file())
    };
    folder.join("recipe.toml").is_file()
        && (folder.join("source.json").is_file() || stages::all().iter().any(is_begun))
}

/// What the list shows of `pretrain.json`, whichever version wrote it.
#[derive(Deserialize)]
struct TrainedSize {
    parameters: Option<u64>,
}

impl Entry {
    pub fn of(folder: &Path) -> Self {
        let tasks = Evaluation::of_run(folder).tasks;
        let trained: Option<TrainedSize> = nuwa_files::read_json(&folder.join("pretrain/pretrain.json")).ok();
        let full = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
        Self {
            name: full.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            folder: folder.to_path_buf(),
            sources: sources(folder),
            state: State::of(folder),
            bytes_on_disk: disk::used(folder),
            parameters: trained.and_then(|trained| trained.parameters),
            bits_per_byte: bits_per_byte(&tasks),
            answers: answers(&tasks),
            changed: changed(folder),
        }
    }
}

impl State {
    fn of(folder: &Path) -> Self {
        if is_held(folder) {
            return Self::Running;
        }
        let holds = |stage: &About, file: &str| folder.join(stage.name_in(folder)).join(file).is_file();
        let begun = stages::all().into_iter().find(|stage| holds(stage, UNFINISHED));
        let ended = stages::all().into_iter().rev().find(|stage| holds(stage, MANIFEST));
        match (begun, ended) {
            (Some(stage), _) => Self::Interrupted(stage.name),
            (None, Some(stage)) if stages::is_last(stage) => Self::Finished,
            (None, Some(stage)) => Self::Stopped(stage.name),
            (None, None) => Self::Begun,
        }
    }
}

fn sources(folder: &Path) -> Vec<String> {
    let owner = Owner::read(folder);
    let sources = owner.iter().flat_map(Owner::sources);
    sources.map(|source| source.display().to_string()).collect()
}

/// When the last stage ended, else when the recipe was written.
fn changed(folder: &Path) -> Option<u64> {
    let all = stages::all().into_iter();
    let manifests = all.filter_map(|stage| read_manifest(&folder.join(stage.name_in(folder))));
    let last = manifests.map(|manifest| manifest.started + manifest.seconds as u64).max();
    let written =
        || fs::metadata(folder.join("recipe.toml")).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok();
    last.or_else(|| written().map(|time| time.as_secs()))
}

/// The tasks of the model that is handed on: names are `STAGE/TASK` where there are several models.
fn of_last<'a>(tasks: &'a Tasks, wanted: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = &'a TaskResult> {
    let of = |stage: &About| format!("{}/", stage.name);
    let is_measured = |stage: &String| tasks.keys().any(|name| name.starts_with(stage));
    let last = stages::models().into_iter().rev().map(of).find(is_measured).unwrap_or_default();
    let own = tasks.iter().filter(move |(name, _)| name.strip_prefix(&last).is_some_and(&wanted));
    own.map(|(_, task)| task)
}

fn bits_per_byte(tasks: &Tasks) -> Option<f64> {
    let mut measured = of_last(tasks, |task| task == "language_modelling");
    measured.find_map(|task| Some(task.metrics.get("bits_per_byte")?.value))
}

/// The mean over the languages.
fn answers(tasks: &Tasks) -> Option<f64> {
    let found = of_last(tasks, |task| task.starts_with("world_answer_"));
    let shares: Vec<f64> = found.filter_map(|task| Some(task.metrics.get("exact_match")?.value)).collect();
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}

#[cfg(test)]
mod tests {
    use nuwa_eval::Metric;
    use serde_json::{Value, json};

    use super::*;

    fn write(folder: &Path, file: &str, content: &Value) {
        nuwa_files::write_json(&folder.join(file), content).unwrap();
    }

    #[test]
    fn the_figures_are_those_of_the_last_model() {
        let task = |name: &str, value: f64| TaskResult {
            metrics: [(name.to_string(), Metric { value, stderr: None })].into(),
            ..TaskResult::default()
        };
        let tasks: Tasks = [
            ("pretrain/language_modelling".into(), task("bits_per_byte", 2.0)),
            ("sft/language_modelling".into(), task("bits_per_byte", 1.5)),
            ("sft/world_answer_en".into(), task("exact_match", 0.9)),
            ("sft/world_answer_zh".into(), task("exact_match", 0.7)),
        ]
        .into();
        assert_eq!(bits_per_byte(&tasks), Some(1.5));
        assert!((answers(&tasks).unwrap() - 0.8).abs() < 1e-9);
        let alone: Tasks = [("language_modelling".into(), task("bits_per_byte", 2.0))].into();
        assert_eq!((bits_per_byte(&alone), answers(&alone)), (Some(2.0), None));
        assert_eq!((bits_per_byte(&Tasks::new()), answers(&Tasks::new())), (None, None));
    }

    #[test]
    fn a_run_says_how_far_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path();
        assert!(!is_run(run));
        fs::write(run.join("recipe.toml"), "seed = 1").unwrap();
        assert!(!is_run(run), "a recipe of the user's own");
        write(run, "source.json", &json!({"sources": []}));
        assert!(is_run(run));
        assert_eq!(State::of(run), State::Begun);
        write(run, "collect/unfinished.json", &Value::Null);
        assert_eq!(State::of(run), State::Interrupted("collect"));
        fs::remove_file(run.join("collect/unfinished.json")).unwrap();
        write(run, "collect/manifest.json", &Value::Null);
        assert_eq!(State::of(run), State::Stopped("collect"));
        write(run, "report/manifest.json", &Value::Null);
        assert_eq!(State::of(run), State::Finished);
        fs::create_dir(run.join("pretrain.old")).unwrap();
        write(run, "pretrain/unfinished.json", &Value::Null);
        assert_eq!(State::of(run), State::Interrupted("pretrain"));
    }
}
