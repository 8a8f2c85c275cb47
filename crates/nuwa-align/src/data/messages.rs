//! Turns of a conversation, as chat `messages`, as ShareGPT `conversations`, and as one text.

use nuwa_tokenizer::Message;
use serde_json::{Map, Value};

use super::record::{Record, kind};
use super::roles::role;
use crate::Result;

/// The fields of a turn that say who speaks.
const SPEAKER: [&str; 5] = ["role", "from", "speaker", "author", "sender"];

/// The fields of a turn that hold what is said.
const SAID: [&str; 4] = ["content", "value", "text", "message"];

/// Whether a value looks like a turn.
pub fn is_turn(value: &Value) -> bool {
    let Value::Object(fields) = value else { return false };
    [&SPEAKER[..], &SAID[..]].iter().all(|names| names.iter().any(|name| fields.contains_key(*name)))
}

/// A list of turns, each `{"role", "content"}` or `{"from", "value"}`; in a table it is written as text.
pub fn list(record: &Record, field: &str, value: &Value) -> Result<Vec<Message>> {
    let parsed: Option<Value> = value.as_str().and_then(|text| serde_json::from_str(text).ok());
    let Value::Array(turns) = parsed.as_ref().unwrap_or(value) else {
        return Err(record.wrong(format!("{field} is {}, expected a list of turns", kind(value))));
    };
    turns
        .iter()
        .zip(1..)
        .map(|(turn, number)| one(record, &format!("turn {number} of {field}"), turn))
        .collect()
}

/// One turn.
pub fn one(record: &Record, what: &str, turn: &Value) -> Result<Message> {
    let Value::Object(fields) = turn else {
        return Err(record.wrong(format!("{what} is {}, expected an object", kind(turn))));
    };
    let field = |names: &[&str]| names.iter().find_map(|name| fields.get(*name));
    let Some(name) = field(&SPEAKER).and_then(Value::as_str) else {
        return Err(record.wrong(format!("{what} has no role")));
    };
    let Some(known) = role(name) else {
        return Err(
            record.wrong(format!("{what} has the role {name:?}, expected system, user, assistant or tool"))
        );
    };
    let mut message = Message::new(known, content(record, what, field(&SAID))?);
    message.extra = extra(fields);
    Ok(message)
}

/// Text, or a list of parts of which those of text count; null where a turn only calls tools.
fn content(record: &Record, what: &str, value: Option<&Value>) -> Result<String> {
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(tidy(text)),
        Some(Value::Array(parts)) => Ok(tidy(&parts.iter().filter_map(text_of_part).collect::<String>())),
        Some(other) => Err(record.wrong(format!("the content of {what} is {}, expected text", kind(other)))),
    }
}

fn text_of_part(part: &Value) -> Option<&str> {
    part.as_str().or_else(|| part["text"].as_str())
}

fn extra(fields: &Map<String, Value>) -> Map<String, Value> {
    let own = |name: &str| !SPEAKER.contains(&name) && !SAID.contains(&name);
    fields.iter().filter(|(name, _)| own(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Text without blanks at its ends, its lines ended as everywhere.
pub fn tidy(text: &str) -> String {
    let text = text.trim();
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.into() }
}

/// The turns of one text in the form of Anthropic's hh-rlhf: `\n\nHuman: ...\n\nAssistant: ...`.
pub fn of_text(text: &str) -> Vec<Message> {
    const MARKS: [(&str, &str); 2] = [("\n\nHuman:", "user"), ("\n\nAssistant:", "assistant")];
    let mut starts: Vec<(usize, usize, &str)> = MARKS
        .iter()
        .flat_map(|(mark, role)| text.match_indices(mark).map(move |(at, _)| (at, at + mark.len(), *role)))
        .collect();
    starts.sort_unstable();
    let ends = starts.iter().skip(1).map(|start| start.0).chain([text.len()]);
    let turn = |(&(_, begin, role), end): (&(usize, usize, &str), usize)| {
        Message::new(role, tidy(&text[begin..end]))
    };
    starts.iter().zip(ends).map(turn).collect()
}
