use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Result, Validation};

/// One training step, as `metrics.jsonl` holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepLine {
    /// Steps done, this one included.
    pub step: u64,
    /// Mean loss of the step's tokens, in nats.
    pub loss: f32,
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
}

/// One validation, as `metrics.jsonl` holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidationLine {
    /// Steps done.
    pub step: u64,
    /// Tokens seen so far.
    pub tokens: u64,
    /// Mean loss on held-back tokens, in nats.
    pub validation_loss: f64,
    /// The same per byte of text, in bits.
    pub bits_per_byte: f64,
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
    /// A step was done.
    Step(StepLine),
    /// A validation was done.
    Validated(ValidationLine),
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
    /// sample of `step` itself), and so is half a line from a killed run.
    pub fn open(path: &Path, step: u64) -> Result<Self> {
        let kept: String = match fs::read_to_string(path) {
            Ok(text) => text.lines().filter(|line| is_before(line, step)).flat_map(|l| [l, "\n"]).collect(),
            Err(_) => String::new(),
        };
        nuwa_files::write_atomically(path, kept.as_bytes())?;
        Ok(Self { path: path.to_path_buf(), file: nuwa_files::open_for_append(path)? })
    }

    /// Writes one event; those that are not figures are passed over.
    pub fn write(&mut self, event: &TrainEvent) -> Result<()> {
        let line = match event {
            TrainEvent::Step(line) => serde_json::json!(line),
            TrainEvent::Validated(line) => serde_json::json!(line),
            TrainEvent::Sampled { step, sample } => serde_json::json!({ "step": step, "sample": sample }),
            TrainEvent::Started { .. } | TrainEvent::Saved { .. } => return Ok(()),
        };
        self.write_line(&line)
    }

    /// Writes an object with a `step` of its own.
    pub fn write_line(&mut self, line: &serde_json::Value) -> Result<()> {
        self.file.write_all(format!("{line}\n").as_bytes()).map_err(nuwa_files::Error::write(&self.path))?;
        Ok(())
    }
}

fn is_before(line: &str, step: u64) -> bool {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else { return false };
    let of_line = value.get("step").and_then(serde_json::Value::as_u64).unwrap_or(u64::MAX);
    of_line < step || (of_line == step && value.get("loss").is_some())
}

impl ValidationLine {
    pub(crate) fn new(step: u64, tokens: u64, validation: &Validation) -> Self {
        Self { step, tokens, validation_loss: validation.loss, bits_per_byte: validation.bits_per_byte }
    }
}
