use nuwa_models::custom::CustomSettings;
use nuwa_models::{Family, PresetName};
use nuwa_nn::{DecayShape, InitialisationScheme, ModelStart, OptimizerSettings, ScheduleKind};
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
    /// Hidden size of the model; multiples of 32 are fastest. If unset, chosen from the budget.
    pub width: Option<usize>,
    /// Number of transformer blocks; encoder and decoder share them where there are both. If unset, chosen from the width.
    pub layers: Option<usize>,
    /// Number of blocks by the number that a width has by itself, 0.1 to 10: above 1 deeper and narrower,
    /// for the same number of weights. If unset, 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<f64>,
    /// Number of attention heads; must divide the width. If unset, chosen so that a head has 32 to
    /// 64 features.
    pub heads: Option<usize>,
    /// Number of key-value heads (grouped-query attention) of a llama model; must divide the number
    /// of heads. If unset, one for each head.
    pub kv_heads: Option<usize>,
    /// Context length: the longest text the model can attend to, in tokens. If unset, chosen from
    /// the model's size.
    pub context: Option<usize>,
    /// Use a separate output matrix (LM head) instead of tying it to the token embedding.
    pub untied_head: bool,
    /// Initialisation of the matrices of the blocks: published (as the family is), normal, gpt2, xavier,
    /// kaiming, lecun, small or t5.
    pub initialisation: InitialisationScheme,
    /// What the first weights of all matrices are multiplied by, 0.01 to 100. If unset, 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initialisation_scale: Option<f32>,
    /// Parametrization: standard, or mup (maximal update parametrization), with which the best
    /// learning rate of a narrow model is that of a wide one, too; for models with a norm in front of
    /// the head, such as llama and gpt2.
    pub parametrization: Parametrization,
    /// The width at which mup is the same as the standard parametrization. If unset, 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mup_base_width: Option<usize>,
    /// What the blocks are made of, where the family is custom.
    pub custom: CustomSettings,
}

/// How first weights and learning rates depend on the width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Parametrization {
    /// As models are usually trained: one learning rate for all parameters.
    #[default]
    Standard,
    /// Maximal update parametrization (Yang et al., "Tensor Programs V", 2022).
    Mup,
}

/// The width at which muP is the same as the usual way, where none is said.
const MUP_BASE_WIDTH: usize = 64;

impl ModelSettings {
    /// The family: that of the preset, where one is named.
    pub fn family(&self) -> Family {
        self.preset.map_or(self.family, |name| name.preset().0)
    }

    /// How a new model starts.
    pub fn start(&self) -> ModelStart {
        let base = self.mup_base_width.unwrap_or(MUP_BASE_WIDTH);
        ModelStart {
            scheme: self.initialisation,
            scale: self.initialisation_scale.unwrap_or(1.0),
            mup_base_width: (self.parametrization == Parametrization::Mup).then_some(base),
        }
    }

