use nuwa_models::{Family, PresetName};
use nuwa_nn::{OptimizerSettings, ScheduleKind};
use nuwa_tensor::Precision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The shape of a new model. What is not given is chosen from the budget.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSettings {
    /// A published size in place of one from the budget: it sets family, width, layers and heads, which are then not said. The
    /// vocabulary is that of the tokenizer; the context may be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<PresetName>,
    /// The family.
    pub family: Family,
    /// Model width; a multiple of 32 is fast. Chosen from the budget when absent.
    pub width: Option<usize>,
    /// Number of blocks. Chosen from the width when absent.
    pub layers: Option<usize>,
    /// Attention heads; must divide the width. Heads of 32 to 64 features when absent.
    pub heads: Option<usize>,
    /// Key-value heads of a llama model; must divide the heads. As many as heads when absent.
    pub kv_heads: Option<usize>,
    /// Longest text the model can see, in tokens. Chosen from the size of the model when absent.
    pub context: Option<usize>,
    /// Whether the output head is a matrix of its own rather than the embedding.
    pub untied_head: bool,
}

impl ModelSettings {
    /// The family: that of the preset, where one is named.
    pub fn family(&self) -> Family {
        self.preset.map_or(self.family, |name| name.preset().0)
    }
}

/// What activations and the operands of matrix products are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PrecisionChoice {
    /// The faster one on this machine.
    #[default]
    Auto,
    /// Everything in 32 bits.
    F32,
    /// Half the bits of activations; weights, sums and the optimizer keep 32.
    Bf16,
}

impl From<PrecisionChoice> for Precision {
    fn from(choice: PrecisionChoice) -> Self {
        match choice {
            PrecisionChoice::Auto => Self::fastest(),
            PrecisionChoice::F32 => Self::F32,
            PrecisionChoice::Bf16 => Self::Bf16,
        }
    }
}

/// Whether activations are computed again in backward rather than kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Recompute {
    /// Where they would not fit the memory that is free.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// How a model is pretrained. What is not given is chosen from the budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PretrainSettings {
    /// Highest learning rate. Chosen from the model size when absent.
    pub learning_rate: Option<f32>,
    /// Tokens a step. Chosen from the number of tokens when absent.
    pub batch_tokens: Option<u64>,
    /// Most tokens that go through the model at one time; a larger batch is accumulated. Limits memory.
    pub micro_batch_tokens: u64,
    /// Whether the inside of each block is computed again in backward rather than kept: auto (where memory is short),
    /// on or off. Takes a third more time and a fraction of the memory; the weights come out the same.
    #[schemars(extend("x-decides" = false))]
    pub recompute: Recompute,
    /// Share of activations dropped, 0 to 0.9. Chosen from how often the text is repeated when absent.
    pub dropout: Option<f32>,
    /// Shape of the learning rate: cosine, or warmup-stable-decay, which with a budget in time begins to fall when the time
    /// left asks for it. When absent: warmup-stable-decay with a budget in time, cosine with a size and tokens.
    pub schedule: Option<ScheduleKind>,
    /// Share of the steps over which the learning rate rises, 0 to 1.
    pub warmup: f64,
    /// The same in steps, in place of the share.
    pub warmup_steps: Option<u64>,
    /// Share of the steps over which warmup-stable-decay falls, 0 to 1.
    pub decay: f64,
    /// The same in steps, in place of the share; only without a budget in time.
    pub decay_steps: Option<u64>,
    /// Learning rate at the end, as a share of the highest.
    pub floor: f32,
    /// Whether attention stops at the start of each document.
    pub document_boundaries: bool,
    /// Validations during the run, evenly spread; one more is done at the end. Text that is repeated is looked at more often
    /// while the learning rate stays.
    pub validations: u64,
    /// Steps between two validations while the learning rate stays. Chosen from validations when absent.
    pub validate_every: Option<u64>,
    /// Most tokens that a validation looks at.
    pub validation_tokens: u64,
    /// Once the text is repeated: whether the model with the lowest validation loss is kept, and training stops early where
    /// two thirds more steps brought no better one.
    pub keep_best: bool,
    /// Times during the run at which a sample is written, evenly spread; one more at the end.
    #[schemars(extend("x-decides" = false))]
    pub samples: u64,
    /// Beginning of the samples. A piece of the validation text when empty.
    #[schemars(extend("x-decides" = false))]
    pub sample_prompt: String,
    /// Seconds between two checkpoints.
    #[schemars(extend("x-decides" = false))]
    pub checkpoint_seconds: u64,
    /// Numbers to compute in: auto, f32 or bf16. Auto takes bf16 where the processor multiplies it; weights always have
    /// 32 bits.
    pub precision: PrecisionChoice,
    /// Masking, where the model is an encoder.
    pub masked: MaskedSettings,
    /// Optimizer.
    pub optimizer: OptimizerSettings,
}

