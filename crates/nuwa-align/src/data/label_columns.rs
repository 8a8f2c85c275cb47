//! Which columns hold texts and labels: as they are named, or by their usual names.

use nuwa_format::Problem;
use serde_json::Value;

use super::dialogues::{ASKED, TURNS};
use super::pairs::{SOURCES, TARGETS};
use super::record::Record;
use crate::Result;

/// Usual names of the column of labels, those that say it most plainly first.
const LABELS: [&str; 12] = [
    "label",
    "labels",
    "class",
    "category",
    "sentiment",
    "score",
    "rating",
    "stars",
    "target",
    "intent",
    "topic",
    "emotion",
];

/// Usual names of the column of texts.
const TEXTS: [&str; 10] =
    ["text", "sentence", "review", "content", "comment", "document", "body", "message", "tweet", "title"];

/// Usual names of the columns of pairs of texts.
const PAIRS: [[&str; 2]; 7] = [
    ["sentence1", "sentence2"],
    ["premise", "hypothesis"],
    ["text1", "text2"],
    ["text_a", "text_b"],
    ["question1", "question2"],
    ["sentence_a", "sentence_b"],
    ["text", "text_pair"],
];

/// Which columns hold what, and what they are, as far as that was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelColumns {
    /// The texts.
    pub text: Option<String>,
    /// The second texts, of pairs.
    pub pair: Option<String>,
    /// The labels.
    pub label: Option<String>,
    /// What the labels are.
    pub problem: Option<Problem>,
}

impl LabelColumns {
    /// Whether something was said.
    pub fn is_said(&self) -> bool {
        *self != Self::default()
    }

    /// The columns that `record` has, those that were not said by their usual names.
    ///
    /// # Errors
    /// When it has none, or several that may be it.
    pub fn found_in(&self, record: &Record) -> Result<Self> {
        let label = match &self.label {
            Some(label) => named(record, label)?,
            None => match record.first_of(&LABELS) {
                Some(label) => label.into(),
                None => {
                    let known = "a column of labels by the name of label, class, category, score or the like";
                    return Err(record.lacks(known));
                }
            },
        };
        let (text, pair) = self.texts(record)?;
        Ok(Self { text: Some(text), pair, label: Some(label), problem: self.problem })
    }

    /// As [`LabelColumns::found_in`], of texts without labels.
    ///
    /// # Errors
    /// As there.
    pub fn texts_in(&self, record: &Record) -> Result<Self> {
        let (text, pair) = self.texts(record)?;
        Ok(Self { text: Some(text), pair, ..self.clone() })
    }

    fn texts(&self, record: &Record) -> Result<(String, Option<String>)> {
        if let Some(text) = &self.text {
            let pair = self.pair.as_ref().map(|pair| named(record, pair)).transpose()?;
            return Ok((named(record, text)?, pair));
        }
        if self.pair.is_some() {
            return Err(record.lacks("the column of first texts too"));
        }
        let both = |pair: &&[&'static str; 2]| pair.iter().all(|name| record.get(name).is_some());
        if let Some([first, second]) = PAIRS.iter().find(both) {
            return Ok((first.to_string(), Some(second.to_string())));
        }
        if let Some(text) = record.first_of(&TEXTS) {
            return Ok((text.into(), None));
        }
        only_text(record, self.label.as_deref())
            .map(|text| (text, None))
            .ok_or_else(|| record.lacks("a column of texts by the name of text"))
    }
}

/// The only column that may hold texts.
fn only_text(record: &Record, label: Option<&str>) -> Option<String> {
    let is_text = |name: &str, value: &Value| {
        let is_label = label.map_or(LABELS.contains(&name), |label| label.eq_ignore_ascii_case(name));
        let says = value.as_str().is_some_and(|text| text.parse::<f64>().is_err());
        says && !is_label && !["id", "idx", "index"].contains(&name)
    };
    let mut texts = record.fields.iter().filter(|(name, value)| is_text(&name.to_lowercase(), value));
    let (name, _) = texts.next()?;
    texts.next().is_none().then(|| name.clone())
}

fn named(record: &Record, name: &str) -> Result<String> {
    match record.has(name) {
        true => Ok(name.into()),
        false => Err(record.lacks(&format!("a column {name:?}"))),
    }
}

/// Whether a record is a text with a label rather than a dialogue, a pair of texts, a preference or a rated answer.
pub fn is_labelled(record: &Record) -> bool {
    let other = ["prompt", "ratings", "context", "chosen", "rejected", "instruction"];
    let is_other = record.first_of(&TURNS).or(record.first_of(&ASKED)).is_some()
        || other.iter().any(|name| record.has(name))
        || record.first_of(&SOURCES).is_some() && record.first_of(&TARGETS).is_some();
    !is_other && LabelColumns::default().found_in(record).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialogues_and_preferences_are_not_taken_for_labelled_texts() {
        let record = |fields: Value| Record::new((fields.as_object().unwrap().clone(), "a:1".into()));
        let is = |fields| is_labelled(&record(fields));
        assert!(is(serde_json::json!({"text": "a", "label": 1})));
        assert!(!is(serde_json::json!({"prompt": "a", "completion": "b", "label": true})));
        assert!(!is(serde_json::json!({"question": "a", "answer": "b", "score": 1})));
        assert!(!is(serde_json::json!({"text": "a"})));
        assert!(!is(serde_json::json!({"source": "a", "target": "b"})));
    }
}
