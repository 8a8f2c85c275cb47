//! Dialogues and preferences, from files in every usual form.

mod dialogues;
mod messages;
mod preferences;
mod records;

use std::collections::BTreeMap;
use std::path::PathBuf;

use nuwa_tokenizer::Message;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use dialogues::dialogue;
pub use preferences::preference;
pub use records::{Record, records};

use crate::{BadRecords, Error, Result};

/// Column names of a file by the names they stand for: `{"instruction": "question", "output": "reply"}`.
pub type Columns = BTreeMap<String, String>;

/// A conversation to learn the answers of.
#[derive(Debug, Clone, PartialEq)]
pub struct Dialogue {
    /// The turns; at least one is the assistant's.
    pub messages: Vec<Message>,
    /// What the template is told about tools.
    pub tools: Option<Value>,
    /// File, and line or item.
    pub place: String,
}

/// Two answers to the same, of which one is better.
#[derive(Debug, Clone, PartialEq)]
pub struct Preference {
    /// What both answer to.
    pub prompt: Vec<Message>,
    /// The better answer: one turn of the assistant, or a piece of dialogue that begins with one.
    pub chosen: Vec<Message>,
    /// The worse.
    pub rejected: Vec<Message>,
    /// File, and line or item.
    pub place: String,
}

/// What was read, and what could not be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Records in the files.
    pub records: u64,
    /// Records that were left out, by reason.
    pub skipped: BTreeMap<String, u64>,
}

/// Reads what `understand` makes of each record of `paths` (files, or folders of them).
///
/// # Errors
/// When a file is no JSON, holds nothing, or a record is not understood and `bad` does not say to skip it.
pub fn read<T>(
    paths: &[PathBuf],
    columns: &Columns,
    bad: BadRecords,
    understand: impl Fn(&Record) -> Result<T>,
) -> Result<(Vec<T>, Reading)> {
    let (mut read, mut reading) = (Vec::new(), Reading::default());
    for path in paths {
        for record in records(path, columns)? {
            reading.records += 1;
            match understand(&record) {
                Ok(value) => read.push(value),
                Err(Error::Record { problem, .. }) if bad == BadRecords::Skip => {
                    *reading.skipped.entry(problem).or_default() += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
    if read.is_empty() {
        let reason = match reading.records {
            0 => "it has no records".into(),
            n => format!("all of its {n} records were left out"),
        };
        return Err(Error::Empty { path: paths.first().cloned().unwrap_or_default(), reason });
    }
    Ok((read, reading))
}
