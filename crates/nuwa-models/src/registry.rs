//! The families. A new one is a folder and a line in [`families`](self).

use std::ops::{Deref, DerefMut};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// Other values of `model_type` that are computed as this family.
    pub aliases: &'static [&'static str],
    /// See [`FamilyConfig::FIXED`].
    pub fixed: &'static [(&'static str, Value)],
    /// See [`FamilyConfig::ACTIVATIONS`].
    pub activations: (&'static str, &'static [&'static str]),
    /// See [`FamilyConfig::translate`].
    pub translate: fn(&mut Value, &str) -> Result<Option<&'static str>, String>,
    /// The configuration in `config.json`.
    pub parse: fn(Value) -> Result<ModelConfig, ParseError>,
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
                        aliases: <$config>::ALIASES,
                        fixed: <$config>::FIXED,
                        activations: <$config>::ACTIVATIONS,
                        translate: <$config>::translate,
                        parse: |value| serde_path_to_error::deserialize(value).map(ModelConfig::$name),
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
        let computes = |family: &&Self| {
            let Registered { model_type: own, aliases, .. } = family.registered();
            own == model_type || aliases.contains(&model_type)
        };
        Self::ALL.iter().find(computes).copied()
    }

    /// Every `model_type` that is computed here, in words: `gpt2, llama or qwen2`.
    pub fn known() -> String {
        let types = |family: &Self| [&[family.registered().model_type], family.registered().aliases].concat();
        let mut types: Vec<&str> = Self::ALL.iter().flat_map(types).collect();
        types.sort_unstable();
        let last = types.pop().unwrap_or_default();
        format!("{} or {last}", types.join(", "))
    }
}
