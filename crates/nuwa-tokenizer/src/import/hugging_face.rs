//! `tokenizer.json` itself, and telling what is wrong with one.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokenizers::{
    DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Tokenizer as Pipeline,
};

use super::Source;
use crate::config::{Config, kind_of};
use crate::{Error, Result};

pub fn read(path: &Path) -> Result<Source> {
    let json = String::from_utf8(nuwa_files::read(path)?)
        .map_err(|_| Error::invalid(path, "it is not UTF-8 text; expected JSON"))?;
    let value: Value = serde_json::from_str(&json).map_err(|error| Error::json(path, &error))?;
    let pipeline = pipeline(path, &value)?;
    let config = Config::load(path.parent().unwrap_or(Path::new(".")))?;
    Ok(Source { path: path.to_path_buf(), json, value, pipeline, config })
}

/// The library's pipeline; what it refuses is explained part by part, for its own words name neither.
pub fn pipeline(path: &Path, value: &Value) -> Result<Pipeline> {
    check_shape(value).map_err(|reason| Error::invalid(path, reason))?;
    let cause = match serde_json::from_value::<Pipeline>(value.clone()) {
        Ok(pipeline) => return Ok(pipeline),
        Err(error) => error.to_string(),
    };
    Err(Error::invalid(path, unknown_part(value).unwrap_or(cause)))
}

fn check_shape(value: &Value) -> Result<(), String> {
    if !value.is_object() {
        return Err(format!("expected an object with \"model\", found {}", kind_of(value)));
    }
    let model = &value["model"];
    if !model.is_object() {
        return Err(format!("\"model\" must be an object with the vocabulary, found {}", kind_of(model)));
    }
    let kind = model["type"].as_str().unwrap_or("BPE");
    if !["BPE", "WordPiece", "WordLevel", "Unigram"].contains(&kind) {
        return Err(format!("\"model\".\"type\" is {kind:?}; expected BPE, WordPiece, WordLevel or Unigram"));
    }
    check_vocabulary(model, kind)
}

fn check_vocabulary(model: &Value, kind: &str) -> Result<(), String> {
    let vocabulary = &model["vocab"];
    if vocabulary.is_null() {
        return Err(format!("\"model\" of type {kind} has no \"vocab\""));
    }
    if let Some((token, id)) = vocabulary.as_object().and_then(|map| map.iter().find(|(_, id)| !is_id(id))) {
        return Err(format!("\"model\".\"vocab\" gives {token:?} the id {id}; expected a whole number"));
    }
    if kind != "Unigram" && !vocabulary.is_object() {
        return Err(format!("\"model\".\"vocab\" must map tokens to ids, found {}", kind_of(vocabulary)));
    }
    if kind == "BPE" && !model["merges"].is_array() {
        return Err(format!(
            "\"model\".\"merges\" must be a list of pairs, found {}",
            kind_of(&model["merges"])
        ));
    }
    if kind == "BPE" { check_merges(model) } else { Ok(()) }
}

fn is_id(value: &Value) -> bool {
    value.as_u64().is_some_and(|id| u32::try_from(id).is_ok())
}

fn check_merges(model: &Value) -> Result<(), String> {
    let merges = model["merges"].as_array().into_iter().flatten();
    for (index, merge) in merges.enumerate() {
        let parts: Vec<&str> = match merge {
            Value::String(line) => line.split(' ').collect(),
            Value::Array(parts) => parts.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let [left, right] = parts[..] else {
            return Err(format!("merge {index} of \"model\".\"merges\" is {merge}; expected two tokens"));
        };
        for part in [left, right] {
            if model["vocab"].get(part).is_none() {
                return Err(format!(
                    "merge {index} joins {left:?} and {right:?}, but {part:?} is not in \"vocab\""
                ));
            }
        }
    }
    Ok(())
}

/// The part of the pipeline that the library does not know.
fn unknown_part(value: &Value) -> Option<String> {
    refusal::<NormalizerWrapper>(value, "normalizer")
        .or_else(|| refusal::<PreTokenizerWrapper>(value, "pre_tokenizer"))
        .or_else(|| refusal::<PostProcessorWrapper>(value, "post_processor"))
        .or_else(|| refusal::<DecoderWrapper>(value, "decoder"))
        .or_else(|| bad_added_token(value))
}

fn refusal<Part: DeserializeOwned>(value: &Value, name: &str) -> Option<String> {
    let part = value.get(name).filter(|part| !part.is_null())?;
    let error = serde_json::from_value::<Part>(part.clone()).err()?.to_string();
    let kind =
        part["type"].as_str().map_or_else(|| kind_of(part).to_string(), |kind| format!("of type {kind:?}"));
    let cause = if error.contains("untagged enum") { String::new() } else { format!(": {error}") };
    Some(format!("\"{name}\", {kind}, is none that is known, or lacks a field of its type{cause}"))
}

fn bad_added_token(value: &Value) -> Option<String> {
    let tokens = value["added_tokens"].as_array()?;
    let bad = tokens.iter().position(|token| !is_id(&token["id"]) || !token["content"].is_string())?;
    Some(format!("entry {bad} of \"added_tokens\" is {}; expected \"id\" and \"content\"", tokens[bad]))
}
