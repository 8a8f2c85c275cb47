//! Figures over all items: means, standard errors, groups, classes.

use std::collections::BTreeMap;

use super::written::together;
use crate::TaskResult;
use crate::metrics::Confusion;
use crate::metrics::Together;
use crate::remark::{ErrorsOver, Warning};
use crate::result::{Metric, Shown, Unit};

/// Items that are shown in results.
const SHOWN: usize = 3;

/// What one item came to.
#[derive(Debug, Default)]
pub struct Outcome {
    pub metrics: Vec<(&'static str, f64)>,
    /// What it gives to figures of all items together.
    pub shared: Vec<(&'static str, Together)>,
    pub group: Option<String>,
    /// The class that is right and the one that was chosen.
    pub classes: Option<[usize; 2]>,
    pub shown: Shown,
    /// The share of the options that is right, where there are options.
    pub chance: Option<f64>,
    /// Whether the beginning of a prompt was cut off.
    pub is_cut: bool,
}

/// Means with their standard errors, over all items and over those of each group.
#[derive(Debug, Default)]
pub struct Tally {
    pub n: usize,
    values: BTreeMap<&'static str, Vec<f64>>,
    groups: BTreeMap<String, BTreeMap<&'static str, Vec<f64>>>,
    shared: BTreeMap<&'static str, Vec<Together>>,
    classes: Vec<[usize; 2]>,
    names: Vec<String>,
    items: Vec<Shown>,
    cut: usize,
    chances: Vec<f64>,
    warnings: Vec<Warning>,
}

impl Tally {
    pub fn add(&mut self, outcome: Outcome) {
        self.n += 1;
        self.cut += usize::from(outcome.is_cut);
        self.chances.extend(outcome.chance);
        for (name, value) in outcome.metrics {
            self.values.entry(name).or_default().push(value);
            if let Some(group) = &outcome.group {
                self.groups.entry(group.clone()).or_default().entry(name).or_default().push(value);
            }
        }
        for (name, shared) in outcome.shared {
            self.shared.entry(name).or_default().push(shared);
        }
        if let Some(classes) = outcome.classes {
            self.note_class(classes[0], &outcome.shown.expected);
            self.note_class(classes[1], &outcome.shown.given);
            self.classes.push(classes);
        }
        self.items.push(outcome.shown);
    }

    fn note_class(&mut self, class: usize, name: &str) {
        self.names.resize(self.names.len().max(class + 1), String::new());
        self.names[class] = name.to_string();
    }

    /// Says how many items were not put to the model as a whole.
    pub fn warn_of_cuts(&mut self, context: usize) {
        if self.cut > 0 {
            let [items, of, context] = [self.cut, self.n, context].map(|count| count as u64);
            self.warnings.push(Warning::Cut { items, of, context });
        }
    }

    pub fn result(self, version: u32, settings: BTreeMap<String, u64>, data_hash: String) -> TaskResult {
        let confusion = (!self.classes.is_empty()).then(|| Confusion::new(self.names, self.classes));
        let mut metrics = means(&self.values);
        metrics.extend(together(&self.shared));
        metrics.extend(confusion.iter().flat_map(of_classes));
        let units = |values: &Vec<f64>| values.iter().map(|&y| Unit { y, x: 1.0 }).collect();
        TaskResult {
            version,
            n: self.n as u64,
            metrics,
            settings,
            standard_errors: ErrorsOver::Items,
            data_hash,
            groups: self.groups.iter().map(|(name, values)| (name.clone(), means(values))).collect(),
            confusion,
            shown: self.items.iter().take(SHOWN).cloned().collect(),
            items: self.items,
            chance: (!self.chances.is_empty()).then(|| mean(&self.chances).value),
            warnings: self.warnings,
            units: self.values.iter().map(|(name, values)| (name.to_string(), units(values))).collect(),
            ..TaskResult::default()
        }
    }
}

/// Precision, recall and F1 of each class, and what sums them up. Without standard errors, being no means over items.
fn of_classes(confusion: &Confusion) -> Vec<(String, Metric)> {
    let mut figures = vec![
        ("f1_macro".to_string(), confusion.macro_average().f1),
        ("f1_weighted".to_string(), confusion.weighted_average().f1),
        ("matthews".to_string(), confusion.matthews()),
    ];
    for (class, name) in confusion.classes.iter().enumerate() {
        let scores = confusion.class(class);
        let of_class = [("precision", scores.precision), ("recall", scores.recall), ("f1", scores.f1)];
        figures.extend(of_class.map(|(figure, value)| (format!("{figure}_{name}"), value)));
    }
    figures.into_iter().map(|(name, value)| (name, Metric { value, stderr: None })).collect()
}

fn means(values: &BTreeMap<&'static str, Vec<f64>>) -> BTreeMap<String, Metric> {
    values.iter().map(|(name, values)| (name.to_string(), mean(values))).collect()
}

/// The mean and `sample deviation / sqrt(n)`.
fn mean(values: &[f64]) -> Metric {
    let n = values.len() as f64;
    let value = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|one| (one - value).powi(2)).sum();
    Metric { value, stderr: (n > 1.0).then(|| (squares / (n - 1.0) / n).sqrt()) }
}
