//! All documents through the chain, into the output folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nuwa_collect::CollectSummary;
use nuwa_files::{Progress, documents, unfinished};

use super::bias::Bias;
use super::limits::{Limits, check_samples};
use super::run::{self, Work};
use super::settings::CleanSettings;
use super::step::Step;
use super::summary::CleanSummary;
use super::{memory, way_out};
use crate::{Error, Result};

/// Cleans the documents of `inputs` (files or folders of JSON lines) with the chain of the settings.
///
/// Writes `documents-*.jsonl.zst`, `rejected.jsonl.zst`, `changed.jsonl.zst`, `clean.json` and, if wanted, `bias.json`
/// into `out`. Interrupted work is gone on with from its last chunk where nothing has changed. Where nothing is left, the rejected documents and the counts are still written, and the error names the step that took the last one.
///
/// # Errors
/// When a setting is out of its range, a file cannot be read or written, or no document is left.
pub fn clean(
    inputs: &[PathBuf],
    out: &Path,
    settings: &CleanSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<CleanSummary> {
    let bias = Bias::new(&settings.bias)?;
    let limits = Limits::new(settings.samples, memory::parse(&settings.memory)?);
    let files = files(inputs)?;
    let values = serde_json::to_value(settings).expect("settings are plain values");
    let basis = Some(unfinished::basis(files.iter().map(PathBuf::as_path), &values));
    clean_documents(
        inputs,
        Work { files, out, steps: settings.chain()?, limits, bias, basis, documents: counted(inputs) },
        progress,
    )
    .map_err(|error| with_way_out(error, settings))
}

fn with_way_out(error: Error, settings: &CleanSettings) -> Error {
    match error {
        Error::EverythingRejected { step, documents, reasons, .. } => {
            let way_out = way_out::way_out(settings, &step, &reasons);
            Error::EverythingRejected { step, documents, reasons, way_out }
        }
        other => other,
    }
}

/// [`clean`] with a chain of one's own.
///
/// # Errors
/// When a file cannot be read or written, or no document is left.
pub fn clean_with(
    inputs: &[PathBuf],
    out: &Path,
    steps: Vec<Step>,
    samples: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<CleanSummary> {
    let memory = memory::parse(&CleanSettings::default().memory)?;
    let limits = Limits::new(samples, memory);
    let files = files(inputs)?;
    clean_documents(
        inputs,
        Work { files, out, steps, limits, bias: None, basis: None, documents: None },
        progress,
    )
}

/// How many documents there are, where whoever collected them has counted them.
fn counted(inputs: &[PathBuf]) -> Option<u64> {
    let count = |input: &PathBuf| {
        let summary = nuwa_files::read_json::<CollectSummary>(&input.join("collect.json"));
        summary.ok().map(|summary| summary.documents)
    };
    inputs.iter().map(count).sum()
}

fn files(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in inputs {
        files.extend(documents::files(input)?);
    }
    Ok(files)
}

fn clean_documents(
    inputs: &[PathBuf],
    work: Work,
    progress: &mut dyn FnMut(Progress),
) -> Result<CleanSummary> {
    check_samples(work.limits.samples)?;
    let summary = run::run(work, progress)?;
    match (summary.documents_in, summary.documents_out) {
        (0, _) => Err(nuwa_files::Error::NoDocuments {
            path: inputs.first().cloned().unwrap_or_default(),
            expected: "at least one document",
        }
        .into()),
        (documents, 0) => Err(everything_rejected(documents, &summary)),
        _ => Ok(summary),
    }
}

fn everything_rejected(documents: u64, summary: &CleanSummary) -> Error {
    let last = summary.steps.iter().find(|step| step.documents_out == 0);
    let (step, reasons) = match last {
        Some(step) => (step.name.clone(), step.reasons.clone()),
        None => (String::new(), BTreeMap::new()),
    };
    Error::EverythingRejected { step, documents, reasons, way_out: Vec::new() }
}
