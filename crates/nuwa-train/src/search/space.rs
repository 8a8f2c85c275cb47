//! The settings that a search may vary, and what range of each it looks at.

use std::collections::BTreeMap;

use nuwa_nn::{OptimizerKind, ScheduleKind};
use serde::{Deserialize, Serialize};

use super::SearchError;
use crate::plan::sizes;
use crate::{ModelSettings, PretrainSettings};

/// A setting of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Number(f64),
    /// One of some words.
    Word(String),
}

/// The settings of a trial, by name.
pub type Values = BTreeMap<String, Value>;

/// What a setting may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Range {
    /// A number from one to another, evenly.
    Linear([f64; 2]),
    /// A number from one to another, evenly in its logarithm.
    Log([f64; 2]),
    /// One of some words.
    Words(Vec<String>),
}

/// A setting and its range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dimension {
    /// The name, one of [`SEARCHABLE`].
    pub key: String,
    /// What it may be.
    pub range: Range,
}

/// A setting that can be searched.
#[derive(Debug, Clone, Copy)]
pub struct Searchable {
    /// Its name after `--over`.
    pub key: &'static str,
    /// What its numbers are.
    pub meaning: &'static str,
    /// The range where none is said; words where there is none.
    usual: Usual,
    /// What numbers may be at all.
    allowed: [f64; 2],
    /// Whether it is searched where nothing is said.
    pub by_itself: bool,
}

#[derive(Debug, Clone, Copy)]
enum Usual {
    Linear([f64; 2]),
    Log([f64; 2]),
    Words(&'static [&'static str]),
}

/// All settings that can be searched.
pub const SEARCHABLE: [Searchable; 11] = [
    by_itself("learning_rate", "by that of the size", Usual::Log([0.25, 4.0]), [1e-3, 1e3]),
    by_itself("batch_tokens", "by that of the tokens", Usual::Log([0.25, 4.0]), [1e-2, 1e2]),
    by_itself("weight_decay", "the setting", Usual::Log([0.01, 1.0]), [1e-6, 10.0]),
    by_itself("warmup", "a share of the steps", Usual::Linear([0.01, 0.2]), [0.0, 1.0]),
    searchable("dropout", "the setting", Usual::Linear([0.0, 0.2]), [0.0, 0.9]),
    searchable("beta2", "the setting", Usual::Linear([0.9, 0.999]), [0.0, 0.9999]),
    searchable("initialisation_scale", "the setting", Usual::Log([0.25, 4.0]), [0.01, 100.0]),
    searchable("depth", "layers by those of the size", Usual::Log([0.5, 2.0]), [0.1, 10.0]),
    searchable("stochastic_depth", "the setting", Usual::Linear([0.0, 0.3]), [0.0, 0.9]),
    searchable("optimizer", "the setting", Usual::Words(&OPTIMIZERS), [0.0, 0.0]),
    searchable("schedule", "the setting", Usual::Words(&SCHEDULES), [0.0, 0.0]),
];

const OPTIMIZERS: [&str; 3] = ["adamw", "muon", "lion"];
const SCHEDULES: [&str; 3] = ["cosine", "linear", "warmup-stable-decay"];

const fn searchable(key: &'static str, meaning: &'static str, usual: Usual, allowed: [f64; 2]) -> Searchable {
    Searchable { key, meaning, usual, allowed, by_itself: false }
}

const fn by_itself(key: &'static str, meaning: &'static str, usual: Usual, allowed: [f64; 2]) -> Searchable {
    Searchable { by_itself: true, ..searchable(key, meaning, usual, allowed) }
}

impl Dimension {
    /// The dimensions that are searched where nothing is said.
    pub fn usual() -> Vec<Self> {
        SEARCHABLE.iter().filter(|one| one.by_itself).map(|one| Self::of(one, None)).collect()
    }

    fn of(searchable: &Searchable, said: Option<[f64; 2]>) -> Self {
        let range = match (searchable.usual, said) {
            (Usual::Linear(usual), said) => Range::Linear(said.unwrap_or(usual)),
            (Usual::Log(usual), said) => Range::Log(said.unwrap_or(usual)),
            (Usual::Words(words), _) => Range::Words(words.iter().map(|word| (*word).to_string()).collect()),
        };
        Self { key: searchable.key.into(), range }
    }

