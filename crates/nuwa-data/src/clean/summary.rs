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
    /// Processor time, added up over threads.
    pub seconds: f64,
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
