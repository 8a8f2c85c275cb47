//! What a run folder holds, read leniently: a part that is absent or broken becomes a note, never a failure.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;

use super::metrics::Metrics;
use crate::failure::Problem;
use crate::numbers::counted;
use crate::run::About;

/// The artifacts of a run; what is absent is `Value::Null`, `None` or empty.
#[derive(Debug, Default)]
pub struct Run {
    /// The folder's name.
    pub name: String,
    /// The folder, as it was named.
    pub folder: PathBuf,
    /// The resolved recipe.
    pub recipe: Option<String>,
    /// `collect/collect.json`.
    pub collect: Value,
    /// `clean/clean.json`.
    pub clean: Value,
    /// `tokenize/tokenize.json`.
    pub tokenize: Value,
    /// `tune/tune.json`: the plan.
    pub tune: Value,
    /// `pretrain/pretrain.json`: the outcome of training.
    pub pretrain: Value,
    /// `pretrain/metrics.jsonl`.
    pub metrics: Metrics,
    /// `clean/audit.json`: what was caught of planted noise.
    pub audit: Value,
    /// `sft/sft.json`.
    pub sft: Value,
    /// `dpo/dpo.json`.
    pub dpo: Value,
    /// The lines of `sft/metrics.jsonl`.
    pub sft_metrics: Vec<Value>,
    /// The lines of `dpo/metrics.jsonl`.
    pub dpo_metrics: Vec<Value>,
    /// `eval/eval.json`.
    pub eval: Value,
    /// `model/config.json`.
    pub config: Value,
    /// How many weights `model/model.safetensors` holds.
    pub weights: Option<f64>,
    /// `machine.json`, or what the plan or a manifest says about the machine.
    pub machine: Value,
    /// `command.json`, or what a manifest says about the command line.
    pub command: Value,
    /// The stages that may make models, in order.
    pub models: Vec<&'static str>,
    /// The manifests of the stages that ran, in order.
    pub stages: Vec<StageRecord>,
    /// What could not be read.
    pub notes: Vec<String>,
}

/// A stage that ran.
#[derive(Debug)]
pub struct StageRecord {
    /// What it is.
    pub about: &'static About,
    /// Its `manifest.json`.
    pub manifest: Value,
}

