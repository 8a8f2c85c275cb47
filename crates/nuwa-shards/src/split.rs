//! Which text is held out: the same answer for tokenizer training, for the shards and for the evaluation.
//!
//! Half of what is held out is for validation: the best model of a run is chosen on it. The other half is the test part, on
//! which nothing is chosen and figures are reported.
//!
//! With many documents, whole documents are held out, chosen by a hash of their ids: adding documents leaves the
//! others where they were. Where that cannot come near the share that was asked for (few documents, or one that
//! outweighs the rest), the end of each document is held out instead, cut at a paragraph end. Nothing is ever in
//! two parts, and nothing is lost: the three parts of a document, put together, are the document.

use std::ops::Range;
use std::path::Path;

use nuwa_files::Document;
use nuwa_files::documents::{self, Documents};
use nuwa_text::cut_near;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{Error, Result};

/// How much text is held out for validation and test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SplitSettings {
    /// Share of the text that is held out, 0 to 0.5: half for validation (to choose the best
    /// checkpoint), half for the test set (to report results). 0 holds out nothing.
    pub validation_share: f64,
    /// Largest amount of text that is held out, in bytes.
    pub max_validation_bytes: u64,
    /// With fewer documents than this, the end of every document is held out instead of whole
    /// documents.
    pub whole_documents_from: u64,
    /// Seed of the train/validation/test split.
    pub seed: u64,
}

impl Default for SplitSettings {
    fn default() -> Self {
        Self { validation_share: 0.1, max_validation_bytes: 10_000_000, whole_documents_from: 20, seed: 0 }
    }
}

impl SplitSettings {
    /// Whether each value lies in its range.
    ///
    /// # Errors
    /// Naming the first setting that is out of its range.
    pub fn check(&self) -> Result<()> {
        if (0.0..=0.5).contains(&self.validation_share) {
            return Ok(());
        }
        let value = self.validation_share.to_string();
        Err(Error::Setting { name: "tokenize.split.validation_share", value, expected: "0 to 0.5" })
    }
}

/// A planned split.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    rule: Rule,
    seed: u64,
}

#[derive(Debug, Clone, PartialEq)]
enum Rule {
    /// All text is training text.
    Nothing,
    /// Documents whose bucket is below these: the first of them for validation, the others for test.
    Whole { validation: usize, below: usize },
    /// The last part of each document, as a share of its bytes.
    Tails { share: f64 },
}

/// The parts of a document, in their order; some may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts<'a> {
    /// To learn from.
    pub train: &'a str,
    /// To choose the best model on.
    pub validation: &'a str,
    /// To report on.
    pub test: &'a str,
}

/// Fine enough to meet the share, small enough to hold: 512 KiB.
const BUCKETS: usize = 1 << 16;

impl Split {
    /// Reads the documents once and decides.
    ///
    /// # Errors
    /// When a setting is out of its range, or the documents cannot be read.
    pub fn plan(path: &Path, settings: &SplitSettings) -> Result<Self> {
        settings.check()?;
        let mut plan = Plan { documents: 0, bytes: 0, longest: 0, buckets: vec![0; BUCKETS] };
        for document in documents::read(path)? {
            plan.add(&document?, settings.seed);
        }
        let rule = plan.rule(settings);
        match rule {
            Rule::Tails { .. } if plan.longest < SHORTEST_CUT => {
                Err(Error::NoValidation { path: path.to_path_buf() })
            }
            rule => Ok(Self { rule, seed: settings.seed }),
        }
    }

    /// Whether a part of the text is held out at all.
    pub fn holds_back(&self) -> bool {
        self.rule != Rule::Nothing
    }

    /// The parts of one document.
    pub fn divide<'a>(&self, document: &'a Document) -> Parts<'a> {
        let text = &document.text;
        let (train, held_out) = match self.rule {
            Rule::Nothing => (text.len(), text.len()),
            Rule::Whole { validation, below } => match bucket(&document.id, self.seed) {
                of if of < validation => (0, text.len()),
                of if of < below => (0, 0),
                _ => (text.len(), text.len()),
            },
            Rule::Tails { share } => tail(text, share),
        };
        Parts { train: &text[..train], validation: &text[train..held_out], test: &text[held_out..] }
    }
}

/// Text shorter than this is not cut in two.
const SHORTEST_CUT: usize = 20;

