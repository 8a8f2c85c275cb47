//! Rated answers: a context, a response to it, and what raters found.

use std::collections::BTreeMap;

use nuwa_tokenizer::{Attribute, Message};
use serde_json::{Map, Value};

use super::dialogues::{ASKED, TURNS, dialogue};
use super::messages::{list, tidy};
use super::order::in_order;
use super::record::{Record, kind};
use super::{Dialogue, Lesson, Rated};
use crate::Result;

/// What a record teaches: to answer as its dialogue does, or to rate an answer.
///
/// A record with `ratings` is rated, and so is one with a `context` and no other form of a question: where such a record has lost its
/// ratings, its response, be it a bad one, is not learnt as an answer.
///
/// # Errors
/// As [`dialogue`], or when a rating is none.
pub fn lesson(record: &Record) -> Result<Lesson> {
    let is_asked =
        record.first_of(&TURNS).or(record.first_of(&ASKED)).is_some() || record.get("prompt").is_some();
    let is_rated = record.has("ratings") || (record.has("context") && !is_asked);
    if is_rated { rated(record).map(Lesson::Rated) } else { dialogue(record).map(Lesson::Dialogue) }
}

/// `context` (turns, or the text of one question), `response`, and `ratings`: an attribute's name, and 0 or 1, or the share of
/// raters who said 1.
///
/// # Errors
/// When one of them is missing or of the wrong kind, the context does not end with a question, an attribute is unknown, or a
/// rating is not from 0 to 1.
pub fn rated(record: &Record) -> Result<Rated> {
    let ratings = ratings(record)?;
    let mut messages = context(record)?;
    if messages.last().is_none_or(|turn| turn.role == "assistant") {
        return Err(record.wrong("the context does not end with what the response answers to"));
    }
    messages.push(Message::new("assistant", tidy(record.text("response")?)));
    let ordered = in_order(record, messages)?;
    let dialogue = Dialogue {
        messages: ordered.messages,
        untrained: Vec::new(),
        tools: None,
        place: record.place.clone(),
    };
    Ok(Rated { dialogue, ratings })
}

/// The turns that a rated answer answers to.
pub fn context(record: &Record) -> Result<Vec<Message>> {
    match record.get("context") {
        Some(Value::String(text)) if !text.trim_start().starts_with('[') => {
            Ok(vec![Message::new("user", tidy(text))])
        }
        Some(turns @ (Value::Array(_) | Value::String(_))) => list(record, "context", turns),
        Some(other) => Err(record.wrong(format!("context is {}, expected text or turns", kind(other)))),
        None => Err(record.wrong("context is missing: the turns that the response answers to")),
    }
}

fn ratings(record: &Record) -> Result<BTreeMap<Attribute, f32>> {
    const EXAMPLE: &str = r#"such as {"sensible": 1, "specific": 0, "interesting": 0, "safe": 1}"#;
    let parsed: Option<Value> =
        record.get("ratings").and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
    let fields: &Map<String, Value> = match parsed.as_ref().or(record.get("ratings")) {
        Some(Value::Object(fields)) => fields,
        Some(other) => {
            return Err(record.wrong(format!("ratings is {}, expected an object {EXAMPLE}", kind(other))));
        }
        None => return Err(record.wrong(format!("it has no ratings: expected an object {EXAMPLE}"))),
    };
    if fields.is_empty() {
        return Err(record.wrong(format!("its ratings are empty: expected an object {EXAMPLE}")));
    }
    fields.iter().map(|(name, value)| Ok((attribute(record, name)?, rating(record, name, value)?))).collect()
}

fn attribute(record: &Record, name: &str) -> Result<Attribute> {
    Attribute::of_name(name).ok_or_else(|| {
        let known: Vec<&str> = Attribute::ALL.iter().map(|attribute| attribute.name()).collect();
        record.wrong(format!(
            "{name:?} is no attribute that answers are rated for: expected {}",
            known.join(", ")
        ))
    })
}

fn rating(record: &Record, name: &str, value: &Value) -> Result<f32> {
    let number = match value {
        Value::Bool(is_so) => Some(f64::from(u8::from(*is_so))),
        other => other.as_f64(),
    };
    match number {
        Some(rating) if (0.0..=1.0).contains(&rating) => Ok(rating as f32),
        Some(rating) => {
            Err(record.wrong(format!("the rating {name} is {rating}, expected a number from 0 to 1")))
        }
        None => {
            Err(record.wrong(format!("the rating {name} is {}, expected a number from 0 to 1", kind(value))))
        }
    }
}
