//! Dialogues to learn the answers of, in the four usual forms.

use nuwa_tokenizer::Message;
use serde_json::Value;

use super::Dialogue;
use super::messages::{in_order, list};
use super::records::{Record, kind};
use crate::Result;

const FORMS: &str =
    "messages (chat), conversations (ShareGPT), instruction and output (Alpaca), or prompt and completion";

/// The dialogue of a record, in the form that its fields tell.
///
/// # Errors
/// When the form is not known, a field is of the wrong kind, roles are in the wrong order, or there is no answer.
pub fn dialogue(record: &Record) -> Result<Dialogue> {
    let messages = if let Some(turns) = record.get("messages") {
        with_system(record, list(record, "messages", turns)?)
    } else if let Some(turns) = record.get("conversations") {
        with_system(record, list(record, "conversations", turns)?)
    } else if record.get("instruction").is_some() {
        alpaca(record)?
    } else if record.get("prompt").is_some() {
        prompt_and_completion(record)?
    } else {
        return Err(record.unknown(FORMS));
    };
    Ok(Dialogue { messages: in_order(record, messages)?, tools: tools(record), place: record.place.clone() })
}

/// What a record says outside of its turns.
fn with_system(record: &Record, mut messages: Vec<Message>) -> Vec<Message> {
    let said = record.get("system").and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    if let Some(text) = said
        && messages.first().is_none_or(|message| message.role != "system")
    {
        messages.insert(0, Message::new("system", text));
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
            messages.extend([Message::new("user", question), Message::new("assistant", answer)]);
        }
    }
    let instruction = record.text("instruction")?;
    let question = match record.get("input").and_then(Value::as_str).filter(|input| !input.trim().is_empty())
    {
        Some(input) if instruction.trim().is_empty() => input.to_string(),
        Some(input) => format!("{instruction}\n{input}"),
        None => instruction.to_string(),
    };
    messages.push(Message::new("user", question));
    Ok(with_system(record, messages))
}

fn alpaca(record: &Record) -> Result<Vec<Message>> {
    let mut messages = alpaca_prompt(record)?;
    messages.push(Message::new("assistant", record.text("output")?));
    Ok(messages)
}

/// A prompt as text or as turns.
pub fn prompt(record: &Record) -> Result<Vec<Message>> {
    match record.get("prompt") {
        Some(Value::String(text)) => Ok(with_system(record, vec![Message::new("user", text.as_str())])),
        Some(turns @ Value::Array(_)) => Ok(with_system(record, list(record, "prompt", turns)?)),
        Some(other) => Err(record.wrong(format!("prompt is {}, expected text or turns", kind(other)))),
        None => Err(record.wrong("prompt is missing")),
    }
}

fn prompt_and_completion(record: &Record) -> Result<Vec<Message>> {
    let mut messages = prompt(record)?;
    let names = ["completion", "response", "answer", "output"];
    let Some(name) = names.into_iter().find(|name| record.get(name).is_some()) else {
        return Err(record.unknown(FORMS));
    };
    match record.get(name) {
        Some(turns @ Value::Array(_)) => messages.extend(list(record, name, turns)?),
        _ => messages.push(Message::new("assistant", record.text(name)?)),
    }
    Ok(messages)
}
