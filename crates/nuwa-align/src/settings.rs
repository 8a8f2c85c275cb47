use nuwa_nn::{OptimizerSettings, Schedule, ScheduleKind};
use nuwa_train::PrecisionChoice;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What becomes of a record that is no whole dialogue or preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BadRecords {
    /// Nothing is trained; the message names the record.
    #[default]
    Error,
    /// It is left out and counted with the reason.
    Skip,
}

/// What becomes of a dialogue that is longer than the model's context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LongDialogues {
    /// Cut into examples, between turns where that is possible; an example without an answer is counted as dropped.
    #[default]
    Split,
    /// Only its beginning is used.
    Truncate,
    /// It is dropped, and counted.
    Drop,
}

/// Low-rank adapters (Hu et al., "LoRA", 2021): `W + alpha / rank * B A`, of which A and B alone are trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoraSettings {
    /// Rows of A and columns of B; 0 tunes all weights instead.
    pub rank: usize,
    /// Scale of the adapters, as a multiple of 1 / rank. Twice the rank when 0.
    pub alpha: f32,
    /// Which matrices: parts of their names, such as attention.qkv, attention.output, feed_forward. All matrices of the
    /// blocks when empty.
    pub targets: Vec<String>,
}

impl Default for LoraSettings {
    fn default() -> Self {
        Self { rank: 0, alpha: 0.0, targets: Vec::new() }
    }
}

/// Text of the pretraining that is learnt beside the records, so that what was learnt there is kept (Ouyang et al. 2022).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PretrainingText {
    /// Share of the tokens of each step that are such text, 0 to 0.9, but at least a window of it (up to 512 tokens), where token shards are at
    /// hand: in `build`, with --shards, and of a model in the folder of a run. 0 leaves it out.
    pub share: f64,
    /// Weight of the text's mean negative log-likelihood a token, added to the loss; 0 leaves it out.
    pub weight: f32,
}

impl Default for PretrainingText {
    fn default() -> Self {
        Self { share: 0.3, weight: 1.0 }
    }
}

impl PretrainingText {
    fn check(&self, stage: &str) -> Result<()> {
        let name = format!("{stage}.pretraining.share");
        ensure((0.0..=0.9).contains(&self.share), &name, self.share, "0 to 0.9")?;
        let name = format!("{stage}.pretraining.weight");
        ensure(self.weight >= 0.0 && self.weight.is_finite(), &name, self.weight, "0 or more")
    }
}

/// What every kind of tuning has in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TuningSettings {
    /// Most tokens that go through the model at one time; a larger batch is accumulated. Limits memory.
    pub micro_batch_tokens: usize,
    /// Share of the steps over which the learning rate rises, 0 to 1.
    pub warmup: f64,
    /// Learning rate at the end, as a share of the highest.
    pub floor: f32,
    /// Share of activations dropped, 0 to 0.9.
    pub dropout: f32,
    /// Share of the records held out to measure on, 0 to 0.5; at most 500 of them, and none where they would be fewer than 20.
    pub held_out: f64,
    /// Measurements on what is held out: before the first step, after the last, and between.
    #[schemars(extend("x-decides" = false))]
    pub validations: u64,
    /// Whether the result is the model that did best on what is held out, rather than the last one.
    pub keep_best: bool,
    /// What becomes of a record that is no whole dialogue or preference: error or skip.
    pub bad_records: BadRecords,
    /// Numbers to compute in: auto, f32 or bf16.
    pub precision: PrecisionChoice,
    /// Seconds between two checkpoints.
    #[schemars(extend("x-decides" = false))]
    pub checkpoint_seconds: u64,
    /// Optimizer.
    pub optimizer: OptimizerSettings,
}

impl Default for TuningSettings {
    fn default() -> Self {
        Self {
            micro_batch_tokens: 4096,
            warmup: 0.05,
            floor: 0.05,
            dropout: 0.0,
            held_out: 0.05,
            validations: 6,
            keep_best: true,
            bad_records: BadRecords::Error,
            precision: PrecisionChoice::Auto,
            checkpoint_seconds: 30,
            optimizer: OptimizerSettings { weight_decay: Some(0.0), ..OptimizerSettings::default() },
        }
    }
}

