use serde::{Deserialize, Serialize};

use crate::TensorName;
use crate::gpt2::{self, Gpt2Config};
use crate::llama::{self, LlamaConfig};

/// The configuration of any family: Hugging Face's `config.json`, told apart by `model_type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model_type", rename_all = "lowercase")]
pub enum ModelConfig {
    /// GPT-2 (Radford et al. 2019).
    Gpt2(Gpt2Config),
    /// LLaMA (Touvron et al. 2023) and its successors.
    Llama(LlamaConfig),
}

/// A configuration that no model can be built from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {value}: {expected}")]
pub struct Error {
    /// The field's name in `config.json`.
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// What it would have to be.
    pub expected: String,
}

/// Results of this crate's checks.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl ModelConfig {
    /// The largest number of positions.
    pub fn context(&self) -> usize {
        match self {
            Self::Gpt2(config) => config.n_positions,
            Self::Llama(config) => config.max_position_embeddings,
        }
    }

    /// The number of token ids.
    pub fn vocabulary(&self) -> usize {
        match self {
            Self::Gpt2(config) => config.vocab_size,
            Self::Llama(config) => config.vocab_size,
        }
    }

    /// The number of blocks.
    pub fn layers(&self) -> usize {
        match self {
            Self::Gpt2(config) => config.n_layer,
            Self::Llama(config) => config.num_hidden_layers,
        }
    }

    /// The features of a token between the blocks.
    pub fn width(&self) -> usize {
        match self {
            Self::Gpt2(config) => config.n_embd,
            Self::Llama(config) => config.hidden_size,
        }
    }

    /// Attention heads of a block, and those of keys and values.
    pub fn heads(&self) -> [usize; 2] {
        match self {
            Self::Gpt2(config) => [config.n_head; 2],
            Self::Llama(config) => [config.num_attention_heads, config.num_key_value_heads],
        }
    }

    /// Which tensors at Hugging Face make up each parameter of such a model.
    pub fn names(&self) -> Vec<TensorName> {
        match self {
            Self::Gpt2(config) => gpt2::names::names(config),
            Self::Llama(config) => llama::names::names(config),
        }
    }

    /// The class transformers loads it with.
    pub fn architecture(&self) -> &'static str {
        match self {
            Self::Gpt2(_) => "GPT2LMHeadModel",
            Self::Llama(_) => "LlamaForCausalLM",
        }
    }

    /// Whether a model can be built from it.
    ///
    /// # Errors
    /// Naming the first field that makes no sense.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Gpt2(config) => config.validate(),
            Self::Llama(config) => config.validate(),
        }
    }
}

/// Sizes are below this, so that a product of two does not overflow.
const TOO_LARGE: usize = 1 << 30;

/// An error unless `value` is at least 1 and no absurd size.
pub(crate) fn positive(field: &'static str, value: usize) -> Result<()> {
    ensure(value >= 1, field, value, "expected a whole number of at least 1")?;
    ensure(value < TOO_LARGE, field, value, format!("expected a number below {TOO_LARGE}"))
}

/// An error unless `value` is above 0; NaN is not.
pub(crate) fn above_zero(field: &'static str, value: f64) -> Result<()> {
    ensure(value > 0.0, field, value, "expected a number above 0")
}

/// An error about `field` unless `holds`.
pub(crate) fn ensure(
    holds: bool,
    field: &'static str,
    value: impl ToString,
    expected: impl Into<String>,
) -> Result<()> {
    if holds { Ok(()) } else { Err(Error { field, value: value.to_string(), expected: expected.into() }) }
}
