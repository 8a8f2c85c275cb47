use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::course::Fall;
use crate::{Figures, Kept, Result};

/// One training step, as `metrics.jsonl` holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepLine {
    /// Steps done, this one included.
    pub step: u64,
    /// Mean loss of the step's tokens, in nats.
    pub loss: f64,
    /// Learning rate of the step.
    pub learning_rate: f32,
    /// Norm of all gradients before clipping.
    pub gradient_norm: f32,
    /// Tokens seen so far.
    pub tokens: u64,
    /// Seconds of training so far, over all resumptions.
    pub seconds: f64,
    /// Tokens a second in this step.
    pub tokens_per_second: f64,
    /// All steps, as far as that is known by now.
    #[serde(default)]
    pub steps: u64,
    /// Other figures of the objective.
    #[serde(flatten)]
    pub figures: Figures,
}

/// One validation, as `metrics.jsonl` holds it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ValidationLine {
    /// Steps done.
    pub step: u64,
    /// Tokens seen so far.
    #[serde(default)]
    pub tokens: u64,
    /// Mean loss on held-out data, in nats.
    pub validation_loss: f64,
    /// Other figures of the objective: of text `bits_per_byte`.
    #[serde(flatten)]
    pub figures: Figures,
}

/// A continuation written by the model during the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// What it was asked to continue.
    pub prompt: String,
    /// What it wrote.
    pub text: String,
}

/// What happens during a run, for whoever draws it.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainEvent {
    /// The loop begins: total steps, and the steps that a checkpoint already holds.
    Started {
        /// All steps of the run.
        steps: u64,
        /// Steps done before.
        done: u64,
    },
    /// Something of an earlier run was in the way and got another name.
    Kept(Kept),
    /// A step was done.
    Step(StepLine),
    /// A validation was done.
    Validated(ValidationLine),
    /// The learning rate falls from here on, or from an earlier, better state.
    Falls {
        /// Steps done.
        step: u64,
        /// When it falls.
        fall: Fall,
    },
    /// A sample was written.
    Sampled {
        /// Steps done.
        step: u64,
        /// The sample.
        sample: Sample,
    },
    /// A checkpoint was written.
    Saved {
        /// Steps it holds.
        step: u64,
    },
}

/// `metrics.jsonl`: a line an event, written as it happens.
pub struct MetricsFile {
    path: PathBuf,
    file: File,
}

impl MetricsFile {
    /// Opens the file to go on after `step`: what will be written again is dropped (later steps, and the validation and
    /// sample of `step` itself), and so is half a line at the end, from a killed run. Where other lines cannot be read, the
    /// file as it was is kept beside.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(path: &Path, step: u64) -> Result<(Self, Option<Kept>)> {
        let found = match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            read => read.map_err(nuwa_files::Error::read(path))?,
        };
        let sorted = sort_lines(&found, step);
        let kept =
            if sorted.unreadable == 0 { None } else { keep_unreadable(path, &found, sorted.unreadable)? };
        nuwa_files::write_atomically(path, &sorted.before)?;
        Ok((Self { path: path.to_path_buf(), file: nuwa_files::open_for_append(path)? }, kept))
    }

    /// Makes sure that the lines are on the disk, so that no checkpoint is ahead of them.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn sync(&self) -> Result<()> {
        Ok(self.file.sync_data().map_err(nuwa_files::Error::write(&self.path))?)
    }

    /// Writes one event; those that are not figures are passed over.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&mut self, event: &TrainEvent) -> Result<()> {
        let line = match event {
            TrainEvent::Step(line) => serde_json::json!(line),
            TrainEvent::Validated(line) => serde_json::json!(line),
            TrainEvent::Sampled { step, sample } => serde_json::json!({ "step": step, "sample": sample }),
            TrainEvent::Started { .. }
            | TrainEvent::Saved { .. }
            | TrainEvent::Falls { .. }
            | TrainEvent::Kept(_) => return Ok(()),
        };
        self.write_line(&line)
    }

    /// Writes an object with a `step` of its own.
    fn write_line(&mut self, line: &serde_json::Value) -> Result<()> {
        self.file.write_all(format!("{line}\n").as_bytes()).map_err(nuwa_files::Error::write(&self.path))?;
        Ok(())
    }
}

/// The lines of a file, sorted by what becomes of them.
#[derive(Default)]
struct Sorted {
    /// Lines that stay.
    before: Vec<u8>,
    /// Lines that are no JSON, the last one apart where it has no end.
    unreadable: usize,
}

fn sort_lines(found: &[u8], step: u64) -> Sorted {
    let mut sorted = Sorted::default();
    for line in found.split_inclusive(|byte| *byte == b'\n') {
        let is_whole = line.ends_with(b"\n");
        match serde_json::from_slice(line) {
            Ok(value) if is_before(&value, step) => {
                sorted.before.extend(line.trim_ascii());
                sorted.before.push(b'\n');
            }
            Err(_) if is_whole && !line.trim_ascii().is_empty() => sorted.unreadable += 1,
            _ => {}
        }
    }
    sorted
}

/// A line without a step is nobody's to write again.
fn is_before(line: &serde_json::Value, step: u64) -> bool {
    let Some(of_line) = line.get("step").and_then(serde_json::Value::as_u64) else { return true };
    of_line < step || (of_line == step && line.get("loss").is_some())
}

fn keep_unreadable(path: &Path, found: &[u8], lines: usize) -> Result<Option<Kept>> {
    let kept = nuwa_files::free_name(path, ".old");
    nuwa_files::write_atomically(&kept, found)?;
    let what = format!("{}, of which {lines} lines cannot be read,", path.display());
    Ok(Some(Kept { what, path: kept }))
}

impl ValidationLine {
    /// The loss per byte of text, in bits, where text was predicted.
    pub fn bits_per_byte(&self) -> Option<f64> {
        self.figures.get("bits_per_byte").copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in the file after it was opened to go on after `step`, and what the kept copy holds.
    fn opened(before: &[u8], step: u64) -> (String, Option<Vec<u8>>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        fs::write(&path, before).unwrap();
        let (_, kept) = MetricsFile::open(&path, step).unwrap();
        (fs::read_to_string(&path).unwrap(), kept.map(|kept| fs::read(kept.path).unwrap()))
    }

    const LINES: &str = "{\"step\":1,\"loss\":3}\n{\"step\":2,\"loss\":2}\n";

    #[test]
    fn a_torn_end_costs_no_line_before_it() {
        for torn in [&b"{\"step\":3,\"lo"[..], b"{\"step\":3,\"sample\":\"\xe4\xbd", b"\0\0\0"] {
            assert_eq!(opened(&[LINES.as_bytes(), torn].concat(), 2), (LINES.into(), None));
        }
    }

    #[test]
    fn what_will_be_written_again_is_dropped() {
        let later = "{\"step\":2,\"validation_loss\":2}\n{\"step\":3,\"loss\":1}\n";
        assert_eq!(opened(format!("{LINES}{later}").as_bytes(), 2), (LINES.into(), None));
        let note = "{\"note\":\"by hand\"}\n";
        assert_eq!(opened(format!("{note}{LINES}").as_bytes(), 2), (format!("{note}{LINES}"), None));
    }

    #[test]
    fn lines_that_cannot_be_read_are_kept_in_a_copy() {
        for bad in [&b"{\"step\":0,\n"[..], b"\xe4\xbd\n", b"\0\0\n"] {
            let before = [bad, LINES.as_bytes()].concat();
            assert_eq!(opened(&before, 2), (LINES.into(), Some(before)));
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(MetricsFile::open(folder.path(), 2), Err(crate::Error::Files(_))));
    }
}
