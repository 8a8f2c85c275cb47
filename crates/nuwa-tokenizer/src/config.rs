//! `tokenizer_config.json` and the small files beside it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::{Error, Result};

/// What a tokenizer says about itself apart from its vocabulary, kept as it was read.
#[derive(Debug, Clone, Default)]
pub struct Config {
    values: Map<String, Value>,
    /// The file that the chat template was read from.
    template_origin: Option<PathBuf>,
}

/// Ids besides that of `eos_token` at which writing ends: a note of our own.
pub const END_IDS: &str = "nuwa_end_ids";

/// More than any configuration or chat template has.
const LARGEST: u64 = 8 << 20;

impl Config {
    /// Reads the folder's `tokenizer_config.json`, `special_tokens_map.json` and `chat_template.jinja`, each of
    /// which may be absent.
    pub fn load(folder: &Path) -> Result<Self> {
        let mut values = read_object(&folder.join("special_tokens_map.json"))?;
        let config = folder.join("tokenizer_config.json");
        values.extend(read_object(&config)?);
        let template = folder.join("chat_template.jinja");
        let own = template.is_file();
        if own {
            values.insert("chat_template".into(), nuwa_files::read_to_string(&template)?.into());
        }
        Ok(Self { values, template_origin: Some(if own { template } else { config }) })
    }

    /// A configuration that transformers reads with its general class, which takes `tokenizer.json` as it is.
    pub fn new(special: &[(&str, &str)]) -> Self {
        let mut values = Map::new();
        values.insert("tokenizer_class".into(), "PreTrainedTokenizerFast".into());
        values.insert("clean_up_tokenization_spaces".into(), false.into());
        values.extend(special.iter().map(|&(role, token)| (role.to_string(), Value::from(token))));
        Self { values, template_origin: None }
    }

    pub fn with_chat_template(mut self, template: &str) -> Self {
        self.values.insert("chat_template".into(), template.into());
        self.template_origin = None;
        self
    }

    /// The same with a token for a role.
    pub fn with_token(mut self, role: &str, token: &str) -> Self {
        self.values.insert(role.into(), token.into());
        self
    }

    /// What is noted under a key of our own.
    pub fn note(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// The same with a note under a key of our own; other programs pass such keys by.
    pub fn with_note(mut self, key: &str, value: Value) -> Self {
        self.values.insert(key.into(), value);
        self
    }

    /// The file that the chat template was read from.
    pub fn template_origin(&self) -> Option<&Path> {
        self.template_origin.as_deref()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The token with a role, such as `eos_token`; it is written as a string or as an object with `content`.
    pub fn token(&self, role: &str) -> Option<&str> {
        let value = self.values.get(role)?;
        value.as_str().or_else(|| value["content"].as_str())
    }

    /// The chat template; of several named ones the one called `default`.
    pub fn chat_template(&self) -> Option<&str> {
        match self.values.get("chat_template")? {
            Value::String(template) => Some(template),
            Value::Array(named) => {
                let chosen = named.iter().find(|entry| entry["name"] == "default").or(named.first())?;
                chosen["template"].as_str()
            }
            _ => None,
        }
    }

    pub fn to_json(&self) -> Value {
        match self.is_empty() {
            true => json!({"tokenizer_class": "PreTrainedTokenizerFast"}),
            false => Value::Object(self.values.clone()),
        }
    }
}

fn read_object(path: &Path) -> Result<Map<String, Value>> {
    if !path.is_file() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&nuwa_files::read_at_most(path, LARGEST)?)
        .map_err(|error| Error::json(path, &error))?
    {
        Value::Object(values) => Ok(values),
        other => Err(Error::invalid(path, format!("expected an object, found {}", kind_of(&other)))),
    }
}

/// What a JSON value is, for messages.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
