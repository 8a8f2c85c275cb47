//! Byte-level BPE training: words are counted here, in bounded memory; the merges are learnt by `tokenizers`.

use std::path::Path;

use ahash::{AHashMap, AHashSet};
use compact_str::CompactString;
use nuwa_files::Progress;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};

use crate::added::AddedToken;
use crate::chat::CHAT_TEMPLATE;
use crate::config::Config;
use crate::import::Source;
use crate::split::Splitter;
use crate::{Error, Result, SplitRule, Tokenizer, bytes};

/// Ends every document; also the token that begins a text and that fills up batches.
pub const END_OF_TEXT: &str = "<|endoftext|>";
/// Begins a turn of a conversation.
pub const MESSAGE_START: &str = "<|im_start|>";
/// Ends a turn of a conversation.
pub const MESSAGE_END: &str = "<|im_end|>";

/// More tokens than any text has use for.
const LARGEST_VOCABULARY: usize = 10_000_000;

/// How a vocabulary is learnt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainSettings {
    /// Vocabulary size, special tokens included; at least 259. A larger vocabulary gives shorter
    /// token sequences and a larger embedding.
    pub vocab_size: usize,
    /// Minimum frequency of a pair of tokens to be merged; at least 1.
    pub min_frequency: u64,
    /// Maximum length of a token, in bytes; at least 2. Keeps whole verses and rows of dashes out
    /// of the vocabulary.
    pub max_token_bytes: usize,
    /// Pre-tokenization: how text is split into words; tokens never cross a word boundary.
    pub split: SplitRule,
    /// Maximum number of distinct words counted during training; at least 1000. Beyond it the
    /// rarest are dropped, so that memory does not grow with the corpus (up to 2 kB per word in
    /// Chinese).
    pub max_words: usize,
    /// Additional special tokens, besides `<|endoftext|>`, `<|im_start|>` and `<|im_end|>`.
    pub extra_special_tokens: Vec<String>,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            vocab_size: 8192,
            min_frequency: 2,
            max_token_bytes: 48,
            split: SplitRule::default(),
            max_words: 500_000,
            extra_special_tokens: Vec::new(),
        }
    }
}

impl TrainSettings {
    fn special_tokens(&self) -> Vec<String> {
        let ours = [END_OF_TEXT, MESSAGE_START, MESSAGE_END].map(str::to_string);
        ours.into_iter().chain(self.extra_special_tokens.iter().cloned()).collect()
    }

    /// Whether each value lies in its range.
    ///
    /// # Errors
    /// With the name of the setting, its value, and what was expected.
    pub fn check(&self) -> Result<()> {
        let refuse = |name, value: String, expected| Err(Error::Setting { name, value, expected });
        let special = self.special_tokens();
        let mut seen = AHashSet::new();
        if let Some(bad) =
            special.iter().find(|token| token.trim().is_empty() || !seen.insert(token.as_str()))
        {
            return refuse(
                "tokenizer.extra_special_tokens",
                format!("{bad:?}"),
                "each token once, and none of them empty",
            );
        }
        if self.min_frequency == 0 {
            return refuse("tokenizer.min_frequency", "0".into(), "expected 1 or more");
        }
        if self.max_token_bytes < 2 {
            return refuse(
                "tokenizer.max_token_bytes",
                self.max_token_bytes.to_string(),
                "expected 2 or more",
            );
        }
        if self.max_words < 1000 {
            return refuse("tokenizer.max_words", self.max_words.to_string(), "expected 1000 or more");
        }
        if self.vocab_size > LARGEST_VOCABULARY {
            return refuse("tokenizer.vocab_size", self.vocab_size.to_string(), "expected at most 10000000");
        }
        if self.vocab_size < 256 + special.len() {
            return Err(Error::VocabularyTooSmall { asked: self.vocab_size, special: special.len() });
        }
        Ok(())
    }
}