/// An end shorter than this is not cut in halves.
const SHORTEST_HALVES: usize = 2 * SHORTEST_CUT;

fn bucket(id: &str, seed: u64) -> usize {
    (xxh3_64_with_seed(id.as_bytes(), seed) >> 48) as usize
}

/// Where the training part of a text ends, and its validation part. A short end is for test as a whole.
fn tail(text: &str, share: f64) -> (usize, usize) {
    let train = cut(text, share);
    let held_out = &text[train..];
    match held_out.len() {
        0..SHORTEST_HALVES => (train, train),
        _ => (train, train + cut(held_out, 0.5)),
    }
}

/// Where the last `share` of a text begins.
fn cut(text: &str, share: f64) -> usize {
    if text.len() < SHORTEST_CUT {
        return text.len();
    }
    let after = (text.len() as f64 * share).round() as usize;
    cut_near(text, text.len() - after, after / 2)
}

struct Plan {
    documents: u64,
    bytes: u64,
    longest: usize,
    buckets: Vec<u64>,
}

impl Plan {
    fn add(&mut self, document: &Document, seed: u64) {
        self.documents += 1;
        self.bytes += document.text.len() as u64;
        self.longest = self.longest.max(document.text.len());
        self.buckets[bucket(&document.id, seed)] += document.text.len() as u64;
    }

    fn rule(&self, settings: &SplitSettings) -> Rule {
        let wanted =
            (self.bytes as f64 * settings.validation_share).min(settings.max_validation_bytes as f64);
        if wanted <= 0.0 {
            return Rule::Nothing;
        }
        let tails = Rule::Tails { share: wanted / self.bytes as f64 };
        if self.documents < settings.whole_documents_from {
            return tails;
        }
        let (below, held_out) = self.nearest(wanted);
        let (validation, _) = self.nearest(held_out / 2.0);
        match held_out / wanted {
            0.5..=2.0 if self.has_documents(validation..below) => Rule::Whole { validation, below },
            _ => tails,
        }
    }

    fn has_documents(&self, buckets: Range<usize>) -> bool {
        self.buckets[buckets].iter().any(|&bytes| bytes > 0)
    }

    /// How many buckets hold about the wanted bytes, and how many bytes they hold.
    fn nearest(&self, wanted: f64) -> (usize, f64) {
        let mut held_out = 0.0;
        for (at, &bytes) in self.buckets.iter().enumerate() {
            let with = held_out + bytes as f64;
            if with >= wanted {
                let closer_without = held_out > 0.0 && wanted - held_out < with - wanted;
                return if closer_without { (at, held_out) } else { (at + 1, with) };
            }
            held_out = with;
        }
        (self.buckets.len(), held_out)
    }
}

/// The training texts, in the documents' order, for a tokenizer to learn from; further copies come at once.
///
/// An iterator cannot fail, so a read error ends it; ask [`TrainingTexts::finish`] afterwards.
///
/// # Errors
/// As [`Split::plan`].
pub fn training_texts(path: &Path, settings: &SplitSettings) -> Result<TrainingTexts> {
    let split = Split::plan(path, settings)?;
    Ok(TrainingTexts { documents: documents::read(path)?, split, again: None, error: None })
}

/// See [`training_texts`].
pub struct TrainingTexts {
    documents: Documents,
    split: Split,
    /// A text that comes so many times more.
    again: Option<(u32, String)>,
    error: Option<Error>,
}

impl TrainingTexts {
    /// The error that ended the iteration early, if any.
    ///
    /// # Errors
    /// The one that ended it.
    pub fn finish(self) -> Result<()> {
        self.error.map_or(Ok(()), Err)
    }
}

impl Iterator for TrainingTexts {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if let Some((times, text)) = self.again.take() {
            self.again = (times > 1).then(|| (times - 1, text.clone()));
            return Some(text);
        }
        while self.error.is_none() {
            match self.documents.next()? {
                Ok(mut document) => {
                    let end = self.split.divide(&document).train.len();
                    document.text.truncate(end);
                    if end > 0 {
                        let times = document.extra_copies;
                        self.again = (times > 0).then(|| (times, document.text.clone()));
                        return Some(document.text);
                    }
                }
                Err(error) => self.error = Some(error.into()),
            }
        }
        None
    }
}
