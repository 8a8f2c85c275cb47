use nuwa_tensor::HeadLayout;
use nuwa_tensor::ops::activation::Activation;
use serde::{Deserialize, Serialize};

use crate::config::{Result, above_zero, ensure, positive};

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

fn default_range() -> f32 {
    0.02
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
    pub fn heads(&self) -> HeadLayout {
        HeadLayout { heads: self.n_head, kv_heads: self.n_head, head_dim: self.n_embd / self.n_head }
    }

    pub(crate) fn validate(&self) -> Result<()> {
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
}