    /// Reads `learning_rate`, `learning_rate=0.5..2` or `optimizer=adamw|muon`.
    ///
    /// # Errors
    /// When the key cannot be searched, or its range is empty, upside down or not allowed.
    pub fn parse(text: &str) -> Result<Self, SearchError> {
        let (key, said) = match text.split_once('=') {
            Some((key, said)) => (key.trim(), Some(said.trim())),
            None => (text.trim(), None),
        };
        let known = SEARCHABLE.iter().find(|one| one.key == key);
        let known = known.ok_or_else(|| SearchError::Key { key: key.to_string() })?;
        let Some(said) = said else { return Ok(Self::of(known, None)) };
        if let Usual::Words(allowed) = known.usual {
            let words: Vec<String> = said.split('|').map(|word| word.trim().to_string()).collect();
            if let Some(other) = words.iter().find(|word| !is_word(known.key, word)) {
                return Err(range_error(key, other, &format!("words such as {}", allowed.join("|"))));
            }
            return Ok(Self { key: key.into(), range: Range::Words(words) });
        }
        let [least, most] = known.allowed;
        let expected = format!("LOW..HIGH, two numbers from {least} to {most}, the lower one first");
        let wrong = || range_error(key, said, &expected);
        let (low, high) = said.split_once("..").ok_or_else(wrong)?;
        let [low, high] = [low, high].map(|text| text.trim().parse::<f64>().ok());
        let (Some(low), Some(high)) = (low, high) else { return Err(wrong()) };
        let fits = low < high && least <= low && high <= most;
        let fits = fits && (low > 0.0 || !matches!(known.usual, Usual::Log(_)));
        if fits { Ok(Self::of(known, Some([low, high]))) } else { Err(wrong()) }
    }

    /// The value at a coordinate from 0 up to 1.
    fn at(&self, coordinate: f64) -> Value {
        match &self.range {
            Range::Linear([low, high]) => Value::Number(rounded(low + coordinate * (high - low))),
            Range::Log([low, high]) => Value::Number(rounded(low * (high / low).powf(coordinate))),
            Range::Words(words) => Value::Word(words[word_at(words, coordinate)].clone()),
        }
    }
}

fn range_error(key: &str, value: &str, expected: &str) -> SearchError {
    SearchError::Range { key: key.into(), value: value.into(), expected: expected.into() }
}

fn is_word(key: &str, word: &str) -> bool {
    match key {
        "optimizer" => optimizer(word).is_some(),
        _ => schedule(word).is_some(),
    }
}

fn optimizer(word: &str) -> Option<OptimizerKind> {
    serde_json::from_value(word.into()).ok()
}

fn schedule(word: &str) -> Option<ScheduleKind> {
    serde_json::from_value(word.into()).ok()
}

fn word_at(words: &[String], coordinate: f64) -> usize {
    ((coordinate * words.len() as f64) as usize).min(words.len() - 1)
}

/// To four digits: what a person reads and types again.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// The values at a point of the cube.
pub fn values(over: &[Dimension], point: &[f64]) -> Values {
    over.iter().zip(point).map(|(dimension, at)| (dimension.key.clone(), dimension.at(*at))).collect()
}

/// The coordinates in which points are compared: words have one each, of which one is set.
pub fn expanded(over: &[Dimension], point: &[f64]) -> Vec<f64> {
    let mut coordinates = Vec::new();
    for (dimension, at) in over.iter().zip(point) {
        match &dimension.range {
            Range::Words(words) => {
                let chosen = word_at(words, *at);
                coordinates.extend((0..words.len()).map(|word| if word == chosen { 0.5 } else { 0.0 }));
            }
            Range::Linear(_) | Range::Log(_) => coordinates.push(*at),
        }
    }
    coordinates
}

