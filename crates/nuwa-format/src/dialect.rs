//! `config.json` as others and older programs write it, put into one form, or refused in words for whoever only wants to use the
//! model.
//! What each family reads is its own: [`nuwa_models::FamilyConfig`].

use std::path::Path;

use nuwa_models::{Family, Registered};
use serde_json::Value;

use crate::{Error, Result};

/// What may be set to another value only by training another model.
const DESCRIBES: &str = "config.json describes how the weights were trained: changed, it would give another model that answers \
    wrongly; run this one with transformers, or take a model without this";

/// Where programs write that weights are quantised.
const QUANTISED: [&str; 3] = ["quantization_config", "compression_config", "quantization"];

/// A configuration in the one form that its family reads.
#[derive(Debug)]
pub struct Translated {
    /// The fields.
    pub config: Value,
    /// The family.
    pub family: Registered,
}

/// The configuration `config`, read from `path`.
pub fn translate(path: &Path, mut config: Value) -> Result<Translated> {
    let family = family(path, &config)?;
    let refuse = |reason: String| Error::unsupported(path, reason, DESCRIBES);
    quantised(path, &config)?;
    for (field, computed) in family.fixed {
        let found = &config[*field];
        if !found.is_null() && found != computed {
            return Err(refuse(format!("{field} = {found} is not supported, only {computed} is")));
        }
    }
    activation(&config, family.activations).map_err(refuse)?;
    // Llama 3 lists several ids that may end a text; the first is the tokenizer's.
    if let Some(first) = config["eos_token_id"].as_array().and_then(|ids| ids.first()).cloned() {
        config["eos_token_id"] = first;
    }
    (family.translate)(&mut config).map_err(refuse)?;
    Ok(Translated { config, family })
}

/// The family of the configuration's `model_type`.
fn family(path: &Path, config: &Value) -> Result<Registered> {
    let Some(found) = config["model_type"].as_str().map(String::from) else {
        return Err(Error::config(path, format!("model_type is missing, expected {}", Family::known())));
    };
    match Family::of(&found) {
        Some(family) => Ok(family.registered()),
        None => Err(Error::UnknownFamily { path: path.to_path_buf(), found, known: Family::known() }),
    }
}

fn quantised(path: &Path, config: &Value) -> Result<()> {
    for field in QUANTISED {
        let found = &config[field];
        if found.is_null() {
            continue;
        }
        let method =
            ["quant_method", "quantization_method", "mode"].iter().find_map(|name| found[*name].as_str());
        let how = match (method, found["bits"].as_u64()) {
            (Some(method), Some(bits)) => format!(" ({method}, {bits} bits)"),
            (Some(method), None) => format!(" ({method})"),
            (None, Some(bits)) => format!(" ({bits} bits)"),
            (None, None) => String::new(),
        };
        let reason = format!("{field} says that the weights are quantised{how}, which is not supported");
        let hint = "take the model as it was before it was quantised: the folder of the same name without GPTQ, AWQ, 4bit or the like, \
            with f32, f16 or bf16 weights";
        return Err(Error::unsupported(path, reason, hint));
    }
    Ok(())
}

/// The activation by name; what is no text is the reader's to refuse.
fn activation(config: &Value, (field, known): (&str, &[&str])) -> Result<(), String> {
    match config[field].as_str() {
        Some(found) if !known.contains(&found) => {
            Err(format!("{field} = \"{found}\" is not supported, only {} are", known.join(", ")))
        }
        _ => Ok(()),
    }
}