    /// Whether what says how a model starts lies in its range.
    ///
    /// # Errors
    /// With the key, its value, and what was expected.
    pub fn check(&self) -> Result<()> {
        let scale = self.initialisation_scale.unwrap_or(1.0);
        ensure((0.01..=100.0).contains(&scale), "model.initialisation_scale", scale, "0.01 to 100")?;
        let depth = self.depth.unwrap_or(1.0);
        ensure((0.1..=10.0).contains(&depth), "model.depth", depth, "0.1 to 10")?;
        let base = self.mup_base_width.unwrap_or(MUP_BASE_WIDTH);
        ensure((1..=32_768).contains(&base), "model.mup_base_width", base, "1 to 32768")?;
        let is_used = self.family() == Family::Custom || self.custom == CustomSettings::default();
        let family = self.family().registered().model_type;
        let expected = "custom, the family that has settings below model.custom";
        ensure(is_used, "model.family", family, expected)
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
    /// Activations in 16 bits; weights, sums and the optimizer state stay in 32.
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

/// How many tokens go through the model at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MicroBatch {
    /// As many as the setting says.
    #[default]
    Fixed,
    /// As many as fit the memory.
    Auto,
}

/// Whether activations are computed again in backward rather than kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Recompute {
    /// When the activations would not fit into free memory.
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
    /// Peak learning rate. If unset, chosen from the model's size.
    pub learning_rate: Option<f32>,
    /// Batch size: tokens per optimizer step. If unset, chosen from the number of training tokens.
    pub batch_tokens: Option<u64>,
    /// Largest micro-batch, in tokens: larger batches use gradient accumulation. Limits memory.
    pub micro_batch_tokens: u64,
    /// Micro-batch: fixed (micro_batch_tokens) or auto, the largest that fits into free memory, by
    /// prediction and a trial; the plan then depends on the machine.
    pub micro_batch: MicroBatch,
    /// Batch ramp: share of the steps, 0 to 1, over which the batch grows from a quarter of its size.
    /// 0 turns it off.
    pub batch_ramp: f64,
    /// Activation checkpointing: recompute the activations of each block in the backward pass
    /// instead of storing them: auto (when memory is short), on or off. Takes about a third more
    /// time and much less memory; the weights are the same.
    #[schemars(extend("x-decides" = false))]
    pub recompute: Recompute,
    /// Dropout probability of residual branches and embeddings, 0 to 0.9. If unset, chosen from the
    /// number of epochs over the text.
    pub dropout: Option<f32>,
    /// Dropout probability of embeddings, 0 to 0.9. If unset, that of residual branches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_dropout: Option<f32>,
    /// Dropout probability of attention weights, 0 to 0.9. If unset, that of residual branches in
    /// families that are published with it (bert, xlm, xlnet, t5), 0 in others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_dropout: Option<f32>,
    /// Stochastic depth: the probability of skipping the last block in a pass, 0 to 0.9; earlier
    /// blocks are skipped in proportion to their depth.
    pub stochastic_depth: f32,
    /// Label smoothing: share of each target that the loss spreads over the vocabulary, 0 to 0.9.
    pub label_smoothing: f32,
    /// Coefficient of the z-loss, which keeps logits small; 1e-4 is usual. 0 turns it off.
    pub z_loss: f32,
    /// Learning-rate schedule: cosine; warmup-stable-decay, whose decay phase starts in time to end
    /// with the time budget; inverse-square-root, as in the Transformer paper; linear; constant; or
    /// cycles. If unset: warmup-stable-decay with a time budget, cosine with a fixed number of
    /// parameters and tokens.
    pub schedule: Option<ScheduleKind>,
    /// Shape of the decay phase of the warmup-stable-decay schedule: linear, cosine, square-root or
    /// exponential.
    pub decay_shape: DecayShape,
    /// Number of cycles of the cycles schedule, 1 to 1000.
    pub cycles: u64,
    /// Learning-rate warmup, as a share of all steps, 0 to 1.
    pub warmup: f64,
    /// Length of the warmup in steps instead of as a share (`warmup`).
    pub warmup_steps: Option<u64>,
    /// Decay phase of the warmup-stable-decay schedule, as a share of all steps, 0 to 1.
    pub decay: f64,
    /// Length of the decay phase in steps instead of as a share (`decay`); not with a time budget.
    pub decay_steps: Option<u64>,
    /// Final learning rate, as a share of the peak.
    pub floor: f32,
    /// Mask attention across document boundaries, so that a token attends only to its own document.
    pub document_boundaries: bool,
    /// Number of validations during the run, evenly spaced, plus one at the end. With several
    /// epochs over the text, there are more of them before the learning rate decays.
    pub validations: u64,
    /// Steps between validations before the learning rate decays. If unset, follows from
    /// `validations`.
    pub validate_every: Option<u64>,
    /// Largest number of tokens used for a validation.
    pub validation_tokens: u64,
    /// With more than one epoch: keep the checkpoint with the lowest validation loss, and stop
    /// early when two thirds more steps have brought no improvement.
    pub keep_best: bool,
    /// Number of text samples generated during the run, evenly spaced, plus one at the end.
    #[schemars(extend("x-decides" = false))]
    pub samples: u64,
    /// Prompt of the samples. If empty, a piece of the validation text.
    #[schemars(extend("x-decides" = false))]
    pub sample_prompt: String,
    /// Seconds between checkpoints.
    #[schemars(extend("x-decides" = false))]
    pub checkpoint_seconds: u64,
    /// Precision of activations and matrix products: auto, f32 or bf16 (mixed precision). Auto uses
    /// bf16 if the processor has instructions for it; master weights are always f32.
    pub precision: PrecisionChoice,
    /// Masking, where the model is an encoder.
    pub masked: MaskedSettings,
    /// Permutation language modelling, where the model is an xlnet.
    pub permutation: PermutationSettings,
    /// Objective on plain text, where the model is an encoder-decoder. If unset: span-corruption for
    /// t5, infilling for bart, continuation for other families.
    pub sequence_objective: Option<SequenceObjective>,
    /// Spans that span corruption and infilling hide.
    pub spans: SpanSettings,
    /// Languages, where the model is told them (xlm).
    #[serde(skip_serializing_if = "LanguageSettings::is_usual")]
    pub languages: LanguageSettings,
    /// The bits per byte that `nuwa tune` expects on held-out text: the lower end of the range that should
    /// hold them in 19 of 20 cases, the likeliest value, the upper end. The report compares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-decides" = false))]
    pub forecast: Vec<f64>,
    /// Optimizer.
    pub optimizer: OptimizerSettings,
}

