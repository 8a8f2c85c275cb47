use std::f64::consts::TAU;

use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{HeadLayout, ParametersBuilder, RotaryTable};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Llama, dialect, names};
use crate::config::{Config, FamilyConfig, Result, Shape, Size, above_zero, ensure, positive};
use crate::{Model, TensorName};

/// The fields of LLaMA's `config.json`, by their names at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct LlamaConfig {
    /// Token ids.
    pub vocab_size: usize,
    /// Model width.
    pub hidden_size: usize,
    /// Width of the gated feed-forward layer.
    pub intermediate_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key-value heads.
    pub num_key_value_heads: usize,
    /// Features a head.
    pub head_dim: usize,
    /// Positions.
    pub max_position_embeddings: usize,
    /// Added to mean squares.
    pub rms_norm_eps: f32,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// How frequencies are stretched for long contexts, where they are.
    pub rope_scaling: Option<RopeScaling>,
    /// The activation of the feed-forward layer's gate.
    pub hidden_act: GateActivation,
    /// Whether the projections of attention have biases.
    pub attention_bias: bool,
    /// Whether the projections of the feed-forward layer have biases.
    pub mlp_bias: bool,
    /// Whether the head is the embedding.
    pub tie_word_embeddings: bool,
    /// Standard deviation of the first weights.
    pub initializer_range: f32,
    /// First id of a text, where there is one.
    pub bos_token_id: Option<u32>,
    /// Last id of a text, where there is one.
    pub eos_token_id: Option<u32>,
}

/// Rotary frequencies for contexts longer than those first trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rope_type", rename_all = "lowercase")]
pub enum RopeScaling {
    /// All wavelengths become longer alike (Chen et al. 2023).
    Linear {
        /// How much longer.
        factor: f64,
    },
    /// As in Llama 3.1.
    Llama3(Llama3Scaling),
}

/// Llama 3.1's rule: short wavelengths stay, long ones are stretched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Llama3Scaling {
    /// How much longer wavelengths become.
    pub factor: f64,
    /// Wavelengths above the old context divided by this are stretched whole.
    pub low_freq_factor: f64,
    /// Wavelengths below the old context divided by this stay.
    pub high_freq_factor: f64,
    /// The context first trained on.
    pub original_max_position_embeddings: usize,
}

/// What the gate goes through, by its names at Hugging Face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum GateActivation {
    /// SiLU: the family's own.
    #[default]
    #[serde(rename = "silu", alias = "swish")]
    Silu,
    /// GELU by the error function.
    #[serde(rename = "gelu")]
    Gelu,
    /// GELU by the tanh formula.
    #[serde(rename = "gelu_pytorch_tanh", alias = "gelu_new")]
    GeluTanh,
}

impl From<GateActivation> for Activation {
    fn from(activation: GateActivation) -> Self {
        match activation {
            GateActivation::Silu => Self::Silu,
            GateActivation::Gelu => Self::Gelu,
            GateActivation::GeluTanh => Self::GeluTanh,
        }
    }
}

impl LlamaConfig {
    /// How packed rows are cut into heads.
    pub fn head_layout(&self) -> HeadLayout {
        HeadLayout {
            heads: self.num_attention_heads,
            kv_heads: self.num_key_value_heads,
            head_dim: self.head_dim,
        }
    }

    /// The rotary frequencies, in radians a position.
    pub fn frequencies(&self) -> Vec<f64> {
        let plain = RotaryTable::frequencies(self.rope_theta, self.head_dim);
        match &self.rope_scaling {
            None => plain,
            Some(scaling) => plain.into_iter().map(|frequency| scaling.stretch(frequency)).collect(),
        }
    }
}

impl Config for LlamaConfig {
    fn context(&self) -> usize {
        self.max_position_embeddings
    }

    fn vocabulary(&self) -> usize {
        self.vocab_size
    }

    fn layers(&self) -> usize {
        self.num_hidden_layers
    }

    fn width(&self) -> usize {
        self.hidden_size
    }

    fn heads(&self) -> [usize; 2] {
        [self.num_attention_heads, self.num_key_value_heads]
    }

