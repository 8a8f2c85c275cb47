//! The architectures of GGUF files that are computed here. A new one is a file and a line in `ALL`.

mod falcon;
mod gpt2;
mod llama;
mod olmoe;
mod qwen;

use std::path::Path;

use nuwa_models::ModelConfig;
use serde_json::Value;

use super::keys::Keys;
use super::metadata::Metadata;
use super::names::Names;
use crate::{Error, Result};

/// What frequencies are divided by, where that is a tensor; the error is in words.
type Written = Result<Option<Vec<f32>>, String>;

/// What is known of an architecture.
#[derive(Debug)]
pub struct Architecture {
    /// Its name in `general.architecture`.
    pub name: &'static str,
    /// The fields of `config.json` out of a file's keys.
    read: fn(&Metadata) -> Result<Value>,
    /// Whether it is that of a configuration.
    is_of: fn(&ModelConfig) -> bool,
    /// Writes the keys of a configuration; gives what frequencies are divided by, where that is a tensor. The error is in words: why
    /// llama.cpp computes no such model.
    pub write: fn(&ModelConfig, &mut Keys) -> Written,
    /// What tensors are called.
    pub names: fn(&ModelConfig) -> &'static Names,
    /// Whether queries and keys are turned in neighbouring pairs there, so that their rows change places.
    pub turns_pairs: bool,
}

const ALL: [&Architecture; 7] = [
    &llama::LLAMA,
    &qwen::QWEN2,
    &qwen::QWEN3,
    &qwen::QWEN3_MOE,
    &gpt2::GPT2,
    &falcon::FALCON,
    &olmoe::OLMOE,
];

/// The architectures, in words.
fn known() -> String {
    let mut names: Vec<&str> = ALL.iter().map(|architecture| architecture.name).collect();
    names.sort_unstable();
    let last = names.pop().unwrap_or_default();
    format!("{} or {last}", names.join(", "))
}

impl Architecture {
    /// That of a file.
    pub fn of_file(metadata: &Metadata) -> Result<&'static Self> {
        let found = metadata.architecture();
        ALL.into_iter().find(|architecture| architecture.name == found).ok_or_else(|| {
            let reason = format!("general.architecture is {found:?}, expected {}", known());
            let hint = "take a model of one of these kinds (Llama, Mistral, Mixtral, SmolLM2, Qwen2.5, Qwen3, GPT-2, Falcon and OLMoE are), or run this one with llama.cpp";
            Error::unsupported(metadata.path(), reason, hint)
        })
    }

    /// That of a model, where there is one.
    pub fn of_config(config: &ModelConfig) -> Option<&'static Self> {
        ALL.into_iter().find(|architecture| (architecture.is_of)(config))
    }
}

/// The fields of `config.json` of the model in a file.
pub fn fields(path: &Path) -> Result<Value> {
    let metadata = Metadata::open(path)?;
    (Architecture::of_file(&metadata)?.read)(&metadata)
}
