//! The forms a tokenizer is found in, each turned into a `tokenizer.json`.

mod charsmap;
mod gguf;
mod gpt2;
mod growth;
pub(crate) mod hugging_face;
mod llama2c;
pub(crate) mod sentencepiece;
mod tiktoken;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenizers::Tokenizer as Pipeline;

use crate::added::AddedToken;
use crate::bpe::Bpe;
use crate::config::Config;
use crate::library::Library;
use crate::{Error, Result};

/// A tokenizer as read.
pub struct Source {
    /// The file that messages name.
    pub path: PathBuf,
    pub library: Library,
    /// `tokenizer.json`; the lists of `model` may be left out.
    pub frame: Value,
    /// All tokens by id.
    pub tokens: Vec<Option<String>>,
    /// The model, where it is byte-level BPE and nothing is done to a text before or after.
    pub bpe: Option<Bpe>,
    /// Empty where the form has no such thing.
    pub config: Config,
}

impl Source {
    /// A source made here: `value` is a `tokenizer.json` whose vocabulary may be in any order.
    pub fn from_value(path: &Path, value: Value, config: Config) -> Result<Self> {
        let pipeline = hugging_face::pipeline(path, &value)?;
        let json = pipeline.to_string(true).map_err(|error| Error::invalid(path, error.to_string()))?;
        let frame = serde_json::from_str(&json).map_err(|error| Error::json(path, &error))?;
        Self::with_pipeline(path, json, frame, pipeline, config)
    }

    /// A source whose pipeline is made when it is asked for; `frame` gets the added tokens.
    pub fn from_bpe(
        path: &Path,
        mut frame: Value,
        bpe: Bpe,
        added: &[AddedToken],
        config: Config,
        library: Library,
    ) -> Result<Self> {
        frame["added_tokens"] = added.iter().map(AddedToken::to_json).collect();
        let added = added.iter().map(|token| (token.content.clone(), token.id));
        let tokens = by_id(path, bpe.tokens.iter().cloned().chain(added).collect())?;
        Ok(Self { path: path.to_path_buf(), library, frame, tokens, bpe: Some(bpe), config })
    }

    /// A source whose pipeline was made already.
    fn with_pipeline(
        path: &Path,
        json: String,
        frame: Value,
        pipeline: Pipeline,
        config: Config,
    ) -> Result<Self> {
        let growth = growth::of(&frame).map_err(|reason| Error::invalid(path, reason))?;
        let tokens = tokens_by_id(path, &pipeline)?;
        let bpe = hugging_face::byte_level(&frame);
        Ok(Self {
            path: path.to_path_buf(),
            library: Library::ready(json, pipeline).in_pieces(growth, growth::puts_blank_first(&frame)),
            frame,
            tokens,
            bpe,
            config,
        })
    }
}

/// More ids than any vocabulary has: a higher one in a file would only make us ask for memory.
const HIGHEST_ID: u32 = 1 << 21;
/// More bytes than any tokenizer's file has.
const LARGEST: u64 = 1 << 27;

/// An error when the highest id of a file is none.
fn check_highest(id: u64) -> Result<(), String> {
    match id > HIGHEST_ID.into() {
        true => Err(format!("token id {id} is beyond any vocabulary ({HIGHEST_ID})")),
        false => Ok(()),
    }
}

/// An error when a file holds more tokens than there are ids.
fn check_count(tokens: usize) -> Result<(), String> {
    match tokens > HIGHEST_ID as usize {
        true => Err(format!("it holds more than {HIGHEST_ID} tokens, which no vocabulary does")),
        false => Ok(()),
    }
}

/// An error when putting tokens together from others would take more steps, in bytes compared, than any vocabulary needs.
fn check_lengths(lengths: impl Iterator<Item = usize>, most: u64) -> Result<(), String> {
    let steps = lengths.map(|length| (length * length) as u64).fold(0, u64::saturating_add);
    match steps > most {
        true => Err("its tokens are longer than those of any vocabulary".into()),
        false => Ok(()),
    }
}

