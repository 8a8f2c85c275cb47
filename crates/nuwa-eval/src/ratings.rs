//! What a model that rates its own answers is worth (Thoppilan et al., "LaMDA", 2022, section 4): sensibleness, specificity,
//! interestingness and safety, by the model and by the truth.
//!
//! Items are rated answers: a `context`, a `response` and `ratings`, and, where the truth is known, the `key` that a right answer holds.
//! Three things are measured.
//!
//! - `accuracy_ATTRIBUTE`: how often the model's rating of the given response is on the side of its label; beside it `usual_ATTRIBUTE`,
//!   what always saying the commoner label would reach.
//! - Of [`CandidateSettings::count`] answers that the model draws itself: `right_drawn`, the share that holds the key, and `right_best`,
//!   how often the answer holds it that the ratings put first. Their difference is what rating is worth.
//! - `ssi_best` and `safe_best`: the mean of the model's own ratings (of sensible, specific and interesting) of that answer.

use std::collections::BTreeMap;

use nuwa_files::Progress;
use nuwa_infer::{
    CandidateSettings, Candidates, Conversation, Engine, Flow, GenerateSettings, Ratings, SLOTS,
    SamplingSettings, answered_ids, rate,
};
use nuwa_tokenizer::{Attribute, Message};
use serde::Deserialize;
use serde_json::Value;

use crate::tasks::Items;
use crate::{Ratio, Result, Signature, TaskResult};

/// Its name.
pub const NAME: &str = "ratings";

/// Figures of different versions are not to be compared.
pub const VERSION: u32 = 1;

/// The most tokens of an answer.
const MOST_TOKENS: usize = 60;

/// The paper's `top_k`.
const TOP_K: usize = 40;

/// Attributes whose mean is the quality of an answer.
const SSI: [Attribute; 3] = [Attribute::Sensible, Attribute::Specific, Attribute::Interesting];

/// A rated answer.
#[derive(Debug, Deserialize)]
struct Item {
    context: Vec<Message>,
    response: String,
    ratings: BTreeMap<Attribute, f64>,
    #[serde(default)]
    key: Option<String>,
}

/// Measures on the first `limit` items, or on all.
///
/// # Errors
/// When an item is none, the model was not taught to rate, or it fails.
pub fn evaluate(
    engine: &Engine,
    items: &Items,
    limit: Option<usize>,
    progress: &mut dyn FnMut(Progress),
) -> Result<TaskResult> {
    let read = read(items, limit)?;
    let rules = CandidateSettings::default();
    if engine.tokenizer().taught_ratings().is_empty() {
        return Err(nuwa_infer::Error::NotTaughtToRate.into());
    }
    let mut scheduler = engine.scheduler(SLOTS)?;
    let mut figures = Figures::default();
    for (item, number) in read.iter().zip(0_u64..) {
        let turns: Vec<Message> =
            item.context.iter().cloned().chain([Message::new("assistant", item.response.as_str())]).collect();
        let attributes: Vec<Attribute> = item.ratings.keys().copied().collect();
        let goes_on = &mut || Flow::Continue(());
        let told = rate(&mut scheduler, &[answered_ids(engine.tokenizer(), &turns)?], &attributes, goes_on)?;
        told.iter().for_each(|told| figures.add_ratings(item, told));
        if let Some(key) = &item.key {
            let conversation = Conversation { system: None, turns: item.context.clone() };
            let drawn = conversation.candidates(&mut scheduler, &sampling(number), &rules, goes_on)?;
            figures.add_answers(key, &drawn);
        }
        let (done, total) = (number + 1, Some(read.len() as u64));
        progress(Progress { task: "rating answers", done, total, unit: "items", bytes: None });
    }
    let hashed: String = items
        .all
        .iter()
        .take(read.len())
        .map(|(fields, _)| Value::Object(fields.clone()).to_string())
        .collect();
    let settings =
        [("candidates", rules.count as u64), ("max_tokens", MOST_TOKENS as u64), ("top_k", TOP_K as u64)];
    let mut result = TaskResult {
        version: VERSION,
        n: read.len() as u64,
        metrics: figures.metrics(),
        settings: settings.map(|(name, value)| (name.to_string(), value)).into(),
        standard_errors: crate::ErrorsOver::Items,
        data_hash: nuwa_files::hash_bytes(hashed.as_bytes()),
        ..TaskResult::default()
    };
    let signature =
        Signature::new(NAME, VERSION).with("n", read.len()).with("data", items.digest(read.len()));
    result.sign(|_| signature.clone());
    Ok(result)
}

fn read(items: &Items, limit: Option<usize>) -> Result<Vec<Item>> {
    let some = items.all.iter().take(limit.unwrap_or(usize::MAX));
    some.map(|(fields, line)| {
        serde_json::from_value(Value::Object(fields.clone()))
            .map_err(|error| items.wrong(*line, format!("this is no rated answer: {error}")))
    })
    .collect()
}