    fn architecture(&self) -> &'static str {
        "LlamaForCausalLM"
    }

    fn validate(&self) -> Result<()> {
        positive("vocab_size", self.vocab_size)?;
        positive("hidden_size", self.hidden_size)?;
        positive("intermediate_size", self.intermediate_size)?;
        positive("num_hidden_layers", self.num_hidden_layers)?;
        positive("num_attention_heads", self.num_attention_heads)?;
        positive("num_key_value_heads", self.num_key_value_heads)?;
        positive("max_position_embeddings", self.max_position_embeddings)?;
        positive("head_dim", self.head_dim)?;
        let expected = "expected an even number: rotary positions turn pairs";
        ensure(self.head_dim.is_multiple_of(2), "head_dim", self.head_dim, expected)?;
        above_zero("rope_theta", self.rope_theta)?;
        above_zero("rms_norm_eps", f64::from(self.rms_norm_eps))?;
        self.rope_scaling.as_ref().map_or(Ok(()), RopeScaling::validate)?;
        let expected = format!("expected a divisor of num_attention_heads = {}", self.num_attention_heads);
        let divides = self.num_attention_heads.is_multiple_of(self.num_key_value_heads);
        ensure(divides, "num_key_value_heads", self.num_key_value_heads, expected)
    }

    fn names(&self) -> Vec<TensorName> {
        names::names(self)
    }

    fn copies(&self) -> Vec<(&'static str, &'static str)> {
        if self.tie_word_embeddings { vec![("lm_head.weight", "tokens.weight")] } else { Vec::new() }
    }

    fn ignored(&self) -> &'static [&'static str] {
        &[".rotary_emb.inv_freq"]
    }

    fn table_width(&self) -> usize {
        self.head_dim
    }

    fn size(&self) -> Size {
        let (width, inner, heads) = (self.hidden_size, self.intermediate_size, self.head_layout());
        let head = if self.tie_word_embeddings { 0 } else { self.vocab_size * width };
        let attention = width * heads.width() + heads.query_width() * width;
        let block = attention + 3 * width * inner + 2 * width;
        Size {
            parameters: (self.vocab_size + 1) * width + head + self.num_hidden_layers * block,
            query_width: heads.query_width(),
            kept: [2 * width + 2 * heads.width() + heads.query_width() + 3 * inner, 2 * width],
        }
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Llama::new(self.clone(), builder))
    }
}

impl FamilyConfig for LlamaConfig {
    const ALIASES: &'static [&'static str] = &["mistral", "qwen2"];

    const FIXED: &'static [(&'static str, Value)] = &[
        ("is_encoder_decoder", Value::Bool(false)),
        ("use_sliding_window", Value::Bool(false)),
        ("attn_logit_softcapping", Value::Null),
        ("final_logit_softcapping", Value::Null),
        ("use_qk_norm", Value::Bool(false)),
    ];

    const ACTIVATIONS: (&'static str, &'static [&'static str]) =
        ("hidden_act", &["silu", "swish", "gelu", "gelu_pytorch_tanh", "gelu_new"]);

    fn translate(config: &mut Value, model_type: &str) -> Result<Option<&'static str>, String> {
        dialect::translate(config, model_type)
    }

    fn shaped(shape: &Shape) -> Result<Self> {
        let Shape { width, heads, .. } = *shape;
        let kv_heads = shape.kv_heads.unwrap_or(heads);
        let shared = kv_heads > 0 && heads.is_multiple_of(kv_heads);
        ensure(shared, "kv_heads", kv_heads, format!("expected a divisor of the {heads} heads"))?;
        let expected = format!(
            "expected a width that leaves each head (here {heads}) an even number of features, such as {}",
            (width + 1).next_multiple_of(2 * heads)
        );
        ensure((width / heads).is_multiple_of(2), "width", width, expected)?;
        Ok(Self {
            vocab_size: shape.vocabulary,
            hidden_size: width,
            // Two thirds of four times the width, so that three matrices weigh what two did (Shazeer 2020).
            intermediate_size: (8 * width / 3).next_multiple_of(INNER_STEP),
            num_hidden_layers: shape.layers,
            num_attention_heads: heads,
            num_key_value_heads: kv_heads,
            head_dim: width / heads,
            max_position_embeddings: shape.context,
            rms_norm_eps: 1e-5,
            rope_theta: DEFAULT_THETA,
            rope_scaling: None,
            hidden_act: GateActivation::Silu,
            attention_bias: false,
            mlp_bias: false,
            tie_word_embeddings: !shape.untied_head,
            initializer_range: default_range(),
            bos_token_id: shape.eos,
            eos_token_id: shape.eos,
        })
    }
}

/// Widths of the feed-forward layer are multiples of this, which fills vectors and tiles.
const INNER_STEP: usize = 32;

impl RopeScaling {
    fn validate(&self) -> Result<()> {
        match self {
            Self::Linear { factor } => above_zero("factor", *factor),
            Self::Llama3(scaling) => scaling.validate(),
        }
    }

    fn stretch(&self, frequency: f64) -> f64 {
        match self {
            Self::Linear { factor } => frequency / factor,
            Self::Llama3(scaling) => scaling.stretch(frequency),
        }
    }
}

impl Llama3Scaling {
    fn validate(&self) -> Result<()> {
        above_zero("factor", self.factor)?;
        above_zero("low_freq_factor", self.low_freq_factor)?;
        let expected = format!("expected a number above low_freq_factor = {}", self.low_freq_factor);
        let ordered = self.high_freq_factor > self.low_freq_factor;
        ensure(ordered, "high_freq_factor", self.high_freq_factor, expected)?;
        positive("original_max_position_embeddings", self.original_max_position_embeddings)
    }

