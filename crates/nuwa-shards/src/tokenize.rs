//! Documents into shards of token ids.
//!
//! The split is planned first, then documents are read in batches, encoded side by side and written in their
//! order (shuffling is the loader's work). Each document's tokens end with the end-of-text token.

use std::path::Path;
use std::time::Instant;

use nuwa_files::Document;
use nuwa_files::Progress;
use nuwa_files::documents::{self, next_batch};
use nuwa_tokenizer::Tokenizer;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::split::{Split, SplitSettings};
use crate::{Error, Result};
use crate::{IdWidth, Languages, Part, ShardWriter, Written};

/// How documents become shards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenizeSettings {
    /// What is held out for validation and test.
    pub split: SplitSettings,
    /// Tokens per shard file, 1 to 2,147,483,647; a new file starts at the end of a document. A
    /// shard is held in memory while it is written: 2 or 4 bytes per token.
    pub shard_tokens: u64,
    /// Also write the language of each document (languages.json), which the family xlm is told. The
    /// documents must have one: the cleaning step language finds it.
    #[serde(skip_serializing_if = "is_off")]
    pub languages: bool,
}

fn is_off(setting: &bool) -> bool {
    !setting
}

impl Default for TokenizeSettings {
    fn default() -> Self {
        Self { split: SplitSettings::default(), shard_tokens: 20_000_000, languages: false }
    }
}

impl TokenizeSettings {
    /// Whether each value lies in its range.
    ///
    /// # Errors
    /// Naming the first setting that is out of its range.
    pub fn check(&self) -> Result<()> {
        if self.shard_tokens == 0 || self.shard_tokens > i32::MAX as u64 {
            let value = self.shard_tokens.to_string();
            return Err(Error::Setting { name: "tokenize.shard_tokens", value, expected: "1 to 2147483647" });
        }
        self.split.check()
    }
}

/// What was written; the content of `tokenize.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenizeSummary {
    /// The part to learn from.
    pub train: PartSummary,
    /// The part to choose the best model on.
    pub val: PartSummary,
    /// The part to report on.
    #[serde(default)]
    pub test: PartSummary,
    /// The tokenizer's ids.
    pub vocab_size: u64,
    /// Bytes of text for each token, over all parts, end-of-text tokens not counted.
    pub bytes_per_token: f64,
    /// The id that ends each document.
    #[serde(alias = "end_of_text")]
    pub eos: u32,
    /// The time it took.
    pub seconds: f64,
}

/// Counts of one part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PartSummary {
    /// Documents, or ends of documents.
    pub documents: u64,
    /// Tokens, end-of-text tokens with them.
    pub tokens: u64,
    /// Bytes of text.
    pub bytes: u64,
    /// Characters of text.
    pub characters: u64,
}

impl From<Written> for PartSummary {
    fn from(written: Written) -> Self {
        let Written { documents, tokens, bytes, characters, .. } = written;
        Self { documents, tokens, bytes, characters }
    }
}

