use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{HeadLayout, ParametersBuilder};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Gpt2, names};
use crate::config::{Config, FamilyConfig, Result, Shape, Size, above_zero, default_range, ensure, positive};
use crate::{Model, Preset, TensorName};

/// The fields of GPT-2's `config.json`, by their names at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gpt2Config {
    /// Token ids.
    pub vocab_size: usize,
    /// Positions.
    #[serde(default = "default_positions")]
    pub n_positions: usize,
    /// Model width.
    pub n_embd: usize,
    /// Blocks.
    pub n_layer: usize,
    /// Attention heads.
    pub n_head: usize,
    /// Width of the feed-forward layer; four times the model width where absent.
    #[serde(default)]
    pub n_inner: Option<usize>,
    /// Which activation.
    #[serde(default)]
    pub activation_function: Gelu,
    /// Added to variances.
    #[serde(default = "default_epsilon")]
    pub layer_norm_epsilon: f32,
    /// Standard deviation of the first weights.
    #[serde(default = "default_range")]
    pub initializer_range: f32,
    /// Whether the head is the embedding.
    #[serde(default = "yes")]
    pub tie_word_embeddings: bool,
    /// First id of a text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bos_token_id: Option<u32>,
    /// Last id of a text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eos_token_id: Option<u32>,
}

/// GPT-2's activation, by its names at Hugging Face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Gelu {
    /// By the tanh formula.
    #[default]
    #[serde(rename = "gelu_new", alias = "gelu_pytorch_tanh", alias = "gelu_fast")]
    Tanh,
    /// By the error function.
    #[serde(rename = "gelu")]
    Exact,
}

impl From<Gelu> for Activation {
    fn from(gelu: Gelu) -> Self {
        match gelu {
            Gelu::Tanh => Self::GeluTanh,
            Gelu::Exact => Self::Gelu,
        }
    }
}

fn default_positions() -> usize {
    1024
}

fn default_epsilon() -> f32 {
    1e-5
}

fn yes() -> bool {
    true
}

impl Gpt2Config {
    /// Width of the feed-forward layer.
    pub fn inner(&self) -> usize {
        self.n_inner.unwrap_or(4 * self.n_embd)
    }

    /// How packed rows are cut into heads.
    pub fn head_layout(&self) -> HeadLayout {
        HeadLayout { heads: self.n_head, kv_heads: self.n_head, head_dim: self.n_embd / self.n_head }
    }
}

impl Config for Gpt2Config {
    fn context(&self) -> usize {
        self.n_positions
    }

    fn vocabulary(&self) -> usize {
        self.vocab_size
    }

    fn layers(&self) -> usize {
        self.n_layer
    }

    fn width(&self) -> usize {
        self.n_embd
    }

    fn heads(&self) -> [usize; 2] {
        [self.n_head; 2]
    }

    fn architecture(&self) -> &'static str {
        "GPT2LMHeadModel"
    }

    fn validate(&self) -> Result<()> {
        positive("vocab_size", self.vocab_size)?;
        positive("n_positions", self.n_positions)?;
        positive("n_embd", self.n_embd)?;
        positive("n_layer", self.n_layer)?;
        positive("n_head", self.n_head)?;
        positive("n_inner", self.inner())?;
        above_zero("layer_norm_epsilon", f64::from(self.layer_norm_epsilon))?;
        let expected = format!("expected a divisor of n_embd = {}", self.n_embd);
        ensure(self.n_embd.is_multiple_of(self.n_head), "n_head", self.n_head, expected)
    }

    fn names(&self) -> Vec<TensorName> {
        names::names(self)
    }

    fn copies(&self) -> Vec<(&'static str, &'static str)> {
        if self.tie_word_embeddings { vec![("lm_head.weight", "tokens.weight")] } else { Vec::new() }
    }

    fn ignored(&self) -> &'static [&'static str] {
        &[".attn.bias", ".attn.masked_bias"]
    }

    fn size(&self) -> Size {
        let (width, inner) = (self.n_embd, self.inner());
        let head = if self.tie_word_embeddings { 0 } else { self.vocab_size * width };
        let block = 4 * width * width + 2 * width * inner + 9 * width + inner;
        let parameters = (self.vocab_size + self.n_positions + 2) * width + head + self.n_layer * block;
        Size {
            parameters,
            idle: 0,
            query_width: width,
            // Norms, queries with keys and values, attention, and twice the inner activations; two residual streams.
            kept: [6 * width + 2 * inner, 2 * width],
        }
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Gpt2::new(self.clone(), builder))
    }
}

impl FamilyConfig for Gpt2Config {
    const FIXED: &'static [(&'static str, Value)] = &[
        ("scale_attn_weights", Value::Bool(true)),
        ("scale_attn_by_inverse_layer_idx", Value::Bool(false)),
        ("add_cross_attention", Value::Bool(false)),
    ];

    const ACTIVATIONS: (&'static str, &'static [&'static str]) =
        ("activation_function", &["gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu"]);

    fn presets() -> &'static [Preset] {
        super::presets::PRESETS
    }

    fn shaped(shape: &Shape) -> Result<Self> {
        let usual = shape.kv_heads.is_none_or(|kv_heads| kv_heads == shape.heads);
        let kv_heads = shape.kv_heads.unwrap_or(shape.heads);
        ensure(usual, "kv_heads", kv_heads, "expected nothing: gpt2 has as many as heads")?;
        Ok(Self {
            vocab_size: shape.vocabulary,
            n_positions: shape.context,
            n_embd: shape.width,
            n_layer: shape.layers,
            n_head: shape.heads,
            n_inner: None,
            activation_function: Gelu::Tanh,
            layer_norm_epsilon: default_epsilon(),
            initializer_range: default_range(),
            tie_word_embeddings: !shape.untied_head,
            bos_token_id: shape.eos,
            eos_token_id: shape.eos,
        })
    }
}