    /// Those between short and long are blended.
    fn stretch(&self, frequency: f64) -> f64 {
        let turns = self.original_max_position_embeddings as f64 * frequency / TAU;
        let share = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor);
        let kept = share.clamp(0.0, 1.0);
        kept * frequency + (1.0 - kept) * frequency / self.factor
    }
}

/// `config.json` as transformers 4 and 5 write it: rotary settings at the top level or in `rope_parameters`.
#[derive(Clone, Serialize, Deserialize)]
struct Written {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    #[serde(default = "default_positions")]
    max_position_embeddings: usize,
    #[serde(default = "default_epsilon")]
    rms_norm_eps: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rope_theta: Option<f64>,
    #[serde(default)]
    rope_scaling: Option<WrittenRope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rope_parameters: Option<WrittenRope>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default = "default_range")]
    initializer_range: f32,
    #[serde(default)]
    hidden_act: GateActivation,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bos_token_id: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    eos_token_id: Option<u32>,
}

/// The rotary settings under either name; `rope_type` decides which of them count.
#[derive(Clone, Serialize, Deserialize)]
struct WrittenRope {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rope_theta: Option<f64>,
    #[serde(flatten)]
    kind: RopeKind,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "rope_type", rename_all = "lowercase")]
enum RopeKind {
    Default,
    Linear { factor: f64 },
    Llama3(Llama3Scaling),
}

impl RopeKind {
    fn scaling(self) -> Option<RopeScaling> {
        match self {
            Self::Default => None,
            Self::Linear { factor } => Some(RopeScaling::Linear { factor }),
            Self::Llama3(scaling) => Some(RopeScaling::Llama3(scaling)),
        }
    }
}

impl From<RopeScaling> for RopeKind {
    fn from(scaling: RopeScaling) -> Self {
        match scaling {
            RopeScaling::Linear { factor } => Self::Linear { factor },
            RopeScaling::Llama3(scaling) => Self::Llama3(scaling),
        }
    }
}

fn default_positions() -> usize {
    2048
}

fn default_epsilon() -> f32 {
    1e-6
}

fn default_range() -> f32 {
    0.02
}

const DEFAULT_THETA: f64 = 10_000.0;

impl From<Written> for LlamaConfig {
    fn from(written: Written) -> Self {
        let rope = written.rope_parameters.or(written.rope_scaling);
        let inner_theta = rope.as_ref().and_then(|rope| rope.rope_theta);
        Self {
            vocab_size: written.vocab_size,
            hidden_size: written.hidden_size,
            intermediate_size: written.intermediate_size,
            num_hidden_layers: written.num_hidden_layers,
            num_attention_heads: written.num_attention_heads,
            num_key_value_heads: written.num_key_value_heads.unwrap_or(written.num_attention_heads),
            head_dim: written.head_dim.unwrap_or(written.hidden_size / written.num_attention_heads.max(1)),
            max_position_embeddings: written.max_position_embeddings,
            rms_norm_eps: written.rms_norm_eps,
            rope_theta: inner_theta.or(written.rope_theta).unwrap_or(DEFAULT_THETA),
            rope_scaling: rope.and_then(|rope| rope.kind.scaling()),
            hidden_act: written.hidden_act,
            attention_bias: written.attention_bias,
            mlp_bias: written.mlp_bias,
            tie_word_embeddings: written.tie_word_embeddings,
            initializer_range: written.initializer_range,
            bos_token_id: written.bos_token_id,
            eos_token_id: written.eos_token_id,
        }
    }
}

/// Written in both forms, so that older and newer readers find what they look for.
impl From<LlamaConfig> for Written {
    fn from(config: LlamaConfig) -> Self {
        let kind = config.rope_scaling.clone().map_or(RopeKind::Default, RopeKind::from);
        let rope_parameters = WrittenRope { rope_theta: Some(config.rope_theta), kind };
        let rope_scaling = config.rope_scaling.map(RopeKind::from);
        Self {
            vocab_size: config.vocab_size,
            hidden_size: config.hidden_size,
            intermediate_size: config.intermediate_size,
            num_hidden_layers: config.num_hidden_layers,
            num_attention_heads: config.num_attention_heads,
            num_key_value_heads: Some(config.num_key_value_heads),
            head_dim: Some(config.head_dim),
            max_position_embeddings: config.max_position_embeddings,
            rms_norm_eps: config.rms_norm_eps,
            rope_theta: Some(config.rope_theta),
            rope_scaling: rope_scaling.map(|kind| WrittenRope { rope_theta: None, kind }),
            rope_parameters: Some(rope_parameters),
            attention_bias: config.attention_bias,
            mlp_bias: config.mlp_bias,
            tie_word_embeddings: config.tie_word_embeddings,
            initializer_range: config.initializer_range,
            hidden_act: config.hidden_act,
            bos_token_id: config.bos_token_id,
            eos_token_id: config.eos_token_id,
        }
    }
}