impl TuningSettings {
    /// The rate of each of `steps` steps up to `peak`.
    pub(crate) fn schedule(&self, peak: f32, steps: u64) -> Schedule {
        let warmup = (self.warmup * steps as f64).round() as u64;
        Schedule { kind: ScheduleKind::Cosine, peak, floor: self.floor, warmup, decay: 0, steps }
    }

    /// What decides the outcome: how often is measured and saved does not, so a killed run goes on when they change.
    pub(crate) fn deciding(&self) -> Self {
        let Self { validations, checkpoint_seconds, .. } = Self::default();
        Self { validations, checkpoint_seconds, ..self.clone() }
    }

    pub(crate) fn check(&self, stage: &str) -> Result<()> {
        let share = |name: &str, value: f64, most: f64| {
            ensure(
                (0.0..=most).contains(&value),
                &format!("{stage}.tuning.{name}"),
                value,
                &format!("0 to {most}"),
            )
        };
        share("warmup", self.warmup, 1.0)?;
        share("floor", f64::from(self.floor), 1.0)?;
        share("dropout", f64::from(self.dropout), 0.9)?;
        share("held_out", self.held_out, 0.5)?;
        let name = format!("{stage}.tuning.micro_batch_tokens");
        ensure(self.micro_batch_tokens > 0, &name, self.micro_batch_tokens, "at least 1")
    }
}

/// Supervised fine-tuning: the model learns to give the answers of dialogues.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SftSettings {
    /// How often each dialogue is seen: 2 to 60 times by their number if left out, few of them more often.
    pub epochs: Option<u64>,
    /// Highest learning rate. Left out: 1e-3 for a million weights, falling with the root of their number, at least 1e-5; 3e-4 for
    /// adapters.
    pub learning_rate: Option<f32>,
    /// Tokens a step, questions and answers together: 32 to 4096 if left out, an eighth of all where they are few.
    pub batch_tokens: Option<usize>,
    /// What becomes of a dialogue that is longer than the context: split, truncate or drop.
    pub long_dialogues: LongDialogues,
    /// Share of the dialogues that are joined into conversations as long as the context, 0 to 1. Without, a model tuned on
    /// short dialogues cannot answer late in its context.
    pub joined: f64,
    /// Text of the pretraining beside the dialogues.
    pub pretraining: PretrainingText,
    /// Low-rank adapters instead of all weights.
    pub lora: LoraSettings,
    /// What every kind of tuning has in common.
    pub tuning: TuningSettings,
}

impl Default for SftSettings {
    fn default() -> Self {
        Self {
            epochs: None,
            learning_rate: None,
            batch_tokens: None,
            long_dialogues: LongDialogues::Split,
            joined: 0.5,
            pretraining: PretrainingText::default(),
            lora: LoraSettings::default(),
            tuning: TuningSettings::default(),
        }
    }
}

/// The rate for a million weights, the least one, and that of adapters.
///
/// By trial on models of a million weights (1e-3; with 3e-4, 9 of 12 records were learnt in place of 11); large models are tuned with
/// 1e-5 to 3e-5 (Touvron et al., "Llama 2", 2023, have 2e-5 for 7 to 70 billion), which the root between them gives.
const RATE_OF_A_MILLION: f64 = 1e-3;
const LEAST_RATE: f64 = 1e-5;
const RATE_OF_ADAPTERS: f32 = 3e-4;

impl SftSettings {
    /// The learning rate for a model of so many weights.
    pub fn rate(&self, parameters: usize) -> f32 {
        let of_size = RATE_OF_A_MILLION * (1e6 / parameters.max(1) as f64).sqrt();
        let chosen = match self.lora.rank {
            0 => of_size.clamp(LEAST_RATE, RATE_OF_A_MILLION) as f32,
            _ => RATE_OF_ADAPTERS,
        };
        self.learning_rate.unwrap_or(chosen)
    }

    /// Whether each value lies in its range.
    ///
    /// # Errors
    /// Naming the first setting that is out of its range.
    pub fn check(&self) -> Result<()> {
        self.tuning.check("sft")?;
        self.pretraining.check("sft")?;
        check_common("sft", self.epochs.unwrap_or(1), self.rate(1))?;
        check_share("sft.joined", self.joined)?;
        let batch = self.batch_tokens.unwrap_or(1);
        ensure(batch > 0, "sft.batch_tokens", batch, "at least 1")
    }
}

