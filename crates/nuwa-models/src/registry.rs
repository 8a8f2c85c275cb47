//! The families. A new one is a folder and a line in [`families`](self).

use std::ops::{Deref, DerefMut};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Preset;
use crate::config::{Config, FamilyConfig, Prediction, Result, Shape};

/// The fault of a `config.json`, with the field in which it is.
pub type ParseError = serde_path_to_error::Error<serde_json::Error>;

/// What the registry knows of a family.
#[derive(Debug, Clone, Copy)]
pub struct Registered {
    /// Its `model_type` in `config.json`.
    pub model_type: &'static str,
    /// See [`FamilyConfig::PREDICTS`].
    pub predicts: Prediction,
    /// See [`FamilyConfig::FIXED`].
    pub fixed: &'static [(&'static str, Value)],
    /// See [`FamilyConfig::ACTIVATIONS`].
    pub activations: (&'static str, &'static [&'static str]),
    /// See [`FamilyConfig::translate`].
    pub translate: fn(&mut Value) -> Result<(), String>,
    /// See [`FamilyConfig::parse`].
    pub parse: fn(Value) -> Result<ModelConfig, ParseError>,
    /// See [`FamilyConfig::presets`].
    pub presets: &'static [Preset],
    /// See [`FamilyConfig::LAYERS`].
    pub layers: Option<usize>,
    /// See [`FamilyConfig::shaped`].
    pub shaped: fn(&Shape) -> Result<ModelConfig>,
}

macro_rules! families {
    ($($(#[$about:meta])* $model_type:literal => $name:ident($config:ty),)+) => {
        /// The configuration of any family: Hugging Face's `config.json`, told apart by `model_type`.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "model_type")]
        pub enum ModelConfig {
            $($(#[$about])* #[serde(rename = $model_type)] $name($config),)+
        }

        impl ModelConfig {
            /// Its family.
            pub fn family(&self) -> Family {
                match self { $(Self::$name(_) => Family::$name,)+ }
            }
        }

        impl Deref for ModelConfig {
            type Target = dyn Config;
            fn deref(&self) -> &Self::Target {
                match self { $(Self::$name(config) => config,)+ }
            }
        }

        impl DerefMut for ModelConfig {
            fn deref_mut(&mut self) -> &mut Self::Target {
                match self { $(Self::$name(config) => config,)+ }
            }
        }

        /// A family of models, by its `model_type`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum Family {
            $($(#[$about])* #[serde(rename = $model_type)] $name,)+
        }

        impl Family {
            /// Each of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// What is known of it.
            pub fn registered(self) -> Registered {
                match self {
                    $(Self::$name => Registered {
                        model_type: $model_type,
                        predicts: <$config>::PREDICTS,
                        fixed: <$config>::FIXED,
                        activations: <$config>::ACTIVATIONS,
                        translate: <$config>::translate,
                        parse: |value| <$config>::parse(value).map(ModelConfig::$name),
                        presets: <$config>::presets(),
                        layers: <$config>::LAYERS,
                        shaped: |shape| <$config>::shaped(shape).map(ModelConfig::$name),
                    },)+
                }
            }
        }
    };
}

families! {
    /// RMS norm, rotary positions, SwiGLU, grouped heads (Touvron et al. 2023).
    "llama" => Llama(crate::llama::LlamaConfig),
    /// Layer norm, learned positions, GELU, biases (Radford et al. 2019).
    "gpt2" => Gpt2(crate::gpt2::Gpt2Config),
    /// An encoder: post-norm, learned positions and segments, attention to both sides, masked words (Devlin et al. 2018).
    "bert" => Bert(crate::bert::BertConfig),
    /// GPT-2 whose layers attend to everything and within a band in turn (Brown et al. 2020).
    "gpt_neo" => GptNeo(crate::gpt_neo::GptNeoConfig),
    /// LLaMA's block with attention within a sliding window (Jiang et al. 2023).
    "mistral" => Mistral(crate::mistral::MistralConfig),
    /// LLaMA's block with a bias on queries, keys and values alone (Yang et al. 2024).
    "qwen2" => Qwen2(crate::qwen2::Qwen2Config),
    /// LLaMA's block with a norm of each query and key head (Yang et al. 2025).
    "qwen3" => Qwen3(crate::qwen3::Qwen3Config),
    /// Parallel blocks, one head of keys and values for all queries or for each group, rotary positions or ALiBi (Almazrouei et
    /// al. 2023).
    "falcon" => Falcon(crate::falcon::FalconConfig),
    /// Learned biases by relative distance, gated GELU, RMS norm (Thoppilan et al. 2022).
    "lamda" => Lamda(crate::lamda::LamdaConfig),
    /// LLaMA with experts: each token goes through two of eight feed-forward layers (Jiang et al. 2024).
    "mixtral" => Mixtral(crate::mixtral::MixtralConfig),
    /// LLaMA with 64 small experts, eight for a token, and norms of queries and keys (Muennighoff et al. 2024).
    "olmoe" => Olmoe(crate::olmoe::OlmoeConfig),
    /// Qwen3 with 128 small experts, eight for a token, and norms of heads (Yang et al. 2025).
    "qwen3_moe" => Qwen3Moe(crate::qwen3_moe::Qwen3MoeConfig),
    /// The Transformer, an encoder-decoder: post-norm, ReLU, sinusoids, one matrix for embeddings and head (Vaswani et al. 2017).
    "marian" => Marian(crate::marian::MarianConfig),
    /// An encoder-decoder: pre-norm, learned biases by relative distance, no other biases (Raffel et al. 2020); with a head of its
    /// own T5 1.1, with gated GELU.
    "t5" => T5(crate::t5::T5Config),
    /// An encoder-decoder: post-norm, GELU, learned positions (Lewis et al. 2019).
    "bart" => Bart(crate::bart::BartConfig),
    /// BERT under four masks: it fills in, and writes one mask after the other (Dong et al. 2019).
    "unilm" => Unilm(crate::unilm::UnilmConfig),
    /// An encoder for many languages, with an embedding of each (Lample & Conneau 2019).
    "xlm" => Xlm(crate::xlm::XlmConfig),
    /// Relative attention in two streams, post-norm, tokens predicted in any order (Yang et al. 2019).
    "xlnet" => Xlnet(crate::xlnet::XlnetConfig),
    /// Long short-term memory: recurrent layers that carry a memory along, without attention (Hochreiter & Schmidhuber 1997).
    "lstm" => Lstm(crate::lstm::LstmConfig),
    /// Gated recurrent units, smaller than the LSTM (Cho et al. 2014).
    "gru" => Gru(crate::gru::GruConfig),
    /// Gated linear recurrences, and attention within a window in every third block (De et al. 2024).
    "recurrent_gemma" => RecurrentGemma(crate::recurrent_gemma::RecurrentGemmaConfig),
    /// A model of one's own, put together from the layers of the others: see model.custom.
    "custom" => Custom(crate::custom::CustomConfig),
}

// The enum is made by a macro, in which no variant is told from the others.
#[allow(clippy::derivable_impls)]
impl Default for Family {
    fn default() -> Self {
        Self::Llama
    }
}

impl Family {
    /// The family in which a model of `model_type` is computed.
    pub fn of(model_type: &str) -> Option<Self> {
        Self::ALL.iter().find(|family| family.registered().model_type == model_type).copied()
    }

    /// Every `model_type` that is computed here, in words: `gpt2, llama or qwen2`.
    pub fn known() -> String {
        let mut types: Vec<&str> = Self::ALL.iter().map(|family| family.registered().model_type).collect();
        types.sort_unstable();
        let last = types.pop().unwrap_or_default();
        format!("{} or {last}", types.join(", "))
    }
}
