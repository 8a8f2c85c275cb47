use nuwa_nn::Rope;
use nuwa_tensor::HeadLayout;
use nuwa_tensor::ops::activation::Activation;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rope::{self, WrittenRope};
use crate::ParseError;
use crate::config::{Result, Shape, Size, above_zero, default_range, ensure, gated_inner, positive};

/// The fields that LLaMA's `config.json` shares with those that follow it, by their names at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct DecoderConfig {
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
    /// The rotary settings.
    pub rope: Rope,
    /// The activation of the feed-forward layer's gate.
    pub hidden_act: GateActivation,
    /// Whether the head is the embedding.
    pub tie_word_embeddings: bool,
    /// Standard deviation of the first weights.
    pub initializer_range: f32,
    /// First id of a text, where there is one.
    pub bos_token_id: Option<u32>,
    /// Last id of a text, where there is one.
    pub eos_token_id: Option<u32>,
}

/// What the gate goes through, by its names at Hugging Face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum GateActivation {
    /// SiLU: the families' own.
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

/// The field of the activation, and the names of [`GateActivation`].
pub(crate) const ACTIVATIONS: (&str, &[&str]) =
    ("hidden_act", &["silu", "swish", "gelu", "gelu_pytorch_tanh", "gelu_new"]);

impl From<GateActivation> for Activation {
    fn from(activation: GateActivation) -> Self {
        match activation {
            GateActivation::Silu => Self::Silu,
            GateActivation::Gelu => Self::Gelu,
            GateActivation::GeluTanh => Self::GeluTanh,
        }
    }
}

impl DecoderConfig {
    /// How packed rows are cut into heads.
    pub fn head_layout(&self) -> HeadLayout {
        HeadLayout {
            heads: self.num_attention_heads,
            kv_heads: self.num_key_value_heads,
            head_dim: self.head_dim,
        }
    }

    /// An error naming the first field that makes no sense.
    pub(crate) fn validate(&self) -> Result<()> {
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
        above_zero("rms_norm_eps", f64::from(self.rms_norm_eps))?;
        rope::validate(&self.rope)?;
        let expected = format!("expected a divisor of num_attention_heads = {}", self.num_attention_heads);
        let divides = self.num_attention_heads.is_multiple_of(self.num_key_value_heads);
        ensure(divides, "num_key_value_heads", self.num_key_value_heads, expected)
    }

    /// What a plan has to know, of a model without biases and norms of heads.
    pub(crate) fn size(&self) -> Size {
        let (width, inner, heads) = (self.hidden_size, self.intermediate_size, self.head_layout());
        let head = if self.tie_word_embeddings { 0 } else { self.vocab_size * width };
        let attention = width * heads.width() + heads.query_width() * width;
        let block = attention + 3 * width * inner + 2 * width;
        let parameters = (self.vocab_size + 1) * width + head + self.num_hidden_layers * block;
        Size {
            parameters,
            idle: 0,
            query_width: heads.query_width(),
            kept: [2 * width + 2 * heads.width() + heads.query_width() + 3 * inner, 2 * width],
        }
    }

    /// The configuration of a new model.
    pub(crate) fn shaped(shape: &Shape) -> Result<Self> {
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
            intermediate_size: gated_inner(width),
            num_hidden_layers: shape.layers,
            num_attention_heads: heads,
            num_key_value_heads: kv_heads,
            head_dim: width / heads,
            max_position_embeddings: shape.context,
            rms_norm_eps: 1e-5,
            rope: Rope::plain(rope::DEFAULT_THETA),
            hidden_act: GateActivation::Silu,
            tie_word_embeddings: !shape.untied_head,
            initializer_range: default_range(),
            bos_token_id: shape.eos,
            eos_token_id: shape.eos,
        })
    }

    /// An error with the path of the field at fault, which serde does not tell of fields that several structs share.
    pub(crate) fn check(value: &Value) -> Result<(), ParseError> {
        serde_path_to_error::deserialize::<_, Written>(value).map(drop)
    }
}

/// The methods of [`Config`](crate::Config) that say no more than the field `decoder`.
macro_rules! as_decoder {
    () => {
        fn context(&self) -> usize {
            self.decoder.max_position_embeddings
        }

        fn vocabulary(&self) -> usize {
            self.decoder.vocab_size
        }

        fn layers(&self) -> usize {
            self.decoder.num_hidden_layers
        }

        fn width(&self) -> usize {
            self.decoder.hidden_size
        }

        fn heads(&self) -> [usize; 2] {
            [self.decoder.num_attention_heads, self.decoder.num_key_value_heads]
        }

        fn copies(&self) -> Vec<(&'static str, &'static str)> {
            match self.decoder.tie_word_embeddings {
                true => vec![("lm_head.weight", "tokens.weight")],
                false => Vec::new(),
            }
        }

        fn ignored(&self) -> &'static [&'static str] {
            &[".rotary_emb.inv_freq"]
        }

        fn table_width(&self) -> usize {
            self.decoder.head_dim
        }
    };
}
pub(crate) use as_decoder;

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

fn default_positions() -> usize {
    2048
}

fn default_epsilon() -> f32 {
    1e-6
}

impl From<Written> for DecoderConfig {
    fn from(written: Written) -> Self {
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
            rope: rope::read(written.rope_parameters, written.rope_scaling, written.rope_theta),
            hidden_act: written.hidden_act,
            tie_word_embeddings: written.tie_word_embeddings,
            initializer_range: written.initializer_range,
            bos_token_id: written.bos_token_id,
            eos_token_id: written.eos_token_id,
        }
    }
}

/// Written in both forms, so that older and newer readers find what they look for.
impl From<DecoderConfig> for Written {
    fn from(config: DecoderConfig) -> Self {
        let [rope_parameters, rope_scaling] = rope::write(&config.rope);
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
            rope_theta: Some(config.rope.theta),
            rope_scaling,
            rope_parameters,
            tie_word_embeddings: config.tie_word_embeddings,
            initializer_range: config.initializer_range,
            hidden_act: config.hidden_act,
            bos_token_id: config.bos_token_id,
            eos_token_id: config.eos_token_id,
        }
    }
}
