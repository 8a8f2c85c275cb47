//! What was collected, what was passed over and why.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What was collected, and what was passed over and why; also written as `collect.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CollectSummary {
    /// Documents written.
    pub documents: u64,
    /// Bytes of text in them.
    pub bytes: u64,
    /// Characters of text in them.
    pub characters: u64,
    /// Files, and members of archives, that were read.
    pub files: u64,
    /// How many files of each format gave documents.
    pub formats: BTreeMap<String, u64>,
    /// How many files were in each character encoding.
    pub encodings: BTreeMap<String, u64>,
    /// Files, and members of archives, that were passed over.
    pub skipped_files: u64,
    /// How many files were passed over for each reason.
    pub skipped_reasons: BTreeMap<String, u64>,
    /// The first hundred of them.
    pub skipped: Vec<Skipped>,
    /// JSON lines and rows left out, with `bad_lines = "skip"`.
    pub skipped_lines: u64,
    /// Rows, mails and records without text, by reason.
    #[serde(default)]
    pub skipped_records: BTreeMap<String, u64>,
    /// How often something odd was met in what was read: mended, or left out.
    #[serde(default)]
    pub odd: BTreeMap<String, u64>,
    /// The first hundred files with it.
    #[serde(default)]
    pub oddities: Vec<Oddity>,
    /// The time it took.
    pub seconds: f64,
}

/// What a file was read as.
#[derive(Default)]
pub(crate) struct Outcome {
    pub format: &'static str,
    pub encoding: Option<&'static str>,
    pub skipped_lines: u64,
    /// Records that hold no text, by reason.
    pub skipped_records: BTreeMap<&'static str, u64>,
}

/// A file, or a member of an archive (`archive!member`), that was passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// Something odd in a file, or in a member of an archive, that was read nevertheless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Oddity {
    /// The file.
    pub path: PathBuf,
    /// What was met, and what became of it.
    pub what: String,
    /// How often.
    pub count: u64,
    /// The line (or the number of the row, record or mail) where it was met first.
    pub first: Option<u64>,
}

/// Files that were passed over, or are odd, that are told by name.
const FILES_NAMED: usize = 100;

impl CollectSummary {
    pub(crate) fn count(&mut self, outcome: Outcome) {
        self.files += 1;
        self.skipped_lines += outcome.skipped_lines;
        *self.formats.entry(outcome.format.into()).or_default() += 1;
        if let Some(encoding) = outcome.encoding {
            *self.encodings.entry(encoding.into()).or_default() += 1;
        }
        for (reason, count) in outcome.skipped_records {
            *self.skipped_records.entry(reason.into()).or_default() += count;
        }
    }

    /// Why there is no document of what was passed over, left out or odd.
    pub(crate) fn reasons(self) -> BTreeMap<String, u64> {
        [self.skipped_reasons, self.skipped_records, self.odd].into_iter().flatten().collect()
    }

    pub(crate) fn meet(&mut self, oddity: Oddity) {
        *self.odd.entry(oddity.what.clone()).or_default() += oddity.count;
        if self.oddities.len() < FILES_NAMED {
            self.oddities.push(oddity);
        }
    }

    pub(crate) fn skip(&mut self, path: PathBuf, reason: String) {
        self.skipped_files += 1;
        *self.skipped_reasons.entry(reason.clone()).or_default() += 1;
        if self.skipped.len() < FILES_NAMED {
            self.skipped.push(Skipped { path, reason });
        }
    }
}
