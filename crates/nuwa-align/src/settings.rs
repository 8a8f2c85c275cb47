mod dpo;

use nuwa_nn::{OptimizerSettings, Schedule, ScheduleKind};
use nuwa_train::PrecisionChoice;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

pub use dpo::{DpoSettings, PreferenceLoss};

/// What becomes of a record that is no whole dialogue or preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BadRecords {
    /// Stop before training; the message names the record.
    #[default]
    Error,
    /// Leave it out and count it under its reason.
    Skip,
}

/// What becomes of a dialogue that is longer than the model's context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LongDialogues {
    /// Cut into several examples, between turns where possible; examples without an answer are
    /// dropped and counted.
    #[default]
    Split,
    /// Keep only the beginning.
    Truncate,
    /// Drop the dialogue, and count it.
    Drop,
}

/// Low-rank adapters (Hu et al., "LoRA", 2021): `W + alpha / rank * B A`, of which A and B alone are trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoraSettings {
    /// LoRA rank; 0 trains all weights (full fine-tuning).
    pub rank: usize,
    /// LoRA alpha: adapters are scaled by alpha / rank. 0 means twice the rank.
    pub alpha: f32,
    /// Target modules: parts of parameter names, such as attention.qkv, attention.output,
    /// feed_forward. If empty, all matrices of the blocks.
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
    /// Share of each step's tokens that are pretraining text, 0 to 0.9, but at least one window (up
    /// to 512 tokens). Used if token shards are available: in `build`, with --shards, and for a
    /// model in a run folder. 0 turns it off.
    pub share: f64,
    /// Weight of the language-modelling loss on this text (mean per token), added to the loss; 0
    /// turns it off.
    pub weight: f32,
}

impl Default for PretrainingText {
    fn default() -> Self {
        Self { share: 0.3, weight: 1.0 }
    }
}

impl PretrainingText {
    pub(crate) fn check(&self, stage: &str) -> Result<()> {
        let name = format!("{stage}.pretraining.share");
        ensure((0.0..=0.9).contains(&self.share), &name, self.share, "0 to 0.9")?;
        let name = format!("{stage}.pretraining.weight");
        ensure(self.weight >= 0.0 && self.weight.is_finite(), &name, self.weight, "0 or more")
    }
}

/// The learning rate after its warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TuningSchedule {
    /// Falls like half a cosine to the floor at the end.
    #[default]
    Cosine,
    /// Falls with the square root of the steps, as in the Transformer paper.
    InverseSquareRoot,
    /// A straight line to the floor.
    Linear,
    /// Stays at the peak.
    Constant,
}

/// Settings shared by all kinds of fine-tuning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TuningSettings {
    /// Largest micro-batch, in tokens: larger batches use gradient accumulation. Limits memory.
    pub micro_batch_tokens: usize,
    /// Learning-rate schedule: cosine, inverse-square-root, linear or constant.
    pub schedule: TuningSchedule,
    /// Learning-rate warmup, as a share of all steps, 0 to 1.
    pub warmup: f64,
    /// Final learning rate, as a share of the peak.
    pub floor: f32,
    /// Dropout probability, 0 to 0.9. If unset: 0; 0.3 where labels are learnt.
    pub dropout: Option<f32>,
    /// Share of the records held out for validation, 0 to 0.5; at most 500 records, and none if
    /// that would be fewer than 20. If unset: 0.05; 0.2 where labels are learnt.
    pub held_out: Option<f64>,
    /// Number of validations on the held-out records: before the first step, after the last, and in
    /// between.
    #[schemars(extend("x-decides" = false))]
    pub validations: u64,
    /// Keep the checkpoint with the best validation result instead of the last one.
    pub keep_best: bool,
    /// What to do with a record that is not a complete dialogue or preference pair: error or skip.
    pub bad_records: BadRecords,
    /// Precision of activations and matrix products: auto, f32 or bf16 (mixed precision).
    pub precision: PrecisionChoice,
    /// Seconds between checkpoints.
    #[schemars(extend("x-decides" = false))]
    pub checkpoint_seconds: u64,
    /// Optimizer.
    pub optimizer: OptimizerSettings,
}

