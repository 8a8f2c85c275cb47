//! `config.json`: read with every fault named by its field, written so that transformers 4 and 5 find what they need.

use std::path::Path;

use nuwa_files::gguf::is_gguf;
use nuwa_models::{ModelConfig, ParseError};
use serde_json::{Map, Value, json};

use crate::dialect::{Translated, translate};
use crate::gguf::families;
use crate::{Error, Result};

pub const CONFIG: &str = "config.json";

/// More positions than any model here has; the tables of a larger context would only ask for memory.
const LONGEST_CONTEXT: usize = 1 << 22;

/// More than any `config.json` has, in bytes.
pub const LARGEST: u64 = 4 << 20;

/// The configuration of the model in `folder`, or in a GGUF file of that name.
///
/// # Errors
/// When there is no `config.json`, its family is unknown, or a field is missing or makes no sense.
pub fn load_config(folder: &Path) -> Result<ModelConfig> {
    if is_gguf(folder) {
        return parsed(folder, families::fields(folder)?);
    }
    std::fs::read_dir(folder).map_err(nuwa_files::Error::read(folder))?;
    let path = folder.join(CONFIG);
    if !path.exists() {
        return Err(Error::NotAModel { folder: folder.to_path_buf(), missing: CONFIG, pickled: false });
    }
    parsed(&path, nuwa_files::read_json_at_most(&path, LARGEST)?)
}

/// The configuration that `path` says.
fn parsed(path: &Path, config: Value) -> Result<ModelConfig> {
    let Translated { config, family } = translate(path, config)?;
    let config = (family.parse)(config).map_err(|error| fault(path, &error))?;
    config.validate().map_err(|error| Error::config(path, error.to_string()))?;
    if config.context() > LONGEST_CONTEXT {
        let reason =
            format!("a context of {} positions; expected at most {LONGEST_CONTEXT}", config.context());
        return Err(Error::config(path, reason));
    }
    Ok(config)
}

/// What is wrong, with the field in which it is.
fn fault(path: &Path, error: &ParseError) -> Error {
    let field = error.path().to_string();
    let place = if field == "." { String::new() } else { format!("{field}: ") };
    Error::config(path, format!("{place}{}", in_words(&error.inner().to_string())))
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

/// Writes `config.json`; `more` stands in place of what the configuration says by itself.
pub fn write(config: &ModelConfig, more: Map<String, Value>, folder: &Path) -> Result<()> {
    let path = folder.join(CONFIG);
    let as_json = |source: serde_json::Error| nuwa_files::Error::Json { path: path.clone(), source };
    // Through text, which writes an f32 of 0.02 as 0.02.
    let text = serde_json::to_string(config).map_err(as_json)?;
    let mut value: Value = serde_json::from_str(&text).map_err(as_json)?;
    value["architectures"] = json!([config.architecture()]);
    // transformers 5 reads the first, transformers 4 the second.
    value["dtype"] = json!("float32");
    value["torch_dtype"] = json!("float32");
    more.into_iter().for_each(|(name, own)| value[&name] = own);
    Ok(nuwa_files::write_json(&path, &value)?)
}
