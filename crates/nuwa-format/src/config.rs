//! `config.json`: read with every fault named by its field, written so that transformers 4 and 5 find what they need.

use std::path::Path;

use nuwa_models::ModelConfig;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Error, Result};

pub const CONFIG: &str = "config.json";
pub const GENERATION_CONFIG: &str = "generation_config.json";

/// The families by their `model_type`.
const FAMILIES: [&str; 2] = ["gpt2", "llama"];

/// More positions than any model here has; the tables of a larger context would only ask for memory.
const LONGEST_CONTEXT: usize = 1 << 22;

/// Fields that change what a model computes, with the one value that is computed here (absent counts as that).
const FIXED: [(&str, Value); 5] = [
    ("scale_attn_weights", Value::Bool(true)),
    ("scale_attn_by_inverse_layer_idx", Value::Bool(false)),
    ("add_cross_attention", Value::Bool(false)),
    ("is_encoder_decoder", Value::Bool(false)),
    ("quantization_config", Value::Null),
];

/// The configuration of the model in `folder`.
///
/// # Errors
/// When there is no `config.json`, its family is unknown, or a field is missing or makes no sense.
pub fn load_config(folder: &Path) -> Result<ModelConfig> {
    std::fs::read_dir(folder).map_err(nuwa_files::Error::read(folder))?;
    let path = folder.join(CONFIG);
    if !path.exists() {
        return Err(Error::NotAModel { folder: folder.to_path_buf(), missing: CONFIG, pickled: false });
    }
    let config = parse(&path, nuwa_files::read_json(&path)?)?;
    config.validate().map_err(|error| Error::config(&path, error.to_string()))?;
    if config.context() > LONGEST_CONTEXT {
        let reason =
            format!("a context of {} positions; expected at most {LONGEST_CONTEXT}", config.context());
        return Err(Error::config(&path, reason));
    }
    Ok(config)
}

fn parse(path: &Path, mut value: Value) -> Result<ModelConfig> {
    for (field, computed) in &FIXED {
        let found = &value[*field];
        if !found.is_null() && found != computed {
            return Err(Error::config(path, format!("{field} = {found}: only {computed} is supported")));
        }
    }
    // Llama 3 lists several ids that may end a text; the first is the tokenizer's.
    if let Some(first) = value["eos_token_id"].as_array().and_then(|ids| ids.first()).cloned() {
        value["eos_token_id"] = first;
    }
    match value["model_type"].as_str() {
        Some("gpt2") => Ok(ModelConfig::Gpt2(typed(path, value)?)),
        Some("llama") => Ok(ModelConfig::Llama(typed(path, value)?)),
        Some(found) => {
            let known = FAMILIES.join(" or ");
            Err(Error::UnknownFamily { path: path.to_path_buf(), found: found.to_string(), known })
        }
        None => {
            Err(Error::config(path, format!("model_type is missing, expected {}", FAMILIES.join(" or "))))
        }
    }
}

/// The fields of one family; an error names the field.
fn typed<T: DeserializeOwned>(path: &Path, value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let field = error.path().to_string();
        let place = if field == "." { String::new() } else { format!("{field}: ") };
        Error::config(path, format!("{place}{}", in_words(&error.inner().to_string())))
    })
}

/// serde's message without the names of Rust's number types.
fn in_words(message: &str) -> String {
    let mut message = message.to_string();
    for (kind, words) in [
        ("expected usize", "expected a whole number"),
        ("expected u32", "expected a whole number"),
        ("expected f32", "expected a number"),
        ("expected f64", "expected a number"),
    ] {
        message = message.replace(kind, words);
    }
    message
}

/// Writes `config.json` and `generation_config.json`.
pub fn write(config: &ModelConfig, folder: &Path) -> Result<()> {
    let path = folder.join(CONFIG);
    let as_json = |source: serde_json::Error| nuwa_files::Error::Json { path: path.clone(), source };
    // Through text, which writes an f32 of 0.02 as 0.02.
    let text = serde_json::to_string(config).map_err(as_json)?;
    let mut value: Value = serde_json::from_str(&text).map_err(as_json)?;
    value["architectures"] = json!([config.architecture()]);
    // transformers 5 reads the first, transformers 4 the second.
    value["dtype"] = json!("float32");
    value["torch_dtype"] = json!("float32");
    let mut generation = json!({});
    for field in ["bos_token_id", "eos_token_id"] {
        if !value[field].is_null() {
            generation[field] = value[field].clone();
        }
    }
    nuwa_files::write_json(&folder.join(GENERATION_CONFIG), &generation)?;
    Ok(nuwa_files::write_json(&path, &value)?)
}