impl Default for TuningSettings {
    fn default() -> Self {
        Self {
            micro_batch_tokens: 4096,
            schedule: TuningSchedule::Cosine,
            warmup: 0.05,
            floor: 0.05,
            dropout: None,
            held_out: None,
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
    /// The dropout probability.
    pub fn dropout(&self) -> f32 {
        self.dropout.unwrap_or(0.0)
    }

    /// The share that is held out.
    pub fn held_out(&self) -> f64 {
        self.held_out.unwrap_or(0.05)
    }

    /// The rate of each of `steps` steps up to `peak`.
    pub fn schedule(&self, peak: f32, steps: u64) -> Schedule {
        let warmup = (self.warmup * steps as f64).round() as u64;
        let kind = match self.schedule {
            TuningSchedule::Cosine => ScheduleKind::Cosine,
            TuningSchedule::InverseSquareRoot => ScheduleKind::InverseSquareRoot,
            TuningSchedule::Linear => ScheduleKind::Linear,
            TuningSchedule::Constant => ScheduleKind::Constant,
        };
        Schedule { floor: self.floor, warmup, ..Schedule::new(kind, peak, steps) }
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
        share("dropout", f64::from(self.dropout()), 0.9)?;
        share("held_out", self.held_out(), 0.5)?;
        nuwa_train::check_optimizer(&format!("{stage}.tuning"), &self.optimizer)?;
        let name = format!("{stage}.tuning.micro_batch_tokens");
        ensure(self.micro_batch_tokens > 0, &name, self.micro_batch_tokens, "at least 1")
    }
}

/// Supervised fine-tuning: the model learns to give the answers of dialogues.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SftSettings {
    /// Number of epochs over the dialogues. If unset: 2 to 60, more for fewer dialogues.
    pub epochs: Option<u64>,
    /// Peak learning rate. If unset: 1e-3 for a model of one million weights, falling with the
    /// square root of their number, at least 1e-5; a quarter of that where labels are learnt; 3e-4
    /// for LoRA.
    pub learning_rate: Option<f32>,
    /// Batch size: tokens per optimizer step, prompts and answers together. If unset: 32 to 4096,
    /// an eighth of all tokens for small data sets.
    pub batch_tokens: Option<usize>,
    /// Label smoothing: share of each target token that the loss spreads over the whole vocabulary,
    /// 0 to below 1. If unset: 0.1 for an encoder-decoder, 0 for other models.
    pub label_smoothing: Option<f32>,
    /// What to do with a dialogue that is longer than the context: split, truncate or drop; for an
    /// encoder-decoder, split is truncate.
    pub long_dialogues: LongDialogues,
    /// Share of the dialogues that are concatenated into conversations that fill the context, 0 to
    /// 1. With 0, a model fine-tuned on short dialogues cannot answer late in its context.
    pub joined: f64,
    /// Pretraining text mixed into fine-tuning, against forgetting.
    pub pretraining: PretrainingText,
    /// Train LoRA adapters instead of all weights.
    pub lora: LoraSettings,
    /// Settings shared by all kinds of fine-tuning.
    pub tuning: TuningSettings,
}

impl Default for SftSettings {
    fn default() -> Self {
        Self {
            epochs: None,
            learning_rate: None,
            batch_tokens: None,
            label_smoothing: None,
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

/// What labels are learnt with where nothing else is said: the rate by that of dialogues, dropout, and the share that is held out.
///
/// By trial on 700 short hotel reviews with a model of 1.3M weights, which knows them by heart after 5 epochs at the rate of dialogues
/// (71 % of 265 held-out reviews were told right); with a quarter of the rate, more held out and dropout 78 %.
const LABEL_RATE: f32 = 0.25;
const LABEL_DROPOUT: f32 = 0.3;
const LABELS_HELD_OUT: f64 = 0.2;

impl SftSettings {
    /// The learning rate for a model of so many weights.
    pub fn rate(&self, parameters: usize) -> f32 {
        let of_size = RATE_OF_A_MILLION * (1e6 / parameters.max(1) as f64).sqrt();
        let chosen = match self.lora.rank {
            0 => of_size.clamp(LEAST_RATE, RATE_OF_A_MILLION) as f32,
            _ => RATE_OF_ADAPTERS,
        };
        self.learning_rate.unwrap_or(chosen * self.tuning.optimizer.kind.rate_factor())
    }

    /// The same for a head that learns labels with a model of so many weights below it: what is not set is as labels want it.
    #[must_use]
    pub fn for_labels(&self, parameters: usize) -> Self {
        let mut settings = self.clone();
        if self.lora.rank == 0 && self.learning_rate.is_none() {
            settings.learning_rate = Some(LABEL_RATE * self.rate(parameters));
        }
        settings.tuning.dropout.get_or_insert(LABEL_DROPOUT);
        settings.tuning.held_out.get_or_insert(LABELS_HELD_OUT);
        settings
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
        let smoothing = self.label_smoothing.unwrap_or(0.0);
        ensure((0.0..1.0).contains(&smoothing), "sft.label_smoothing", smoothing, "0 to below 1")?;
        let batch = self.batch_tokens.unwrap_or(1);
        ensure(batch > 0, "sft.batch_tokens", batch, "at least 1")
    }
}

fn check_share(name: &str, value: f64) -> Result<()> {
    ensure((0.0..=1.0).contains(&value), name, value, "0 to 1")
}

pub(crate) fn check_common(stage: &str, epochs: u64, rate: f32) -> Result<()> {
    ensure(epochs > 0, &format!("{stage}.epochs"), epochs, "at least 1")?;
    let name = format!("{stage}.learning_rate");
    ensure(rate > 0.0 && rate <= 1.0, &name, rate, "a number above 0, at most 1")
}

pub(crate) fn ensure(holds: bool, name: &str, value: impl ToString, expected: &str) -> Result<()> {
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