/// Learns a byte-level BPE vocabulary from texts. The same texts in the same order give the same vocabulary.
///
/// # Errors
/// When a setting is out of its range, or the texts are too few for the vocabulary.
pub fn train(
    texts: impl Iterator<Item = String> + Send,
    settings: &TrainSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<Tokenizer> {
    settings.check()?;
    let pre_tokenizer = settings.split.pre_tokenizer();
    let splitter = Splitter::from_pre_tokenizer(&pre_tokenizer).ok_or(Error::Setting {
        name: "tokenizer.split",
        value: format!("{:?}", settings.split),
        expected: "expected a rule that this crate can run",
    })?;
    let longest = LONGEST_WORD.max(settings.max_token_bytes.saturating_mul(4));
    let words = count_words(texts, &splitter, longest, settings.max_words, progress)?;
    let done = |done| Progress {
        task: "learning merges",
        done,
        total: Some(settings.vocab_size as u64),
        unit: "tokens",
        bytes: None,
    };
    progress(done(0));
    let model = learn(words, settings)?;
    progress(done(settings.vocab_size as u64));
    let value = tokenizer_json(&model, pre_tokenizer, settings)?;
    let special = [("eos_token", END_OF_TEXT), ("bos_token", END_OF_TEXT), ("pad_token", END_OF_TEXT)];
    let config = Config::new(&special).with_chat_template(CHAT_TEMPLATE);
    Tokenizer::from_source(Source::from_value(Path::new("the new tokenizer.json"), value, config)?)
}

type Counts = AHashMap<CompactString, u64>;

/// Longer words are counted in pieces of this many bytes: the time that the trainer needs grows with the square of a
/// word's length (a genome, a picture in base64 or a ruler is one word). Pairs across the cuts are not seen.
const LONGEST_WORD: usize = 256;

/// Texts are counted in batches of about this many bytes, each text by one thread.
const BATCH_BYTES: usize = 8 << 20;

fn count_words(
    texts: impl Iterator<Item = String>,
    splitter: &Splitter,
    longest: usize,
    max_words: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<Counts> {
    let mut counts = Counts::new();
    let (mut batch, mut batch_bytes, mut bytes, mut read) = (Vec::new(), 0, 0, 0);
    let mut texts = texts.peekable();
    while let Some(text) = texts.next() {
        read += 1;
        batch_bytes += text.len();
        batch.push(text);
        if batch_bytes >= BATCH_BYTES || texts.peek().is_none() {
            add_batch(&mut counts, &batch, splitter, longest);
            forget_rare(&mut counts, max_words);
            bytes += batch_bytes as u64;
            (batch_bytes, batch) = (0, Vec::new());
            progress(Progress {
                task: "counting words",
                done: bytes,
                total: None,
                unit: "bytes",
                bytes: None,
            });
        }
    }
    if counts.is_empty() { Err(Error::EmptyCorpus { texts: read }) } else { Ok(counts) }
}

fn add_batch(counts: &mut Counts, batch: &[String], splitter: &Splitter, longest: usize) {
    let counted = batch.par_iter().fold(Counts::new, |mut counts, text| {
        let mut count = |word: &str| match counts.get_mut(word) {
            Some(count) => *count += 1,
            None => drop(counts.insert(word.into(), 1)),
        };
        splitter.words(text, &mut |word| pieces(word, longest).for_each(&mut count));
        counts
    });
    for (word, count) in counted.collect::<Vec<_>>().into_iter().flatten() {
        *counts.entry(word).or_default() += count;
    }
}

/// A word in pieces of at most `longest` bytes, cut between characters.
fn pieces(word: &str, longest: usize) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(longest));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Drops the rarest words, whole frequencies at a time, until half of the room is free.
fn forget_rare(counts: &mut Counts, max_words: usize) {
    let mut least = 2;
    while counts.len() > if least == 2 { max_words } else { max_words / 2 } {
        counts.retain(|_, count| *count >= least);
        least *= 2;
    }
}

/// The trainer counts pairs in 32 bits with a sign: beyond that, all counts are made smaller alike.
fn fit_counts(counts: &mut Counts) {
    let pairs: u64 = counts.iter().map(|(word, count)| word.len() as u64 * count).sum();
    let divisor = pairs.div_ceil(i32::MAX as u64);
    if divisor > 1 {
        counts.values_mut().for_each(|count| *count = count.div_ceil(divisor));
    }
}

/// A word of so many characters becomes one token by one merge fewer, and no merge is learnt without a word.
fn possible_merges(counts: &Counts) -> usize {
    counts.keys().map(|word| word.chars().count().saturating_sub(1)).sum()
}

fn learn(words: Counts, settings: &TrainSettings) -> Result<BPE> {
    let characters =
        |(word, count): (CompactString, u64)| (bytes::to_characters(word.as_bytes()).into(), count);
    let mut counts: Counts = words.into_iter().map(characters).collect();
    fit_counts(&mut counts);
    let special = settings.special_tokens();
    let possible = 256 + special.len() + possible_merges(&counts);
    let trainer = BpeTrainerBuilder::new()
        // The trainer takes memory for all that is asked for, before it knows what there is.
        .vocab_size(settings.vocab_size.min(possible))
        .min_frequency(settings.min_frequency)
        .max_token_length(Some(settings.max_token_bytes))
        .special_tokens(
            special.iter().map(|token| tokenizers::AddedToken::from(token.as_str(), true)).collect(),
        )
        .initial_alphabet(bytes::alphabet().iter().copied().collect())
        .show_progress(false)
        .build();
    let mut model = BPE::default();
    let refused = |error: tokenizers::Error| Error::pipeline("train", error);
    trainer.do_train(&counts, &mut model).map_err(refused)?;
    let largest = tokenizers::Model::get_vocab_size(&model);
    if largest < settings.vocab_size {
        return Err(Error::VocabularyTooLarge { asked: settings.vocab_size, largest });
    }
    Ok(model)
}

fn tokenizer_json(model: &BPE, pre_tokenizer: Value, settings: &TrainSettings) -> Result<Value> {
    let model =
        serde_json::to_value(model).map_err(|error| Error::pipeline("write its vocabulary", error))?;
    let special = settings.special_tokens();
    let added: Vec<Value> =
        (0..).zip(&special).map(|(id, token)| AddedToken::new(id, token, true).to_json()).collect();
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": model,
    }))
}
