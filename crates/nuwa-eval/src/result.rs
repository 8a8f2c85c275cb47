use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Signature;
use crate::metrics::Confusion;
use crate::remark::{ErrorsOver, Warning};

/// What a task found: its entry in `eval.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskResult {
    /// The task's version: figures of different versions are not to be compared.
    pub version: u32,
    /// How many texts were scored.
    pub n: u64,
    /// The figures by name.
    pub metrics: BTreeMap<String, Metric>,
    /// What choosing an option at random would reach, where there are options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// What was counted, by name.
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
    /// The settings that figures depend on, by name.
    pub settings: BTreeMap<String, u64>,
    /// What the standard errors are taken over, and how.
    pub standard_errors: ErrorsOver,
    /// The hash of all texts (prompts and options) in their order: figures of different texts are not to be compared.
    pub data_hash: String,
    /// How each figure was made, by the figure's name; see [`Signature`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signatures: BTreeMap<String, String>,
    /// What a reader of the figures should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// The figures of groups of items.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, BTreeMap<String, Metric>>,
    /// Of figures that are shares: Wilson's 95 % interval, by `FIGURE` or `GROUP/FIGURE`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub intervals: BTreeMap<String, [f64; 2]>,
    /// Where the options are classes: what was taken for what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Confusion>,
    /// Some items with what the model made of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<Shown>,
    /// All items with what the model made of them, in their order; see [`crate::comparison`]. Not written to this file.
    #[serde(skip)]
    pub items: Vec<Shown>,
    /// What each text or item gave to a figure, in their order; see [`crate::change`]. Not written to files.
    #[serde(skip)]
    pub units: BTreeMap<String, Vec<Unit>>,
}

impl TaskResult {
    /// Signs all figures.
    pub(crate) fn sign(&mut self, signature: impl Fn(&str) -> Signature) {
        let signed = self.metrics.keys().map(|metric| (metric.clone(), signature(metric).to_string()));
        self.signatures = signed.collect();
    }
}

/// What a text or an item gives to a figure, which is the sum of `y` over all by the sum of `x`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    /// Bits of a text; whether an item was right.
    pub y: f64,
    /// Bytes of a text; 1 for an item.
    pub x: f64,
}

/// An item and what the model made of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// What was asked.
    pub prompt: String,
    /// The right answer.
    pub expected: String,
    /// What the model chose or wrote.
    pub given: String,
    /// Whether that is right.
    pub is_right: bool,
    /// Of each option.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_likelihoods: Vec<f64>,
}

/// A figure and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// The figure.
    pub value: f64,
    /// Its standard error; absent where there is only one unit to take it over.
    pub stderr: Option<f64>,
}
