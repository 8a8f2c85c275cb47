use std::path::PathBuf;

use clap::ValueEnum;
use nuwa_align::{DpoSettings, GrpoSettings, PpoSettings, RewardSettings, SftSettings};
use nuwa_clean::CleanSettings;
use nuwa_collect::CollectSettings;
use nuwa_report::CardSettings;
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
    /// Training text: files and folders, as `nuwa collect` reads them, and data sets of the Hugging
    /// Face Hub (`hf:owner/name`). Relative paths start at the current folder. If empty, the
    /// embedded world.
    pub from: Vec<PathBuf>,
    /// Dialogues for supervised fine-tuning: files of records (Alpaca, ShareGPT, chat messages,
    /// prompt and completion). If empty, no fine-tuning; without a source, the dialogues of the
    /// embedded world.
    pub answers: Vec<PathBuf>,
    /// Preference pairs (chosen and rejected answers) for DPO. If empty, no DPO; without a source,
    /// the pairs of the embedded world.
    pub preferences: Vec<PathBuf>,
    /// Prompts for reinforcement learning (PPO, GRPO): records, dialogues, preference pairs, or plain
    /// lines. If empty: the prompts of the embedded world, or those of the preference pairs.
    pub prompts: Vec<PathBuf>,
    /// How the model is aligned after supervised fine-tuning: dpo, ppo (with a reward model), or grpo
    /// (with a reward model, unless grpo.rules names rewards).
    pub align: Align,
    /// The run folder. If unset: runs/NAME, named after the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<PathBuf>,
    /// Time budget of the whole build on this machine, such as "10m" or "1h30m"; model size,
    /// tokens, batch size and learning rate follow from it. If unset, and without params and
    /// tokens: 10m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Span>,
    /// Number of model parameters, such as "1M"; together with tokens, instead of a budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<Count>,
    /// Number of training tokens, such as "2M"; together with params, instead of a budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Count>,
    /// Seed of everything random: the same seed and plan give the same weights.
    pub seed: u64,
    /// The embedded world: the source of a build that names no other.
    pub world: WorldSettings,
    /// Reading files into documents.
    pub collect: CollectSettings,
    /// The cleaning steps.
    pub clean: CleanSettings,
    /// Training the tokenizer.
    pub tokenizer: TrainSettings,
    /// Held-out text and token shards.
    pub tokenize: TokenizeSettings,
    /// Model architecture; unset values follow from the budget.
    pub model: ModelSettings,
    /// Pretraining; unset values follow from the budget.
    pub pretrain: PretrainSettings,
    /// Supervised fine-tuning (SFT) on dialogues.
    pub sft: SftSettings,
    /// Direct preference optimization (DPO).
    pub dpo: DpoSettings,
    /// The reward model that PPO and GRPO learn from.
    pub reward: RewardSettings,
    /// Proximal policy optimization (PPO).
    pub ppo: PpoSettings,
    /// Group relative policy optimization (GRPO).
    pub grpo: GrpoSettings,
    /// Evaluation at the end of a build.
    pub eval: EvalSettings,
    /// What only you can say of the data and the model, for their cards.
    pub card: CardSettings,
}

/// How a model learns which answers are preferred.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Align {
    /// Direct preference optimization on the pairs.
    #[default]
    Dpo,
    /// A reward model, then PPO.
    Ppo,
    /// GRPO by rules, or by a reward model.
    Grpo,
}

/// How the final model is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvalSettings {
    /// The tasks; there is "language_modelling": bits per byte, bits per character and perplexity on held-out text.
    pub tasks: Vec<String>,
    /// Maximum number of documents to evaluate on. If unset, all held-out documents.
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