impl Default for PretrainSettings {
    fn default() -> Self {
        Self {
            learning_rate: None,
            batch_tokens: None,
            micro_batch_tokens: 4096,
            micro_batch: MicroBatch::Fixed,
            batch_ramp: 0.0,
            recompute: Recompute::Auto,
            dropout: None,
            embedding_dropout: None,
            attention_dropout: None,
            stochastic_depth: 0.0,
            label_smoothing: 0.0,
            z_loss: 0.0,
            schedule: None,
            decay_shape: DecayShape::Linear,
            cycles: 4,
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
            permutation: PermutationSettings::default(),
            sequence_objective: None,
            spans: SpanSettings::default(),
            languages: LanguageSettings::default(),
            forecast: Vec::new(),
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
        share("pretrain.batch_ramp", self.batch_ramp)?;
        for (name, dropped) in [
            ("pretrain.dropout", self.dropout.unwrap_or(0.0)),
            ("pretrain.embedding_dropout", self.embedding_dropout.unwrap_or(0.0)),
            ("pretrain.attention_dropout", self.attention_dropout.unwrap_or(0.0)),
            ("pretrain.stochastic_depth", self.stochastic_depth),
            ("pretrain.label_smoothing", self.label_smoothing),
        ] {
            ensure((0.0..=0.9).contains(&dropped), name, dropped, "a share from 0 to 0.9")?;
        }
        let z_loss = self.z_loss;
        ensure((0.0..=1.0).contains(&z_loss), "pretrain.z_loss", z_loss, "a number from 0 to 1")?;
        ensure((1..=1000).contains(&self.cycles), "pretrain.cycles", self.cycles, "1 to 1000")?;
        check_optimizer("pretrain", &self.optimizer)?;
        let rate = f64::from(self.learning_rate.unwrap_or(1e-3));
        ensure(rate > 0.0 && rate <= 1.0, "pretrain.learning_rate", rate, "a number above 0, at most 1")?;
        self.masked.check()?;
        self.permutation.check()?;
        self.spans.check()?;
        self.languages.check()?;
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

/// Masked language modelling, for encoders such as BERT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MaskedSettings {
    /// Masking rate: share of the tokens to predict, above 0 to 0.9.
    pub share: f64,
    /// Whole-word masking: mask all tokens of a word together.
    pub whole_words: bool,
    /// Next-sentence prediction: texts are pairs, and the model predicts whether the second follows
    /// the first.
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

/// Permutation language modelling, for models that predict tokens in any order, such as XLNet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PermutationSettings {
    /// Partial prediction: one token in this many is predicted, those that come last in the
    /// factorisation order; 2 to 100.
    pub one_in: u32,
    /// Longest span of neighbouring tokens that are predicted, 1 to 20.
    pub longest_span: u32,
    /// Whether texts are pairs of segments, of which the second follows the first in half of them.
    pub pairs: bool,
    /// Segment recurrence: number of tokens before each text that are read without a gradient, as the
    /// memory of every layer, at most 4096; 0 for none. Takes time, and gives context.
    pub memory: u32,
}

impl Default for PermutationSettings {
    fn default() -> Self {
        Self { one_in: 6, longest_span: 5, pairs: true, memory: 0 }
    }
}

impl PermutationSettings {
    /// Whether each value lies in its range.
    ///
    /// # Errors
    /// With the key, its value, and what was expected.
    pub fn check(&self) -> Result<()> {
        let range = |name, value: u32, [least, most]: [u32; 2]| {
            let expected = format!("a whole number from {least} to {most}");
            ensure((least..=most).contains(&value), name, value, &expected)
        };
        range("pretrain.permutation.one_in", self.one_in, [2, 100])?;
        range("pretrain.permutation.longest_span", self.longest_span, [1, 20])?;
        range("pretrain.permutation.memory", self.memory, [0, 4096])
    }
}

/// What an encoder-decoder is pretrained to do on plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SequenceObjective {
    /// The encoder reads the beginning of a text, the decoder writes the rest.
    Continuation,
    /// Spans of the text are hidden, and the decoder writes what each was (T5).
    SpanCorruption,
    /// Spans are hidden, sentences are permuted, and the decoder writes the whole text (BART).
    Infilling,
}

/// Spans of tokens that an encoder-decoder does not see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpanSettings {
    /// Share of the tokens that spans hide, 0 to 0.9. If unset: 0.15 for span corruption, 0.3 for
    /// infilling.
    pub share: Option<f64>,
    /// Mean length of a span, in tokens, 1 to 50.
    pub length: f64,
}