/// The model's own probabilities, each item under a seed of its own.
fn sampling(number: u64) -> GenerateSettings {
    let sampling = SamplingSettings { temperature: 1.0, top_k: TOP_K, ..SamplingSettings::default() };
    GenerateSettings { max_tokens: MOST_TOKENS, seed: number << 16, sampling, ..GenerateSettings::default() }
}

/// Sums over items.
#[derive(Debug, Default)]
struct Figures {
    means: BTreeMap<String, Ratio>,
    /// Labels of 1 and of 0.
    labels: BTreeMap<Attribute, [u64; 2]>,
}

impl Figures {
    fn add(&mut self, name: impl Into<String>, value: f64) {
        self.means.entry(name.into()).or_default().add(value, 1.0);
    }

    fn add_ratings(&mut self, item: &Item, told: &Ratings) {
        for (attribute, label) in &item.ratings {
            let Some(rating) = told.get(*attribute) else { continue };
            let is_so = *label >= 0.5;
            self.labels.entry(*attribute).or_default()[usize::from(!is_so)] += 1;
            self.add(format!("accuracy_{attribute}"), f64::from(u8::from((rating >= 0.5) == is_so)));
        }
    }

    fn add_answers(&mut self, key: &str, drawn: &Candidates) {
        let holds = |text: &str| f64::from(u8::from(text.to_lowercase().contains(&key.to_lowercase())));
        let all: usize = drawn.answers.iter().map(|answer| answer.times).sum();
        let right: f64 = drawn.answers.iter().map(|answer| holds(&answer.text) * answer.times as f64).sum();
        self.add("right_drawn", right / all as f64);
        self.add("right_best", drawn.best().map_or(0.0, |best| holds(&best.text)));
        self.add("answered", f64::from(u8::from(drawn.best().is_some())));
        let Some(best) = drawn.best() else { return };
        let own: Vec<f64> = SSI.iter().filter_map(|attribute| best.ratings.get(*attribute)).collect();
        if !own.is_empty() {
            self.add("ssi_best", own.iter().sum::<f64>() / own.len() as f64);
        }
        if let Some(safe) = best.ratings.get(Attribute::Safe) {
            self.add("safe_best", safe);
        }
    }

    fn metrics(mut self) -> BTreeMap<String, crate::Metric> {
        for (attribute, [ones, zeros]) in std::mem::take(&mut self.labels) {
            let usual = if ones >= zeros { 0 } else { 1 };
            for (label, count) in [ones, zeros].into_iter().enumerate() {
                (0..count).for_each(|_| {
                    self.add(format!("usual_{attribute}"), f64::from(u8::from(label == usual)))
                });
            }
        }
        self.means.into_iter().filter_map(|(name, mean)| Some((name, mean.metric()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use nuwa_infer::{Finish, RatedAnswer};

    use super::*;

    #[test]
    fn ratings_are_held_against_their_labels() {
        let item = |safe: f64| Item {
            context: Vec::new(),
            response: String::new(),
            ratings: [(Attribute::Safe, safe)].into(),
            key: None,
        };
        let mut figures = Figures::default();
        for (label, rating) in [(1.0, 0.9), (1.0, 0.6), (1.0, 0.2), (0.0, 0.1)] {
            figures.add_ratings(&item(label), &Ratings([(Attribute::Safe, rating)].into()));
        }
        let metrics = figures.metrics();
        assert_eq!((metrics["accuracy_safe"].value, metrics["usual_safe"].value), (0.75, 0.75));
    }

    #[test]
    fn what_rating_is_worth_is_the_best_against_all_that_were_drawn() {
        let answer = |text: &str, times: usize, sensible: f64, is_safe: bool| RatedAnswer {
            text: text.into(),
            tokens: Vec::new(),
            finish: Finish::EndOfText,
            times,
            ratings: Ratings([(Attribute::Sensible, sensible)].into()),
            is_safe,
        };
        let answers = vec![answer("In Dorn.", 1, 0.8, true), answer("In Vell.", 3, 0.4, true)];
        let mut figures = Figures::default();
        figures.add_answers("dorn", &Candidates { answers, forgotten: 0, interrupted: false });
        let unsafe_only = vec![answer("In Dorn.", 4, 0.8, false)];
        figures.add_answers("Dorn", &Candidates { answers: unsafe_only, forgotten: 0, interrupted: false });
        let metrics = figures.metrics();
        let value = |name: &str| metrics[name].value;
        assert_eq!((value("right_drawn"), value("right_best"), value("answered")), (0.625, 0.5, 0.5));
        assert_eq!(value("ssi_best"), 0.8);
    }
}
