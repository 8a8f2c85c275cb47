use std::path::PathBuf;

use nuwa_align::data::Reading;
use nuwa_align::rl::grpo::Preview;
use nuwa_align::rl::reward::Ranking;
use nuwa_align::sequences::SequenceStats;
use nuwa_align::{Epochs, PairEpochs, PreferenceLoss, Summary, TextStats, dpo, kto, pack};
use serde::{Deserialize, Serialize};

/// The content of `sft.json`, `dpo.json`, `reward.json`, `ppo.json` and `grpo.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FineTuningOutcome {
    /// Weights that were trained.
    pub tuned_parameters: usize,
    /// The most memory the process held at the end of a step, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// What was read.
    pub reading: Reading,
    /// What was minimised over preferences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<PreferenceLoss>,
    /// What became of dialogues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialogues: Option<pack::PackingStats>,
    /// What became of pairs of a source and a target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequences: Option<SequenceStats>,
    /// What became of pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<dpo::PairStats>,
    /// What became of single answers that are desirable or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<kto::AnswerStats>,
    /// How often dialogues were seen, and how many at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<Epochs>,
    /// How often pairs or single answers were seen, and how many at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair_course: Option<PairEpochs>,
    /// Text of the pretraining that was learnt beside the records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretraining: Option<TextStats>,
    /// How well a reward model ranks what is held out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranking: Option<Ranking>,
    /// What was learnt from rewards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reinforcement: Option<Reinforcement>,
    /// Records (pieces of dialogues, pairs, single answers, or prompts) held out.
    #[serde(alias = "held_back")]
    pub held_out: usize,
    /// A question that it was taught to answer, to try it with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// How training went.
    #[serde(flatten)]
    pub summary: Summary,
    /// What was written: a model folder, or one of adapters.
    pub written: PathBuf,
}

/// What a policy learnt from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reinforcement {
    /// Prompts that were learnt from.
    pub prompts: u64,
    /// Prompts that left no room for an answer.
    pub too_long: u64,
    /// The most tokens of an answer.
    pub most_tokens: usize,
    /// What answers were rewarded by.
    pub rewards: Vec<String>,
    /// Rounds of sampling and learning.
    pub rounds: u64,
    /// What the policy could do before the first step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
}