impl Default for PretrainSettings {
    fn default() -> Self {
        Self {
            learning_rate: None,
            batch_tokens: None,
            micro_batch_tokens: 4096,
            recompute: Recompute::Auto,
            dropout: None,
            schedule: None,
            warmup: 0.05,
            warmup_steps: None,
            decay: 0.3,
            decay_steps: None,
            floor: 0.02,
            document_boundaries: true,
            validations: 10,
            validate_every: None,
            validation_tokens: 16_384,
            keep_best: true,
            samples: 4,
            sample_prompt: String::new(),
            checkpoint_seconds: 30,
            precision: PrecisionChoice::Auto,
            masked: MaskedSettings::default(),
            optimizer: OptimizerSettings::default(),
        }
    }
}

impl PretrainSettings {
    /// Whether each value lies in its range.
    ///
    /// # Errors
    /// With the key, its value, and what was expected.
    pub fn check(&self) -> Result<()> {
        let share =
            |name, value: f64| ensure((0.0..=1.0).contains(&value), name, value, "a share from 0 to 1");
        share("pretrain.warmup", self.warmup)?;
        share("pretrain.decay", self.decay)?;
        share("pretrain.floor", f64::from(self.floor))?;
        let dropout = f64::from(self.dropout.unwrap_or(0.0));
        ensure((0.0..=0.9).contains(&dropout), "pretrain.dropout", dropout, "a share from 0 to 0.9")?;
        let rate = f64::from(self.learning_rate.unwrap_or(1e-3));
        ensure(rate > 0.0 && rate <= 1.0, "pretrain.learning_rate", rate, "a number above 0, at most 1")?;
        self.masked.check()?;
        let batch = self.batch_tokens.unwrap_or(1);
        ensure(batch > 0, "pretrain.batch_tokens", batch, "at least 1")?;
        ensure(
            self.micro_batch_tokens > 0,
            "pretrain.micro_batch_tokens",
            self.micro_batch_tokens,
            "at least 1",
        )
    }
}

/// How words are masked, where the model is an encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MaskedSettings {
    /// Share of the tokens that are to be predicted, above 0 to 0.9.
    pub share: f64,
    /// Whether all pieces of a word are masked together rather than single tokens.
    pub whole_words: bool,
    /// Whether texts are pairs, and the model tells if the second part follows the first.
    pub next_sentence: bool,
}

impl Default for MaskedSettings {
    fn default() -> Self {
        Self { share: 0.15, whole_words: false, next_sentence: true }
    }
}

impl MaskedSettings {
    /// Whether each value lies in its range.
    ///
    /// # Errors
    /// With the key, its value, and what was expected.
    pub fn check(&self) -> Result<()> {
        let share = self.share;
        ensure(share > 0.0 && share <= 0.9, "pretrain.masked.share", share, "a number above 0, at most 0.9")
    }
}

/// An error about `name` unless `holds`.
pub(crate) fn ensure(holds: bool, name: &'static str, value: impl ToString, expected: &str) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(Error::Setting { name: name.into(), value: value.to_string(), expected: expected.into() })
    }
}
