//! `tokenizer.json` itself, and telling what is wrong with one.

use std::path::Path;

use ahash::AHashMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokenizers::{
    DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Tokenizer as Pipeline,
};

use super::{LARGEST, Source, check_highest, growth};
use crate::added::AddedToken;
use crate::bpe::{Bpe, Model};
use crate::config::{Config, kind_of};
use crate::library::Library;
use crate::{Error, Result};

pub fn read(path: &Path) -> Result<Source> {
    let json = String::from_utf8(nuwa_files::read_at_most(path, LARGEST)?)
        .map_err(|_| Error::invalid(path, "it is not UTF-8 text; expected JSON"))?;
    check_values(&json).map_err(|reason| Error::invalid(path, reason))?;
    parse(path, json, Config::load(path.parent().unwrap_or(Path::new(".")))?)
}

/// The text of a `tokenizer.json`, read from `path` or made of what was.
pub fn parse(path: &Path, json: String, config: Config) -> Result<Source> {
    if let Some((frame, bpe, added)) = quick(&json) {
        return Source::from_bpe(path, frame, bpe, &added, config, Library::new(Box::new(|| json)));
    }
    let value: Value = serde_json::from_str(&json).map_err(|error| Error::json(path, &error))?;
    let pipeline = pipeline(path, &value)?;
    Source::with_pipeline(path, json, value, pipeline, config)
}

/// A value of JSON may take two bytes in the file and fifty in memory.
fn check_values(json: &str) -> Result<(), String> {
    const MOST: usize = 4_000_000;
    match json.bytes().filter(|byte| *byte == b',').count() > MOST {
        true => Err(format!("it holds more than {MOST} values, which no tokenizer does")),
        false => Ok(()),
    }
}

/// A `tokenizer.json` with a model that is byte-level BPE.
#[derive(Deserialize)]
struct File<'a> {
    version: Option<String>,
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    truncation: Value,
    #[serde(default)]
    padding: Value,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    decoder: Value,
    #[serde(borrow)]
    model: Model<'a>,
}

/// Reads byte-level BPE without the library. `None` of everything else and of whatever is wrong: the library's road then says what.
fn quick(json: &str) -> Option<(Value, Bpe, Vec<AddedToken>)> {
    let file: File = serde_json::from_str(json).ok()?;
    let absent = [&file.normalizer, &file.truncation, &file.padding].into_iter().all(Value::is_null);
    let frame = json!({
        "pre_tokenizer": file.pre_tokenizer, "post_processor": file.post_processor, "decoder": file.decoder,
    });
    let known = file.version.as_deref() == Some("1.0") && absent && unknown_part(&frame).is_none();
    let bpe = file.model.into_bpe().filter(|_| known)?;
    ids_are_the_librarys(&bpe, &file.added_tokens).then_some((frame, bpe, file.added_tokens))
}

/// The library takes an added token's id from the vocabulary or gives the next free one, whatever the file says.
fn ids_are_the_librarys(bpe: &Bpe, added: &[AddedToken]) -> bool {
    let mut next = bpe.tokens.len() as u32;
    let known: AHashMap<&str, u32> = bpe.tokens.iter().map(|(token, id)| (token.as_str(), *id)).collect();
    added.iter().all(|token| match known.get(token.content.as_str()) {
        Some(&id) => id == token.id,
        None => {
            let free = token.id == next && !token.content.is_empty();
            next += 1;
            free
        }
    })
}

/// A `tokenizer.json` as the library writes it.
pub fn written(value: Value) -> String {
    let unordered = value.to_string();
    let pipeline = serde_json::from_value::<Pipeline>(value).ok();
    pipeline.and_then(|pipeline| pipeline.to_string(true).ok()).unwrap_or(unordered)
}

/// The model of a `tokenizer.json` that the library took, where that is byte-level BPE.
pub fn byte_level(value: &Value) -> Option<Bpe> {
    let model = value["normalizer"].is_null().then(|| Model::deserialize(&value["model"]).ok())??;
    model.into_bpe()
}

/// The library's pipeline; what it refuses is explained part by part, for its own words name neither.
pub fn pipeline(path: &Path, value: &Value) -> Result<Pipeline> {
    let checked = check_shape(value).and_then(|()| growth::of(value));
    checked.map_err(|reason| Error::invalid(path, reason))?;
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

/// WordPiece takes time that grows with the cube of a word.
const LONGEST_WORD: u64 = 1000;

fn check_vocabulary(model: &Value, kind: &str) -> Result<(), String> {
    let vocabulary = &model["vocab"];
    if vocabulary.is_null() {
        return Err(format!("\"model\" of type {kind} has no \"vocab\""));
    }
    if let Some((token, id)) = vocabulary.as_object().and_then(|map| map.iter().find(|(_, id)| !is_id(id))) {
        return Err(format!("\"model\".\"vocab\" gives {token:?} the id {id}; expected a whole number"));
    }
    let ids = vocabulary.as_object().into_iter().flatten().filter_map(|(_, id)| id.as_u64());
    check_highest(ids.max().unwrap_or(0))?;
    if kind != "Unigram" && !vocabulary.is_object() {
        return Err(format!("\"model\".\"vocab\" must map tokens to ids, found {}", kind_of(vocabulary)));
    }
    if kind == "BPE" && !model["merges"].is_array() {
        return Err(format!(
            "\"model\".\"merges\" must be a list of pairs, found {}",
            kind_of(&model["merges"])
        ));
    }
    let longest = &model["max_input_chars_per_word"];
    if longest.as_u64().is_some_and(|longest| longest > LONGEST_WORD) {
        return Err(format!(
            "\"model\".\"max_input_chars_per_word\" is {longest}; expected at most {LONGEST_WORD}"
        ));
    }
    if kind == "BPE" { check_merges(model) } else { Ok(()) }
}

fn is_id(value: &Value) -> bool {
    value.is_u64()
}

fn check_merges(model: &Value) -> Result<(), String> {
    let prefix = model["continuing_subword_prefix"].as_str().unwrap_or_default();
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
        let merged = right.strip_prefix(prefix).map(|right| format!("{left}{right}"));
        if merged.is_none_or(|merged| model["vocab"].get(&merged).is_none()) {
            return Err(format!(
                "merge {index} joins {left:?} and {right:?}, but what they make is not in \"vocab\""
            ));
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
