use std::path::PathBuf;

use nuwa_align::{DpoSettings, SftSettings};
use nuwa_clean::CleanSettings;
use nuwa_collect::CollectSettings;
use nuwa_shards::tokenize::TokenizeSettings;
use nuwa_tokenizer::TrainSettings;
use nuwa_train::{ModelSettings, PretrainSettings};
use nuwa_world::WorldSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::numbers::{Count, Span};

/// All settings of a build.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// The text to learn from: files and folders, as `nuwa collect` reads them, and data sets of the Hugging Face Hub
    /// (`hf:owner/name`). A relative path starts at the current folder. Left empty: the embedded world.
    pub from: Vec<PathBuf>,
    /// Dialogues to fine-tune on after pretraining: files of records (Alpaca, ShareGPT, chat messages, prompt and
    /// completion). Left empty, no fine-tuning; without any source, those of the embedded world.
    pub answers: Vec<PathBuf>,
    /// Pairs of a chosen and a rejected answer to train on after that. Left empty, none; without any source, those of the
    /// embedded world.
    pub preferences: Vec<PathBuf>,
    /// The run folder; left out: runs/NAME with the name of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<PathBuf>,
    /// How long the whole build may take on this machine, such as "10m" or "1h30m"; size, tokens, batch and learning rate
    /// follow from it. Left out, and without params and tokens: 10m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Span>,
    /// Instead of a budget: how many parameters the model has, such as "1M"; goes with tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<Count>,
    /// Instead of a budget: how many tokens are trained on, such as "2M"; goes with params.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Count>,
    /// Everything random follows from this number: the same seed and plan give the same weights.
    pub seed: u64,
    /// The embedded world, which is built from where no source is named.
    pub world: WorldSettings,
    /// Which files are read, and how.
    pub collect: CollectSettings,
    /// The cleaning steps.
    pub clean: CleanSettings,
    /// How the vocabulary is learnt.
    pub tokenizer: TrainSettings,
    /// What is held out for validation, and how tokens are stored.
    pub tokenize: TokenizeSettings,
    /// The shape of the model; what is left out follows from the budget.
    pub model: ModelSettings,
    /// How the model is trained; what is left out follows from the budget.
    pub pretrain: PretrainSettings,
    /// How the model learns to answer.
    pub sft: SftSettings,
    /// How the model learns which answers are preferred.
    pub dpo: DpoSettings,
    /// What is measured at the end.
    pub eval: EvalSettings,
}

/// How the final model is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvalSettings {
    /// The tasks; there is "language_modelling": bits per byte, bits per character and perplexity on held-out text.
    pub tasks: Vec<String>,
    /// Measure on so many documents only; left out: on all that is held out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

impl Default for EvalSettings {
    fn default() -> Self {
        Self { tasks: nuwa_eval::TASKS.map(String::from).to_vec(), limit: None }
    }
}

/// Keys that the plan fills in when a recipe leaves them out; shown commented out by `nuwa init`.
pub const PLANNED: &[&str] = &["tokenizer.vocab_size"];
