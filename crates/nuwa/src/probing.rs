//! Tasks of bias and safety: their data, and who judges what a model writes.

use std::path::{Path, PathBuf};

use nuwa_eval::{DataFile, Judges, Probe, TaskResult};
use nuwa_files::compressed;
use nuwa_infer::Engine;
use nuwa_text::classify::Classifier;
use nuwa_text::language;

use crate::console::Display;
use crate::failure::Problem;
use crate::items::read_text;

/// The fewest letters of a text whose language is looked for, and the part of them that has to be in one.
const LETTERS: u64 = 20;
const SHARE: f64 = 0.5;

/// Measures on the files or the folder of `data`.
pub fn probe(
    probe: Probe,
    engine: &Engine,
    data: &[PathBuf],
    classifier: Option<&Path>,
    limit: Option<usize>,
    display: &mut Display,
) -> anyhow::Result<TaskResult> {
    let files = files(probe, data)?;
    let classifier = classifier.map(Classifier::load).transpose()?;
    if probe == Probe::Toxicity && classifier.is_none() {
        let problem = Problem::new("the task toxicity needs a classifier that judges the continuations");
        return Err(problem.hint("name it with --classifier FILE; nuwa classifier trains one").into());
    }
    let is_language = |text: &str| language::identify(text, LETTERS, SHARE).is_some();
    let judged = |text: &str| classifier.as_ref().map_or(0.0, |own| f64::from(own.probability(text)));
    let judges = Judges {
        is_language: &is_language,
        toxicity: classifier.is_some().then_some(&judged as &dyn Fn(&str) -> f64),
    };
    Ok(probe.evaluate(engine, &files, limit, judges, &mut |progress| display.show(progress))?)
}

fn files(probe: Probe, data: &[PathBuf]) -> anyhow::Result<Vec<DataFile>> {
    let Some(needed) = probe.data() else { return Ok(Vec::new()) };
    let mut paths = Vec::new();
    for path in data {
        match path.is_dir() {
            true => {
                let all = nuwa_files::files_in(path)?;
                paths.extend(all.into_iter().filter(|file| probe.reads(&compressed::name_within(file))));
            }
            false => paths.push(path.clone()),
        }
    }
    if paths.is_empty() {
        let problem = match data {
            [] => format!("the task {} needs its data", probe.name()),
            [folder, ..] => format!("{} holds no data of the task {}", folder.display(), probe.name()),
        };
        return Err(Problem::new(problem).hint(format!("name it with --data: {needed}")).into());
    }
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> anyhow::Result<DataFile> {
    Ok(DataFile { path: path.into(), name: compressed::name_within(path), text: read_text(path)? })
}
