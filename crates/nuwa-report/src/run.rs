//! What a run folder holds, read leniently: a part that is absent or broken becomes a note, never a failure.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use nuwa_clean::CleanSummary;
use nuwa_collect::CollectSummary;
use nuwa_shards::tokenize::TokenizeSummary;
use nuwa_world::Audit;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::metrics::Metrics;
use crate::records::{Evaluation, FineTuningOutcome, Machine, Manifest, PlanFile, PretrainingOutcome};
use crate::stage::ReportedStage;
use crate::words::report::{Holdings, absent, unreadable, unreadable_lines};
use crate::words::{Fixed, Text};
use crate::{Error, Result};

const HOLDINGS: Holdings = Holdings::ALL;

/// The artifacts of a run; what is absent or cannot be read is `None` or empty.
#[derive(Debug, Default)]
pub struct Run {
    /// The folder's name.
    pub name: String,
    /// The folder, as it was named.
    pub folder: PathBuf,
    /// The resolved recipe.
    pub recipe: Option<String>,
    /// `collect/collect.json`.
    pub collect: Option<CollectSummary>,
    /// `clean/clean.json`.
    pub clean: Option<CleanSummary>,
    /// `clean/audit.json`: what was caught of planted noise.
    pub audit: Option<Audit>,
    /// `tokenize/tokenize.json`.
    pub tokenize: Option<TokenizeSummary>,
    /// `plan/plan.json`: the plan.
    pub plan: Option<PlanFile>,
    /// `pretrain/pretrain.json`: the outcome of training.
    pub pretrain: Option<PretrainingOutcome>,
    /// `pretrain/metrics.jsonl`.
    pub metrics: Metrics,
    /// The stages after pretraining that trained, in order.
    pub fine_tuned: Vec<FineTuned>,
    /// `eval/eval.json`.
    pub eval: Option<Evaluation>,
    /// `model/config.json`.
    pub config: Option<Config>,
    /// How many weights `model/model.safetensors` holds.
    pub weights: Option<u64>,
    /// `machine.json`.
    pub machine: Option<Machine>,
    /// `command.json`.
    pub command: Vec<String>,
    /// The stages that may make models, in order.
    pub models: Vec<&'static str>,
    /// The stages that ran, in order.
    pub stages: Vec<StageRecord>,
    /// What could not be read.
    pub notes: Vec<Text>,
}

/// A stage that ran.
#[derive(Debug)]
pub struct StageRecord {
    /// What it is.
    pub stage: ReportedStage,
    /// Its `manifest.json`; none where that cannot be read.
    pub manifest: Option<Manifest>,
}

/// A stage that trained a model further.
#[derive(Debug)]
pub struct FineTuned {
    /// Its name.
    pub stage: &'static str,
    /// `STAGE/STAGE.json`.
    pub outcome: Option<FineTuningOutcome>,
    /// `STAGE/metrics.jsonl`.
    pub metrics: Metrics,
}

/// The sizes in a model's `config.json`, by the names that the families of Hugging Face have for them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    pub model_type: Option<String>,
    #[serde(alias = "n_layer", alias = "n_layers", alias = "num_layers", alias = "encoder_layers")]
    pub num_hidden_layers: Option<u64>,
    /// Those of a decoder beside an encoder.
    #[serde(alias = "num_decoder_layers")]
    pub decoder_layers: Option<u64>,
    #[serde(alias = "n_embd", alias = "d_model", alias = "emb_dim")]
    pub hidden_size: Option<u64>,
    #[serde(alias = "n_head", alias = "n_heads", alias = "num_heads", alias = "encoder_attention_heads")]
    pub num_attention_heads: Option<u64>,
    pub num_key_value_heads: Option<u64>,
    #[serde(alias = "d_kv")]
    pub head_dim: Option<u64>,
    #[serde(alias = "n_inner", alias = "d_inner", alias = "d_ff", alias = "encoder_ffn_dim")]
    pub intermediate_size: Option<u64>,
    #[serde(alias = "n_positions")]
    pub max_position_embeddings: Option<u64>,
    pub vocab_size: Option<u64>,
    pub tie_word_embeddings: Option<bool>,
}

impl Config {
    /// The blocks, of an encoder-decoder those of both stacks.
    pub fn layers(&self) -> Option<u64> {
        Some(self.num_hidden_layers? + self.decoder_layers.unwrap_or(0))
    }
}