/// Direct preference optimisation (Rafailov et al. 2023): chosen answers become likelier than rejected ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DpoSettings {
    /// How often each pair is seen: 1 to 10 times by their number if left out, few of them more often.
    pub epochs: Option<u64>,
    /// Highest learning rate.
    pub learning_rate: f32,
    /// Pairs a step: 1 to 16 if left out, an eighth of all where they are few.
    pub batch_pairs: Option<usize>,
    /// How firmly the model is held to the reference; the larger, the less it moves.
    pub beta: f32,
    /// The share of pairs that are taken to be labelled the wrong way round, 0 to below 0.5.
    pub label_smoothing: f32,
    /// Whether log-probabilities are means over the answer's tokens rather than sums, so that length earns nothing.
    pub length_normalised: bool,
    /// Whether the reference is left out: the margin is that of the model alone.
    pub reference_free: bool,
    /// Weight of the chosen answers' own negative log-likelihood a token, added to the loss; keeps them likely.
    pub sft_weight: f32,
    /// Share of the pairs that stand in conversations as long as the context, each after those before it with their chosen
    /// answers, 0 to 1. Takes more time the larger it is.
    pub joined: f64,
    /// Text of the pretraining beside the pairs.
    pub pretraining: PretrainingText,
    /// Low-rank adapters instead of all weights.
    pub lora: LoraSettings,
    /// What every kind of tuning has in common.
    pub tuning: TuningSettings,
}

impl Default for DpoSettings {
    fn default() -> Self {
        Self {
            epochs: None,
            learning_rate: 5e-5,
            batch_pairs: None,
            beta: 0.1,
            label_smoothing: 0.0,
            length_normalised: false,
            reference_free: false,
            sft_weight: 0.0,
            joined: 0.2,
            pretraining: PretrainingText::default(),
            lora: LoraSettings::default(),
            tuning: TuningSettings::default(),
        }
    }
}

impl DpoSettings {
    /// Whether each value lies in its range.
    ///
    /// # Errors
    /// Naming the first setting that is out of its range.
    pub fn check(&self) -> Result<()> {
        self.tuning.check("dpo")?;
        self.pretraining.check("dpo")?;
        check_common("dpo", self.epochs.unwrap_or(1), self.learning_rate)?;
        check_share("dpo.joined", self.joined)?;
        let batch = self.batch_pairs.unwrap_or(1);
        ensure(batch > 0, "dpo.batch_pairs", batch, "at least 1")?;
        ensure(self.beta > 0.0 && self.beta.is_finite(), "dpo.beta", self.beta, "a number above 0")?;
        let smoothing = self.label_smoothing;
        ensure(
            (0.0..0.5).contains(&smoothing),
            "dpo.label_smoothing",
            smoothing,
            "a share from 0 to below 0.5",
        )?;
        let weight = self.sft_weight;
        ensure(weight >= 0.0 && weight.is_finite(), "dpo.sft_weight", weight, "0 or more")
    }
}

fn check_share(name: &str, value: f64) -> Result<()> {
    ensure((0.0..=1.0).contains(&value), name, value, "0 to 1")
}

fn check_common(stage: &str, epochs: u64, rate: f32) -> Result<()> {
    ensure(epochs > 0, &format!("{stage}.epochs"), epochs, "at least 1")?;
    let name = format!("{stage}.learning_rate");
    ensure(rate > 0.0 && rate <= 1.0, &name, rate, "a number above 0, at most 1")
}

fn ensure(holds: bool, name: &str, value: impl ToString, expected: &str) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::Setting { name: name.into(), value: value.to_string(), expected: expected.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_models_are_tuned_faster() {
        let rate = |settings: SftSettings, parameters| settings.rate(parameters);
        let open = SftSettings::default;
        for (parameters, expected) in
            [(100_000, 1e-3), (1_000_000, 1e-3), (100_000_000, 1e-4), (7_000_000_000, 1.2e-5)]
        {
            let chosen = rate(open(), parameters);
            assert!((chosen / expected - 1.0).abs() < 0.01, "{parameters}: {chosen}");
        }
        assert_eq!(rate(open(), 100_000_000_000), 1e-5);
        assert_eq!(rate(SftSettings { learning_rate: Some(2e-4), ..open() }, 1000), 2e-4);
        let adapters = LoraSettings { rank: 4, ..LoraSettings::default() };
        assert_eq!(rate(SftSettings { lora: adapters, ..open() }, 1000), 3e-4);
    }
}