impl Default for SpanSettings {
    fn default() -> Self {
        Self { share: None, length: 3.0 }
    }
}

impl SpanSettings {
    /// Whether each value lies in its range.
    ///
    /// # Errors
    /// With the key, its value, and what was expected.
    pub fn check(&self) -> Result<()> {
        let (share, length) = (self.share.unwrap_or(0.15), self.length);
        ensure((0.0..=0.9).contains(&share), "pretrain.spans.share", share, "a share from 0 to 0.9")?;
        ensure((1.0..=50.0).contains(&length), "pretrain.spans.length", length, "a number from 1 to 50")
    }
}

/// Pretraining in many languages, for models that are told the language of each token: xlm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LanguageSettings {
    /// What is learnt of text: masked words, from both sides (MLM), or each next token (CLM), which makes a
    /// model that writes.
    #[serde(skip_serializing_if = "LanguageObjective::is_masked")]
    pub objective: LanguageObjective,
    /// A language with a share p of the tokens is met in proportion to p to this power, above 0 to 1;
    /// 1 leaves the shares as they are.
    pub exponent: f64,
    /// Translations to learn from (TLM): en-zh:FILE, a pair of sentences a line, a tab between them.
    pub parallel: Vec<String>,
    /// Share of the texts that are translations, where some are given, above 0 to 1.
    pub parallel_share: f64,
}

impl Default for LanguageSettings {
    fn default() -> Self {
        let objective = LanguageObjective::Masked;
        Self { objective, exponent: 0.7, parallel: Vec::new(), parallel_share: 0.5 }
    }
}

/// What a model that is told languages learns of text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LanguageObjective {
    /// Masked words.
    #[default]
    Masked,
    /// The next token.
    Causal,
}

impl LanguageObjective {
    fn is_masked(&self) -> bool {
        *self == Self::Masked
    }
}

impl LanguageSettings {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Whether each next token is learnt.
    pub fn is_causal(&self) -> bool {
        self.objective == LanguageObjective::Causal
    }

    /// Whether each value lies in its range.
    ///
    /// # Errors
    /// With the key, its value, and what was expected.
    pub fn check(&self) -> Result<()> {
        let share = |name, value: f64| {
            ensure(value > 0.0 && value <= 1.0, name, value, "a number above 0, at most 1")
        };
        share("pretrain.languages.exponent", self.exponent)?;
        let translates = self.is_causal() && !self.parallel.is_empty();
        let (name, expected) = (
            "pretrain.languages.parallel",
            "no translations where pretrain.languages.objective is causal: they are learnt by masked words",
        );
        ensure(!translates, name, self.parallel.join(", "), expected)?;
        share("pretrain.languages.parallel_share", self.parallel_share)
    }
}

/// Whether each value of an optimizer below the table `stage` lies in its range.
///
/// # Errors
/// With the key, its value, and what was expected.
pub fn check_optimizer(stage: &str, settings: &OptimizerSettings) -> Result<()> {
    match settings.wrong() {
        None => Ok(()),
        Some((field, value, expected)) => Err(Error::Setting {
            name: format!("{stage}.optimizer.{field}").into(),
            value: value.to_string(),
            expected: expected.into(),
        }),
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