impl Run {
    /// Reads the run in `folder`, which may have these stages.
    pub fn read(folder: &Path, stages: &[ReportedStage]) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Error::NotAFolder { path: folder.to_path_buf() });
        }
        let models = stages.iter().filter(|stage| stage.makes_model).map(|stage| stage.name).collect();
        let mut run = Self { name: name_of(folder), folder: folder.to_path_buf(), models, ..Self::default() };
        run.read_stages(stages);
        run.read_data();
        run.read_training();
        run.eval = run.json("eval/eval.json", Some(HOLDINGS.evaluation));
        run.config = run.json("model/config.json", Some(HOLDINGS.model));
        run.weights = count_weights(&folder.join("model/model.safetensors"));
        run.machine = run.json("machine.json", None);
        run.command = run.json("command.json", None).unwrap_or_default();
        if run.is_empty() {
            return Err(Error::NoRun { path: folder.to_path_buf() });
        }
        Ok(run)
    }

    fn read_stages(&mut self, stages: &[ReportedStage]) {
        for stage in stages {
            let path = format!("{}/manifest.json", stage.name_in(&self.folder));
            if self.folder.join(&path).is_file() {
                let manifest = self.json(&path, None);
                self.stages.push(StageRecord { stage: *stage, manifest });
            }
        }
    }

    fn read_data(&mut self) {
        self.recipe = self.text("recipe.toml", Some(HOLDINGS.settings));
        self.collect = self.json("collect/collect.json", Some(HOLDINGS.collected));
        self.clean = self.json("clean/clean.json", Some(HOLDINGS.cleaned));
        self.audit = self.json("clean/audit.json", None);
        self.tokenize = self.json("tokenize/tokenize.json", Some(HOLDINGS.tokenized));
    }

    fn read_training(&mut self) {
        // Earlier versions called the stage so.
        let old = self.folder.join("tune/tune.json").is_file() && !self.folder.join("plan").is_dir();
        let plan = if old { "tune/tune.json" } else { "plan/plan.json" };
        self.plan = self.json(plan, Some(HOLDINGS.plan));
        self.pretrain = self.json("pretrain/pretrain.json", None);
        self.metrics = self.metrics_of("pretrain", Some(HOLDINGS.curves));
        // A reward model writes nothing, so it is no model of the chain, but what the one after it learnt from.
        let has_rewards = self.folder.join("reward/reward.json").is_file();
        let rewards = has_rewards.then_some("reward");
        for stage in rewards.into_iter().chain(self.models.clone().into_iter().skip(1)) {
            let outcome = self.json(&format!("{stage}/{stage}.json"), None);
            let metrics = self.metrics_of(stage, None);
            self.fine_tuned.push(FineTuned { stage, outcome, metrics });
        }
    }

    fn is_empty(&self) -> bool {
        self.recipe.is_none()
            && self.stages.is_empty()
            && self.metrics.steps.is_empty()
            && (self.collect.is_none() && self.clean.is_none() && self.tokenize.is_none())
            && (self.plan.is_none() && self.eval.is_none() && self.config.is_none())
    }

    /// Whether `stage` has run.
    pub fn has(&self, stage: &str) -> bool {
        self.stages.iter().any(|record| record.stage.name == stage)
    }

    /// The manifest of `stage`.
    pub fn manifest(&self, stage: &str) -> Option<&Manifest> {
        self.stages.iter().find(|record| record.stage.name == stage)?.manifest.as_ref()
    }

    /// The manifests that can be read, in order.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.stages.iter().filter_map(|record| record.manifest.as_ref())
    }

    /// What a stage after pretraining came to.
    pub fn outcome(&self, stage: &str) -> Option<&FineTuningOutcome> {
        self.fine_tuned.iter().find(|tuned| tuned.stage == stage)?.outcome.as_ref()
    }

    fn json<T: DeserializeOwned>(&mut self, path: &str, holds: Option<Fixed>) -> Option<T> {
        let text = self.text(path, holds)?;
        let read = serde_json::from_str(&text);
        read.map_err(|problem| self.notes.push(unreadable(path, &problem.to_string()))).ok()
    }

    /// The lines of a stage's metrics; a note says how many cannot be read.
    fn metrics_of(&mut self, stage: &str, holds: Option<Fixed>) -> Metrics {
        let path = format!("{stage}/metrics.jsonl");
        let metrics = self.text(&path, holds).map(|text| Metrics::parse(&text)).unwrap_or_default();
        if metrics.unreadable > 0 {
            self.notes.push(unreadable_lines(&path, metrics.unreadable));
        }
        metrics
    }

    /// The file's text; where it is absent, a note says what is missing for it (if that is worth a note).
    fn text(&mut self, path: &str, holds: Option<Fixed>) -> Option<String> {
        match std::fs::read(self.folder.join(path)) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => {
                self.notes.extend(holds.map(|holds| absent(path, holds)));
                None
            }
            Err(problem) => {
                self.notes.push(unreadable(path, &problem.to_string()));
                None
            }
        }
    }
}

/// The weights in a safetensors file, from its header alone: a length, then JSON with the shape of each tensor.
fn count_weights(path: &Path) -> Option<u64> {
    let mut file = File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let mut header = Vec::new();
    file.take(u64::from_le_bytes(length)).read_to_end(&mut header).ok()?;
    let header: Value = serde_json::from_slice(&header).ok()?;
    let shapes = header.as_object()?.values().filter_map(|tensor| tensor["shape"].as_array());
    let size = |shape: &Vec<Value>| shape.iter().filter_map(Value::as_u64).fold(1, u64::saturating_mul);
    Some(shapes.map(size).fold(0, u64::saturating_add))
}

/// The last part of a folder's full path.
pub fn name_of(folder: &Path) -> String {
    let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    absolute.file_name().map_or_else(|| String::from("run"), |name| name.to_string_lossy().into_owned())
}