/// The settings of a model of so many weights and tokens with these values.
pub fn apply(
    values: &Values,
    [parameters, tokens]: [u64; 2],
    (model, pretrain): (&ModelSettings, &PretrainSettings),
) -> (ModelSettings, PretrainSettings) {
    let (mut model, mut pretrain) = (model.clone(), pretrain.clone());
    // Words first: the usual rate is that of the optimizer.
    for (key, value) in values {
        match (key.as_str(), value) {
            ("optimizer", Value::Word(word)) => {
                pretrain.optimizer.kind = optimizer(word).unwrap_or(pretrain.optimizer.kind);
            }
            ("schedule", Value::Word(word)) => pretrain.schedule = schedule(word).or(pretrain.schedule),
            _ => {}
        }
    }
    let usual = sizes::learning_rate(parameters) * pretrain.optimizer.kind.rate_factor();
    for (key, value) in values {
        let Value::Number(number) = value else { continue };
        let (number, single) = (*number, *number as f32);
        match key.as_str() {
            "learning_rate" => {
                pretrain.learning_rate = Some((pretrain.learning_rate.unwrap_or(usual) * single).min(1.0));
            }
            "batch_tokens" => {
                let usual = pretrain.batch_tokens.unwrap_or_else(|| sizes::batch_tokens(tokens));
                pretrain.batch_tokens = Some(((usual as f64 * number).round() as u64).max(1));
            }
            "weight_decay" => pretrain.optimizer.weight_decay = Some(single),
            "warmup" => pretrain.warmup = number,
            "dropout" => pretrain.dropout = Some(single),
            "beta2" => pretrain.optimizer.beta2 = single,
            "initialisation_scale" => model.initialisation_scale = Some(single),
            "depth" => model.depth = Some(number),
            "stochastic_depth" => pretrain.stochastic_depth = single,
            _ => {}
        }
    }
    (model, pretrain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_searched_is_named() {
        let told = [
            "seed",
            "learning_rate=2..1",
            "learning_rate=0..1",
            "warmup=0.1",
            "dropout=0..2",
            "optimizer=adam",
        ]
        .map(|text| Dimension::parse(text).unwrap_err().to_string());
        insta::assert_snapshot!(told.join("\n"), @r"
        seed cannot be searched: expected one of learning_rate, batch_tokens, weight_decay, warmup, dropout, beta2, initialisation_scale, depth, stochastic_depth, optimizer, schedule
        learning_rate = 2..1: expected LOW..HIGH, two numbers from 0.001 to 1000, the lower one first
        learning_rate = 0..1: expected LOW..HIGH, two numbers from 0.001 to 1000, the lower one first
        warmup = 0.1: expected LOW..HIGH, two numbers from 0 to 1, the lower one first
        dropout = 0..2: expected LOW..HIGH, two numbers from 0 to 0.9, the lower one first
        optimizer = adam: expected words such as adamw|muon|lion
        ");
    }

    #[test]
    fn a_range_is_read_and_met() {
        let rate = Dimension::parse("learning_rate = 0.5..2").unwrap();
        assert_eq!(rate.range, Range::Log([0.5, 2.0]));
        assert_eq!([0.0, 0.5, 1.0].map(|at| rate.at(at)), [0.5, 1.0, 2.0].map(Value::Number));
        let words = Dimension::parse("optimizer=adamw|sgd").unwrap();
        assert_eq!(
            [0.0, 0.6, 1.0].map(|at| words.at(at)),
            ["adamw", "sgd", "sgd"].map(|word| Value::Word(word.into()))
        );
        assert_eq!(expanded(&[rate, words], &[0.3, 0.9]), [0.3, 0.0, 0.5]);
    }

    #[test]
    fn values_become_settings() {
        let over = ["learning_rate", "batch_tokens=1..4", "optimizer=muon", "depth=1..2", "dropout=0..0.2"];
        let over: Vec<Dimension> = over.iter().map(|text| Dimension::parse(text).unwrap()).collect();
        let values = values(&over, &[0.5, 0.5, 0.5, 1.0, 0.5]);
        let usual = (&ModelSettings::default(), &PretrainSettings::default());
        let (model, pretrain) = apply(&values, [2_000_000, 3_000_000], usual);
        let rate = pretrain.learning_rate.unwrap();
        assert!((rate - 5e-3).abs() < 1e-7, "{rate} is not the usual rate of muon");
        assert_eq!((pretrain.batch_tokens, pretrain.dropout), (Some(1024), Some(0.1)));
        assert_eq!((pretrain.optimizer.kind, model.depth), (OptimizerKind::Muon, Some(2.0)));
    }
}
