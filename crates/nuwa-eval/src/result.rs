use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a task found: its entry in `eval.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskResult {
    /// The task's version: figures of different versions are not to be compared.
    pub version: u32,
    /// How many texts were scored.
    pub n: u64,
    /// The figures by name.
    pub metrics: BTreeMap<String, Metric>,
    /// What was counted, by name.
    pub counts: BTreeMap<String, u64>,
    /// The settings that figures depend on, by name.
    pub settings: BTreeMap<String, u64>,
    /// What the standard errors are taken over, and how.
    pub standard_errors: String,
    /// The hash of all texts in their order: figures of different texts are not to be compared.
    pub data_hash: String,
    /// What a reader of the figures should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A figure and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// The figure.
    pub value: f64,
    /// Its standard error; absent where there is only one unit to take it over.
    pub stderr: Option<f64>,
}
