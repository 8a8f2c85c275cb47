use std::collections::BTreeMap;

use nuwa_files::Document;
use nuwa_text::clip;
use serde::{Deserialize, Serialize};

use super::chain::{InFlight, Rejected};
use super::summary::Sample;

const SAMPLE_CHARACTERS: usize = 600;

/// A few documents of each kind: the first ones, which are the same in every run.
pub(super) struct Samples {
    of_each: usize,
    pub names: Vec<&'static str>,
    taken: Taken,
}

/// What has been taken so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Taken {
    seen: BTreeMap<String, usize>,
    all: Vec<Sample>,
}

impl Samples {
    pub fn new(of_each: usize, names: Vec<&'static str>) -> Self {
        Self { of_each, names, taken: Taken::default() }
    }

    pub fn taken(&self) -> &Taken {
        &self.taken
    }

    /// Goes on where an earlier run stopped.
    pub fn resume(&mut self, taken: Taken) {
        self.taken = taken;
    }

    pub fn into_all(self) -> Vec<Sample> {
        self.taken.all
    }

    fn wants(&mut self, kind: String) -> bool {
        let seen = self.taken.seen.entry(kind).or_default();
        *seen += 1;
        *seen <= self.of_each
    }

    pub fn rejected(&mut self, rejected: &Rejected) {
        let step = self.names[rejected.step];
        if self.wants(format!("{step}: {}", rejected.reason)) {
            let reason = Some(rejected.reason.to_string());
            self.add(&rejected.document, "rejected", Some(step), reason);
        }
    }

    pub fn passed(&mut self, in_flight: &InFlight, is_last: bool) {
        if let Some(step) = in_flight.changed_by.map(|step| self.names[step]) {
            if self.wants(format!("changed by {step}")) {
                self.add(&in_flight.document, "changed", Some(step), None);
            }
        } else if is_last && self.wants("kept".into()) {
            self.add(&in_flight.document, "kept", None, None);
        }
    }

    fn add(&mut self, document: &Document, outcome: &str, step: Option<&str>, reason: Option<String>) {
        self.taken.all.push(Sample {
            id: document.id.clone(),
            outcome: outcome.into(),
            step: step.map(str::to_string),
            reason,
            text: clip(&document.text, SAMPLE_CHARACTERS),
        });
    }
}