fn tokens_by_id(path: &Path, pipeline: &Pipeline) -> Result<Vec<Option<String>>> {
    let vocabulary = pipeline.get_vocab(true).into_iter();
    let added = pipeline.get_added_tokens_decoder().into_iter().map(|(id, added)| (added.content, id));
    by_id(path, vocabulary.chain(added).collect())
}

/// Of several tokens with one id the last counts.
fn by_id(path: &Path, tokens: Vec<(String, u32)>) -> Result<Vec<Option<String>>> {
    let Some(highest) = tokens.iter().map(|(_, id)| *id).max() else {
        return Err(Error::invalid(path, "the vocabulary is empty"));
    };
    check_highest(highest.into()).map_err(|reason| Error::invalid(path, reason))?;
    let mut by_id = vec![None; highest as usize + 1];
    for (token, id) in tokens {
        by_id[id as usize] = Some(token);
    }
    Ok(by_id)
}

/// Reads whatever tokenizer `path` is or holds.
pub fn read(path: &Path) -> Result<Source> {
    let file = if path.is_dir() { find(path)? } else { path.to_path_buf() };
    if nuwa_files::gguf::is_gguf(&file) {
        return gguf::read(&file);
    }
    let name = file.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    match name.as_str() {
        "encoder.json" | "vocab.bpe" => {
            gpt2::read(&beside(&file, "encoder.json"), &beside(&file, "vocab.bpe"))
        }
        "vocab.json" | "merges.txt" => gpt2::read(&beside(&file, "vocab.json"), &beside(&file, "merges.txt")),
        _ if name.ends_with(".json") => hugging_face::read(&file),
        _ if name.ends_with(".tiktoken") => tiktoken::read(&file),
        _ if name.ends_with(".bin") => llama2c::read(&file),
        _ => by_content(&file),
    }
}

fn beside(file: &Path, name: &str) -> PathBuf {
    file.with_file_name(name)
}

/// `tokenizer.model` is SentencePiece's, or, with Llama 3, a tiktoken file.
fn by_content(file: &Path) -> Result<Source> {
    let bytes = nuwa_files::read_at_most(file, LARGEST)?;
    match bytes.first() {
        None => Err(Error::UnknownForm { path: file.to_path_buf(), reason: "the file is empty".into() }),
        Some(b'{') => hugging_face::read(file),
        Some(_) if tiktoken::looks_like(&bytes) => tiktoken::read(file),
        Some(0x0a) => sentencepiece::read(file),
        Some(_) => {
            let reason = "it is neither JSON, nor a tiktoken file, nor a SentencePiece model".into();
            Err(Error::UnknownForm { path: file.to_path_buf(), reason })
        }
    }
}

/// The tokenizer file of a folder, the most telling form first.
fn find(folder: &Path) -> Result<PathBuf> {
    for (name, partner) in
        [("tokenizer.json", "tokenizer.json"), ("encoder.json", "vocab.bpe"), ("vocab.json", "merges.txt")]
    {
        if folder.join(name).is_file() && folder.join(partner).is_file() {
            return Ok(folder.join(name));
        }
    }
    let names = sorted_names(folder)?;
    let is_llama2c = |name: &str| name.starts_with("tok") && name.ends_with(".bin");
    let found = names.iter().find(|name| name.ends_with(".tiktoken"));
    let found = found.or_else(|| names.iter().find(|name| *name == "tokenizer.model"));
    let found = found.or_else(|| names.iter().find(|name| is_llama2c(name)));
    found.map(|name| folder.join(name)).ok_or_else(|| Error::NoTokenizer { path: folder.to_path_buf() })
}

fn sorted_names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(nuwa_files::Error::read(folder))?;
    let mut names = Vec::new();
    for entry in entries {
        names
            .push(entry.map_err(nuwa_files::Error::read(folder))?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