/// Encodes `documents` (a file or folder) into `out/train-*`, `out/val-*`, `out/test-*` and `out/tokenize.json`.
///
/// # Errors
/// When a setting is out of its range, the tokenizer has no end-of-text token, there is too little text, or a file cannot be read or written.
pub fn tokenize(
    documents: &Path,
    tokenizer: &Tokenizer,
    out: &Path,
    settings: &TokenizeSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<TokenizeSummary> {
    let started = Instant::now();
    settings.check()?;
    let eos = tokenizer.eos().ok_or(Error::NoEndOfText)?;
    let split = Split::plan(documents, &settings.split)?;
    let width = IdWidth::for_vocabulary(tokenizer.vocab_size().max(eos as usize + 1));
    let writer = |part| ShardWriter::create(out, part, width, settings.shard_tokens);
    let mut train = writer(Part::Train);
    let mut validation = writer(Part::Validation);
    let mut test = writer(Part::Test);
    let mut languages = settings.languages.then(Languages::new);
    let mut done = 0;
    let mut most_copies = 0;
    let mut copy = 0;
    // Further copies come after everything else, so that no window holds a text twice.
    while copy <= most_copies {
        let mut reader = documents::read(documents)?.filter(|read| is_wanted(read, copy));
        loop {
            let batch = next_batch(&mut reader, |document| document.text.len())?;
            if batch.is_empty() {
                break;
            }
            for (encoded, document) in encode(&batch, tokenizer, eos, &split)?.iter().zip(&batch) {
                push(&mut train, &encoded.train)?;
                note(languages.as_mut(), Part::Train, &encoded.train, document)?;
                if copy == 0 {
                    push(&mut validation, &encoded.validation)?;
                    note(languages.as_mut(), Part::Validation, &encoded.validation, document)?;
                    push(&mut test, &encoded.test)?;
                    note(languages.as_mut(), Part::Test, &encoded.test, document)?;
                }
            }
            most_copies = batch.iter().map(|document| document.extra_copies).fold(most_copies, u32::max);
            done += batch.iter().map(|document| document.text.len() as u64).sum::<u64>();
            progress(Progress { task: "tokenizing", done, total: None, unit: "bytes", bytes: None });
        }
        copy += 1;
    }
    let train: PartSummary = train.finish()?.into();
    let val: PartSummary = validation.finish()?.into();
    let test: PartSummary = test.finish()?.into();
    if train.documents == 0 || (test.documents == 0 && split.holds_back()) {
        return Err(Error::NoValidation { path: documents.to_path_buf() });
    }
    match languages {
        Some(languages) => languages.save(out)?,
        None => Languages::remove(out)?,
    }
    let all = [&train, &val, &test];
    let bytes = all.iter().map(|part| part.bytes).sum::<u64>();
    let ids = all.iter().map(|part| part.tokens - part.documents).sum::<u64>();
    let summary = TokenizeSummary {
        train,
        val,
        test,
        vocab_size: tokenizer.vocab_size() as u64,
        bytes_per_token: bytes as f64 / ids.max(1) as f64,
        eos,
        seconds: started.elapsed().as_secs_f64(),
    };
    nuwa_files::write_json(&out.join("tokenize.json"), &summary)?;
    Ok(summary)
}

/// Whether a document comes so often; an error is for whoever reads it.
fn is_wanted(read: &nuwa_files::Result<Document>, copy: u32) -> bool {
    read.as_ref().map_or(true, |document| document.extra_copies >= copy)
}

/// A part of a document: its ids and its text; nothing where the part is empty.
type Encoded<'a> = Option<(Vec<u32>, &'a str)>;

struct EncodedParts<'a> {
    train: Encoded<'a>,
    validation: Encoded<'a>,
    test: Encoded<'a>,
}

fn encode<'a>(
    batch: &'a [Document],
    tokenizer: &Tokenizer,
    eos: u32,
    split: &Split,
) -> Result<Vec<EncodedParts<'a>>> {
    let encode_part = |document: &Document, text: &'a str| -> Result<Encoded<'a>> {
        if text.is_empty() {
            return Ok(None);
        }
        let failed = |problem: nuwa_tokenizer::Error| Error::Tokenize {
            id: document.id.clone(),
            problem: problem.to_string(),
        };
        let mut ids = tokenizer.encode(text).map_err(failed)?;
        ids.push(eos);
        Ok(Some((ids, text)))
    };
    let encode = |document: &'a Document| {
        let parts = split.divide(document);
        Ok(EncodedParts {
            train: encode_part(document, parts.train)?,
            validation: encode_part(document, parts.validation)?,
            test: encode_part(document, parts.test)?,
        })
    };
    batch.par_iter().with_max_len(4).map(encode).collect()
}

fn push(writer: &mut ShardWriter, encoded: &Encoded) -> Result<()> {
    match encoded {
        Some((ids, text)) => writer.push(ids, text),
        None => Ok(()),
    }
}

/// Takes note of the language of a part of a document.
fn note(languages: Option<&mut Languages>, part: Part, encoded: &Encoded, document: &Document) -> Result<()> {
    let (Some(languages), Some((ids, _))) = (languages, encoded) else { return Ok(()) };
    let name = document.lang.as_deref().ok_or_else(|| Error::NoLanguage { id: document.id.clone() })?;
    let number = languages.number(name);
    languages.push(part, ids.len() as u64, number);
    Ok(())
}
