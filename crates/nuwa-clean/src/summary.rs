use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What cleaning did, step by step: the content of `clean.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CleanSummary {
    /// Documents read.
    pub documents_in: u64,
    /// Documents kept.
    pub documents_out: u64,
    /// Bytes of text read.
    pub bytes_in: u64,
    /// Bytes of text kept.
    pub bytes_out: u64,
    /// The steps in their order.
    pub steps: Vec<StepSummary>,
    /// A few documents, to see with one's own eyes what happened.
    pub samples: Vec<Sample>,
    /// The time it took.
    pub seconds: f64,
}

/// What one step did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StepSummary {
    /// The step.
    pub name: String,
    /// Documents that reached it.
    pub documents_in: u64,
    /// Documents it let through.
    pub documents_out: u64,
    /// Documents it let through changed.
    pub changed: u64,
    /// Documents it rejected.
    pub rejected: u64,
    /// Bytes of text that reached it.
    pub bytes_in: u64,
    /// Bytes of text it let through.
    pub bytes_out: u64,
    /// Rejections by reason.
    pub reasons: BTreeMap<String, u64>,
    /// What the step found, by kind: documents of each language, e-mail addresses, emoji.
    #[serde(default)]
    pub labels: BTreeMap<String, u64>,
    /// What the step worked with, by name: evaluation items looked for, and those too short for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub totals: BTreeMap<String, u64>,
    /// Words that it wrote in the place of others, in all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replaced: u64,
    /// Of these the most frequent hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replacements: Vec<Replacement>,
    /// The shares of the text that the step was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub portions: Vec<Portion>,
    /// Processor time, added up over threads.
    pub seconds: f64,
}

/// A part of the text as a share of all, copies counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Portion {
    /// The source or the language.
    pub name: String,
    /// The share asked for, 0 to 1.
    pub asked: f64,
    /// The share before the step.
    pub before: f64,
    /// The share reached.
    pub after: f64,
}

/// A word that was written in the place of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    /// What stood there.
    pub from: String,
    /// What stands there now.
    pub to: String,
    /// How often.
    pub count: u64,
}

const REPLACEMENTS_SHOWN: usize = 100;

impl StepSummary {
    pub(super) fn take_replacements(&mut self, mut replacements: Vec<Replacement>) {
        self.replaced = replacements.iter().map(|replacement| replacement.count).sum();
        replacements.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.from.cmp(&b.from)));
        replacements.truncate(REPLACEMENTS_SHOWN);
        self.replacements = replacements;
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A document as an example of what happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The document.
    pub id: String,
    /// "kept", "changed" or "rejected".
    pub outcome: String,
    /// The step that changed or rejected it; of several, the last.
    pub step: Option<String>,
    /// The reason of a rejection.
    pub reason: Option<String>,
    /// The beginning of the text as it left the chain.
    pub text: String,
}
