//! Turns of a conversation, as chat `messages`, as ShareGPT `conversations`, and as one text.

use nuwa_tokenizer::Message;
use serde_json::{Map, Value};

use super::records::{Record, kind};
use crate::Result;

/// Who speaks, by the names that files use.
fn role(name: &str) -> Option<&'static str> {
    Some(match name.to_lowercase().as_str() {
        "system" | "developer" => "system",
        "user" | "human" | "prompter" => "user",
        "assistant" | "gpt" | "bot" | "chatbot" | "bing" | "model" | "function_call" => "assistant",
        "tool" | "observation" | "function" | "function_response" | "tool_response" => "tool",
        _ => return None,
    })
}

/// A list of turns, each `{"role", "content"}` or `{"from", "value"}`.
pub fn list(record: &Record, field: &str, value: &Value) -> Result<Vec<Message>> {
    let Value::Array(turns) = value else {
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
    let name = fields.get("role").or(fields.get("from")).and_then(Value::as_str);
    let Some(name) = name else { return Err(record.wrong(format!("{what} has no role"))) };
    let Some(known) = role(name) else {
        return Err(
            record.wrong(format!("{what} has the role {name:?}, expected system, user, assistant or tool"))
        );
    };
    let content = content(record, what, fields.get("content").or(fields.get("value")))?;
    let mut message = Message::new(known, content);
    message.extra = extra(fields);
    Ok(message)
}

/// Text, or a list of parts of which those of text count; null where a turn only calls tools.
fn content(record: &Record, what: &str, value: Option<&Value>) -> Result<String> {
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => Ok(parts.iter().filter_map(|part| part["text"].as_str()).collect()),
        Some(other) => Err(record.wrong(format!("the content of {what} is {}, expected text", kind(other)))),
    }
}

fn extra(fields: &Map<String, Value>) -> Map<String, Value> {
    let own = |name: &str| !["role", "from", "content", "value"].contains(&name);
    fields.iter().filter(|(name, _)| own(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
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
        Message::new(role, text[begin..end].trim())
    };
    starts.iter().zip(ends).map(turn).collect()
}

/// Holds the order of turns against what chat templates expect, and drops what stands after the last answer.
pub fn in_order(record: &Record, mut messages: Vec<Message>) -> Result<Vec<Message>> {
    let last = messages.iter().rposition(|message| message.role == "assistant");
    let Some(last) = last else { return Err(record.wrong("it has no answer: no turn is the assistant's")) };
    messages.truncate(last + 1);
    let mut before = "";
    for (message, number) in messages.iter().zip(1..) {
        let role = message.role.as_str();
        let fits = match role {
            "system" => before.is_empty(),
            "user" => before != "user",
            "tool" => before == "assistant" || before == "tool",
            // A call of a tool and what is said to it may stand in two turns.
            _ => {
                before == "user"
                    || before == "tool"
                    || (before == "assistant" && calls(&messages[number - 2]))
            }
        };
        if !fits {
            let after = if before.is_empty() { "at the beginning".into() } else { format!("after {before}") };
            return Err(
                record.wrong(format!("turn {number} is {role} {after}: the roles are in the wrong order"))
            );
        }
        before = role;
    }
    let silent = |message: &&Message| {
        message.role == "assistant" && message.content.trim().is_empty() && !calls(message)
    };
    match messages.iter().find(silent) {
        Some(_) => Err(record.wrong("an answer is empty")),
        None => Ok(messages),
    }
}

fn calls(message: &Message) -> bool {
    message.extra.contains_key("tool_calls") || message.content.trim_start().starts_with('{')
}