impl Run {
    /// Reads the run in `folder`.
    pub fn read(folder: &Path, stages: &[&'static About]) -> Result<Self> {
        if !folder.is_dir() {
            return Err(not_a_folder(folder).into());
        }
        let models = stages.iter().filter(|about| about.makes_model).map(|about| about.name).collect();
        let mut run = Self { name: name_of(folder), folder: folder.to_path_buf(), models, ..Self::default() };
        for about in stages {
            let manifest = run.json(&format!("{}/manifest.json", about.name), None);
            if !manifest.is_null() {
                run.stages.push(StageRecord { about, manifest });
            }
        }
        run.recipe = run.text("recipe.toml", Some("the settings"));
        run.collect = run.json_or_summary("collect", Some("what was collected"));
        run.clean = run.json_or_summary("clean", Some("what cleaning did"));
        run.tokenize = run.json_or_summary("tokenize", Some("the figures of the tokenizer"));
        run.tune = run.json("tune/tune.json", Some("the plan and its prediction"));
        run.pretrain = run.json_or_summary("pretrain", None);
        run.eval = run.json("eval/eval.json", Some("the evaluation"));
        run.audit = run.json("clean/audit.json", None);
        run.sft = run.json("sft/sft.json", None);
        run.dpo = run.json("dpo/dpo.json", None);
        run.sft_metrics = run.lines("sft/metrics.jsonl");
        run.dpo_metrics = run.lines("dpo/metrics.jsonl");
        run.config = run.json("model/config.json", Some("the final model"));
        run.weights = count_weights(&folder.join("model/model.safetensors"));
        run.machine = run.json_or_else("machine.json", |run| match &run.tune["machine"] {
            Value::Null => run.first_in_manifests("machine"),
            machine => machine,
        });
        run.command = run.json_or_else("command.json", |run| run.first_in_manifests("command"));
        let metrics = run.text("pretrain/metrics.jsonl", Some("the course of training"));
        run.metrics = metrics.map(|text| Metrics::parse(&text)).unwrap_or_default();
        if run.metrics.unreadable > 0 {
            run.notes
                .push(format!("{} lines of pretrain/metrics.jsonl are not JSON.", run.metrics.unreadable));
        }
        if run.is_empty() {
            let problem = format!(
                "{} holds nothing that a run writes; expected recipe.toml, STAGE/manifest.json or pretrain/metrics.jsonl",
                folder.display()
            );
            return Err(Problem::new(problem)
                .hint("name the folder that `nuwa build` wrote, such as runs/NAME")
                .into());
        }
        Ok(run)
    }

    fn is_empty(&self) -> bool {
        let parts = [&self.collect, &self.clean, &self.tokenize, &self.tune, &self.eval, &self.config];
        self.recipe.is_none()
            && self.stages.is_empty()
            && self.metrics.steps.is_empty()
            && parts.iter().all(|part| part.is_null())
    }

    /// The manifest of `stage`, or null.
    pub fn manifest(&self, stage: &str) -> &Value {
        self.stages
            .iter()
            .find(|record| record.about.name == stage)
            .map_or(&Value::Null, |record| &record.manifest)
    }

    /// `key` of the first manifest that has it.
    pub fn first_in_manifests(&self, key: &str) -> &Value {
        let values = self.stages.iter().map(|stage| &stage.manifest[key]);
        values.into_iter().find(|value| !value.is_null()).unwrap_or(&Value::Null)
    }

    /// `STAGE/STAGE.json`, or the summary inside the stage's manifest.
    fn json_or_summary(&mut self, stage: &str, holds: Option<&str>) -> Value {
        let summary = self.manifest(stage)["summary"].clone();
        let holds = holds.filter(|_| summary.is_null());
        match self.json(&format!("{stage}/{stage}.json"), holds) {
            Value::Null => summary,
            value => value,
        }
    }

    fn json_or_else(&mut self, path: &str, other: fn(&Self) -> &Value) -> Value {
        match self.json(path, None) {
            Value::Null => other(self).clone(),
            value => value,
        }
    }

    fn json(&mut self, path: &str, holds: Option<&str>) -> Value {
        let Some(text) = self.text(path, holds) else { return Value::Null };
        serde_json::from_str(&text).unwrap_or_else(|problem| {
            self.notes.push(format!("{path} is not valid JSON ({problem})."));
            Value::Null
        })
    }

    /// The objects of JSON lines; a note says how many lines are none, but for half a line of a killed run at the end.
    fn lines(&mut self, path: &str) -> Vec<Value> {
        let text = self.text(path, None).unwrap_or_default();
        let (mut found, mut unreadable) = (Vec::new(), 0_u64);
        for line in text.split_inclusive('\n').filter(|line| !line.trim().is_empty()) {
            match serde_json::from_str(line) {
                Ok(value) => found.push(value),
                Err(_) => unreadable += u64::from(line.ends_with('\n')),
            }
        }
        if unreadable > 0 {
            let lines = counted(unreadable, "unreadable line");
            self.notes.push(format!("{path}: {lines} left out."));
        }
        found
    }

    /// The file's text; where it is absent, a note says what is missing for it (if that is worth a note).
    fn text(&mut self, path: &str, holds: Option<&str>) -> Option<String> {
        match std::fs::read(self.folder.join(path)) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => {
                self.notes.extend(
                    holds.map(|holds| format!("{path} is absent: without it, {holds} cannot be shown.")),
                );
                None
            }
            Err(problem) => {
                self.notes.push(format!("{path} cannot be read: {problem}."));
                None
            }
        }
    }
}

/// The weights in a safetensors file, from its header alone: a length, then JSON with the shape of each tensor.
fn count_weights(path: &Path) -> Option<f64> {
    let mut file = File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let mut header = Vec::new();
    file.take(u64::from_le_bytes(length)).read_to_end(&mut header).ok()?;
    let header: Value = serde_json::from_slice(&header).ok()?;
    let shapes = header.as_object()?.values().filter_map(|tensor| tensor["shape"].as_array());
    Some(shapes.map(|shape| shape.iter().filter_map(Value::as_f64).product::<f64>()).sum())
}

/// The problem of a path that should be the folder of a run.
pub fn not_a_folder(path: &Path) -> Problem {
    let problem = format!("{} is not a folder; expected the folder of a run", path.display());
    Problem::new(problem).hint("name the folder that `nuwa build` wrote, such as runs/NAME")
}

/// The last part of a folder's full path.
pub fn name_of(folder: &Path) -> String {
    let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    absolute.file_name().map_or_else(|| String::from("run"), |name| name.to_string_lossy().into_owned())
}

/// The first of `pointers` (such as `/predicted/seconds`) that leads to a finite number.
pub fn number(value: &Value, pointers: &[&str]) -> Option<f64> {
    let found = pointers.iter().filter_map(|pointer| value.pointer(pointer)?.as_f64());
    found.into_iter().find(|number| number.is_finite())
}

/// The first of `pointers` that leads to text.
pub fn text<'a>(value: &'a Value, pointers: &[&str]) -> Option<&'a str> {
    pointers.iter().find_map(|pointer| value.pointer(pointer)?.as_str())
}
