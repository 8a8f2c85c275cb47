use serde::{Deserialize, Serialize};

use super::record::Record;
use crate::Result;

/// What a person decided about the answers to a prompt, as each record of feedback says it in its field `feedback`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Some answers are better than others: the records are pairs.
    Ranked,
    /// Each answer is good or bad: the records have labels.
    Marked,
    /// All answers are as good as each other, so there is nothing to learn.
    Tied,
    /// The person did not want to decide.
    Skipped,
}

/// An error that leaves the record out where a person decided nothing in it.
pub fn check_decided(record: &Record) -> Result<()> {
    let decision = record.get("feedback").and_then(|value| Decision::deserialize(value).ok());
    match decision {
        Some(Decision::Tied) => Err(record.left_out("its answers were found to be as good as each other")),
        Some(Decision::Skipped) => Err(record.left_out("the person who was asked skipped it")),
        _ => Ok(()),
    }
}
