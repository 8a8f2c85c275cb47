//! `--task FILE.yaml`: a task file of lm-evaluation-harness, its documents from local files or the Hub.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nuwa_collect::CollectSettings;
use nuwa_eval::harness::{DataSource, HarnessOptions, HarnessTasks};
use nuwa_eval::suites::DataFolder;
use nuwa_eval::tasks::Items;
use nuwa_eval::{Error, TaskResult};
use nuwa_infer::Engine;

use super::suite::DOWNLOADS;
use crate::console::Display;
use crate::failure::Problem;
use crate::items::{read_all, read_items};
use crate::online::{Again, fetched};

/// What a user says about the documents.
pub struct Documents<'a> {
    /// A file of documents, a folder of them, or `hf:`.
    pub data: Option<&'a Path>,
    /// A file of examples.
    pub examples: Option<&'a Path>,
}

/// Runs all tasks of a file; what each found, and under the group's name what their group did.
pub fn run(
    engine: &Engine,
    tasks: &HarnessTasks,
    documents: &Documents<'_>,
    options: HarnessOptions,
    display: &mut Display,
) -> anyhow::Result<BTreeMap<String, TaskResult>> {
    let mut results = Vec::new();
    let display = RefCell::new(display);
    for task in &tasks.tasks {
        let mut failure = None;
        let mut first = true;
        let mut splits = |source: &DataSource, split: &str| {
            let is_asked = std::mem::replace(&mut first, false);
            let found = documents.split(task.name(), source, split, is_asked, &mut display.borrow_mut());
            found.map_err(|error| {
                let told = error.to_string();
                failure = Some(error);
                Error::Reading(told.into())
            })
        };
        let mut progress = |progress| display.borrow_mut().show(progress);
        let result = task.evaluate(engine, &mut splits, options, &mut progress);
        results.push(match (result, failure) {
            (Err(_), Some(failure)) => return Err(failure),
            (result, _) => result?,
        });
    }
    let group = tasks.group(&results);
    let names = tasks.tasks.iter().map(|task| task.name().to_string());
    Ok(names.zip(results).chain(group).collect())
}

impl Documents<'_> {
    /// The documents of a split; the first one of a task is the one that is asked.
    fn split(
        &self,
        task: &str,
        source: &DataSource,
        split: &str,
        is_asked: bool,
        display: &mut Display,
    ) -> anyhow::Result<Items> {
        match (self.data, self.examples) {
            (_, Some(file)) if !is_asked => return read_items(file),
            (Some(file), _) if file.is_file() && (is_asked || self.examples.is_none()) => {
                return read_items(file);
            }
            (Some(folder), _) if folder.is_dir() => return in_folder(folder, task, source, split),
            _ => {}
        }
        match local(source, split)? {
            Some(files) => read_all(&files),
            None => on_hub(task, source, split, self.data, display),
        }
    }
}

/// What a file says of its own data: `dataset_path: json` and `data_files`.
fn local(source: &DataSource, split: &str) -> anyhow::Result<Option<Vec<PathBuf>>> {
    use serde_json::Value;

    if !["json", "csv", "text", "parquet"].contains(&source.path.as_str()) {
        return Ok(None);
    }
    let named = |value: &Value| match value {
        Value::Array(files) => files.iter().filter_map(Value::as_str).map(String::from).collect(),
        other => other.as_str().map(String::from).into_iter().collect::<Vec<_>>(),
    };
    let files = match source.arguments.get("data_files") {
        // One file, or a list of them, is the part for training.
        Some(Value::Object(parts)) => parts.get(split).map(named),
        Some(files) if split == "train" => Some(named(files)),
        Some(_) => {
            let told = format!(
                "{}: data_files names files of no split, which makes them the split train, and the task asks {split}",
                source.file.display()
            );
            return Err(Problem::new(told).hint(format!("write data_files: {{{split}: FILE}}")).into());
        }
        None => None,
    };
    let files = files.filter(|files| !files.is_empty()).ok_or_else(|| {
        let told = format!("{}: data_files names no file of the split {split}", source.file.display());
        Problem::new(told).hint(format!("write dataset_kwargs: {{data_files: {{{split}: FILE}}}}"))
    })?;
    let beside = source.file.parent().unwrap_or(Path::new(""));
    let found = |file: String| {
        let here = PathBuf::from(&file);
        if here.exists() { here } else { beside.join(file) }
    };
    Ok(Some(files.into_iter().map(found).collect()))
}

/// The file of a split in a folder of the user's.
fn in_folder(folder: &Path, task: &str, source: &DataSource, split: &str) -> anyhow::Result<Items> {
    let set = source.path.rsplit('/').next().unwrap_or_default();
    let names = [Some(task), source.name.as_deref(), Some(set)];
    let names: Vec<String> =
        names.into_iter().flatten().filter(|name| !name.is_empty()).map(String::from).collect();
    let files = DataFolder::read(folder)?.part(&names, split);
    let files = files.ok_or_else(|| {
        let told = format!("{} has no file of the split {split} of task {task}", folder.display());
        Problem::new(told).hint(format!("put one there: {task}_{split}.jsonl (or .json, .csv, .parquet)"))
    })?;
    read_all(&files)
}

/// The file of a split in a data set of the Hub.
fn on_hub(
    task: &str,
    source: &DataSource,
    split: &str,
    data: Option<&Path>,
    display: &mut Display,
) -> anyhow::Result<Items> {
    if data != Some(Path::new("hf:")) {
        let set = &source.path;
        let told = match set.is_empty() {
            true => format!("the task {task} names no dataset_path"),
            false => format!("the documents of task {task} are the data set {set} of the Hub"),
        };
        let hint = format!(
            "download them with --data hf:, or name a folder with --data DIR that has {task}_{split}.jsonl"
        );
        return Err(Problem::new(told).hint(hint).into());
    }
    // Files that the Hub makes itself of any data set: a folder for each configuration, in it one for each split.
    let name = source.name.as_deref().unwrap_or("default");
    let address = format!("hf:{}@refs/convert/parquet/{name}/{split}", source.path);
    let settings = CollectSettings::default();
    let folders = fetched(&[address.into()], Path::new(DOWNLOADS), &settings, Again::No, display)?;
    let mut files = Vec::new();
    for folder in &folders {
        let all = nuwa_files::files_in(folder)?;
        files.extend(
            all.into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "parquet")),
        );
    }
    match files.is_empty() {
        true => Err(Problem::new(format!("{} has no Parquet files of {name}, {split}", source.path)).into()),
        false => read_all(&files),
    }
}
