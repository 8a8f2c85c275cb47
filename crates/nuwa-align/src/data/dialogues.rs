//! Dialogues to learn the answers of, in the usual forms.

use nuwa_tokenizer::Message;
use serde_json::Value;

use super::Dialogue;
use super::messages::{list, tidy};
use super::order::{Ordered, in_order};
use super::record::{Record, kind};
use super::verdicts::verdict;
use crate::error::Advice;
use crate::{Error, Result};

const FORMS: &str = "messages (chat), conversations (ShareGPT), instruction and output (Alpaca), prompt and completion, or question and answer";

/// Fields that hold the turns.
pub const TURNS: [&str; 5] = ["messages", "conversations", "conversation", "dialogue", "dialog"];

/// Fields that hold what is asked, in the form of Alpaca.
pub const ASKED: [&str; 3] = ["instruction", "question", "query"];

/// Fields that hold the answer.
pub const ANSWERS: [&str; 5] = ["output", "completion", "response", "answer", "reply"];

/// The dialogue of a record, in the form that its fields tell.
///
/// # Errors
/// When the form is not known, a field is of the wrong kind, roles are in the wrong order, there is no answer, or the record
/// says that its answer is a bad one.
pub fn dialogue(record: &Record) -> Result<Dialogue> {
    let messages = messages(record)?;
    check_label(record)?;
    in_order_with_tools(record, messages)
}

/// The same, whatever the record says of its answer.
///
/// # Errors
/// As there, but for the last.
pub fn unlabelled(record: &Record) -> Result<Dialogue> {
    in_order_with_tools(record, messages(record)?)
}

fn messages(record: &Record) -> Result<Vec<Message>> {
    if let Some(name) = record.first_of(&TURNS) {
        turns(record, name)
    } else if record.first_of(&ASKED).is_some() {
        alpaca(record)
    } else if record.get("prompt").is_some() {
        prompt_and_completion(record)
    } else {
        Err(unknown(record))
    }
}

fn in_order_with_tools(record: &Record, messages: Vec<Message>) -> Result<Dialogue> {
    let Ordered { messages, untrained } = in_order(record, messages)?;
    Ok(Dialogue { messages, untrained, tools: tools(record), place: record.place.clone() })
}

/// The turns of a record that has some; in files of preferences `completion` goes on from them.
fn turns(record: &Record, name: &str) -> Result<Vec<Message>> {
    let mut messages = with_system(record, list(record, name, record.get(name).unwrap_or(&Value::Null))?);
    let ends_asking = messages.last().is_some_and(|message| message.role != "assistant");
    if let Some(answer) = record.first_of(&ANSWERS).filter(|_| ends_asking) {
        messages.push(Message::new("assistant", tidy(record.text(answer)?)));
    }
    Ok(messages)
}

/// Where records are labelled as good or bad (as for KTO), a bad answer is not to be learnt.
fn check_label(record: &Record) -> Result<()> {
    if is_labelled_bad(record) {
        Err(record.left_out("its label says that the answer is a bad one"))
    } else {
        Ok(())
    }
}

/// Whether the record says that its answer is a bad one.
pub fn is_labelled_bad(record: &Record) -> bool {
    record.get("label").and_then(verdict) == Some(false)
}

fn unknown(record: &Record) -> Error {
    let advice = match record.first_of(&["chosen", "rejected"]) {
        Some(_) => Advice::Preferences,
        None => Advice::Columns("instruction=FIELD,output=FIELD"),
    };
    record.unknown(FORMS, advice)
}

/// What a record says outside of its turns.
pub fn with_system(record: &Record, mut messages: Vec<Message>) -> Vec<Message> {
    let said = record.get("system").and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    if let Some(text) = said
        && messages.first().is_none_or(|message| message.role != "system")
    {
        messages.insert(0, Message::new("system", tidy(text)));
    }
    messages
}

/// Tools are a list, or a list written as text.
fn tools(record: &Record) -> Option<Value> {
    let tools = match record.get("tools")? {
        Value::String(text) => serde_json::from_str(text).ok()?,
        other => other.clone(),
    };
    tools.as_array().is_some_and(|list| !list.is_empty()).then_some(tools)
}

/// `instruction`, `input` below it where there is one, and `history` of earlier pairs before them.
pub fn alpaca_prompt(record: &Record) -> Result<Vec<Message>> {
    let mut messages = Vec::new();
    if let Some(Value::Array(pairs)) = record.get("history") {
        for pair in pairs {
            let [Some(question), Some(answer)] = [pair[0].as_str(), pair[1].as_str()] else {
                return Err(record.wrong("history is expected to hold pairs of texts"));
            };
            messages.extend([Message::new("user", tidy(question)), Message::new("assistant", tidy(answer))]);
        }
    }
    messages.push(Message::new("user", asked(record)?));
    Ok(with_system(record, messages))
}

fn asked(record: &Record) -> Result<String> {
    let name = record.first_of(&ASKED).unwrap_or(ASKED[0]);
    let parts = [Some(tidy(record.text(name)?)), record.get("input").and_then(Value::as_str).map(tidy)];
    let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { Err(record.wrong(format!("{name} is empty"))) } else { Ok(parts.join("\n")) }
}

fn alpaca(record: &Record) -> Result<Vec<Message>> {
    let Some(name) = record.first_of(&ANSWERS) else { return Err(unknown(record)) };
    let mut messages = alpaca_prompt(record)?;
    messages.push(Message::new("assistant", tidy(record.text(name)?)));
    Ok(messages)
}

/// A prompt as text or as turns.
pub fn prompt(record: &Record) -> Result<Vec<Message>> {
    match record.get("prompt") {
        Some(Value::String(text)) => Ok(with_system(record, vec![Message::new("user", tidy(text))])),
        Some(turns @ Value::Array(_)) => Ok(with_system(record, list(record, "prompt", turns)?)),
        Some(other) => Err(record.wrong(format!("prompt is {}, expected text or turns", kind(other)))),
        None => Err(record.wrong("prompt is missing")),
    }
}

fn prompt_and_completion(record: &Record) -> Result<Vec<Message>> {
    let mut messages = prompt(record)?;
    let Some(name) = record.first_of(&ANSWERS) else { return Err(unknown(record)) };
    match record.get(name) {
        Some(turns @ Value::Array(_)) => messages.extend(list(record, name, turns)?),
        _ => messages.push(Message::new("assistant", tidy(record.text(name)?))),
    }
    Ok(messages)
}
