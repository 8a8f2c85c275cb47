//! Turns in the order that chat templates expect, and which of the answers are trained on.

use nuwa_tokenizer::Message;
use serde_json::Value;

use super::record::{Record, kind};
use crate::Result;

/// Turns in order.
#[derive(Debug, Default)]
pub struct Ordered {
    pub messages: Vec<Message>,
    /// The answers that are not trained on, by their place among the turns.
    pub untrained: Vec<usize>,
}

/// Holds the order of turns against what chat templates expect: leaves out answers before the first question, joins turns
/// of one role, and drops what stands after the last answer.
///
/// # Errors
/// When there is no answer to train on, one is empty, or the order is wrong otherwise.
pub fn in_order(record: &Record, messages: Vec<Message>) -> Result<Ordered> {
    let messages = after_a_question(record, up_to_the_last_answer(record, messages)?);
    if messages.is_empty() {
        return Err(
            record.wrong("it has no question: the assistant's turns have none of the user before them")
        );
    }
    let ordered = joined(record, messages)?;
    check_order(record, &ordered.messages)?;
    let answers = |message: &Message| message.role == "assistant";
    if ordered.messages.iter().any(|turn| answers(turn) && turn.content.is_empty() && !calls(turn)) {
        return Err(record.wrong("an answer is empty"));
    }
    if ordered.messages.iter().filter(|turn| answers(turn)).count() == ordered.untrained.len() {
        return Err(record.left_out("none of its answers is to be trained on: each has a weight of 0"));
    }
    Ok(ordered)
}

/// The same for turns that end with a question, such as the prompt of a preference; of their order nothing is asked.
///
/// # Errors
/// When a weight is none.
pub fn in_order_up_to_a_question(record: &Record, messages: Vec<Message>) -> Result<Vec<Message>> {
    Ok(joined(record, after_a_question(record, messages))?.messages)
}

fn up_to_the_last_answer(record: &Record, mut messages: Vec<Message>) -> Result<Vec<Message>> {
    let last = messages.iter().rposition(|message| message.role == "assistant");
    let Some(last) = last else { return Err(record.wrong("it has no answer: no turn is the assistant's")) };
    messages.truncate(last + 1);
    Ok(messages)
}

/// Without what the assistant says before the user's first turn; empty where there is no such turn.
fn after_a_question(record: &Record, mut messages: Vec<Message>) -> Vec<Message> {
    let Some(first) = messages.iter().position(|message| message.role == "user") else { return Vec::new() };
    let mut place = 0;
    messages.retain(|message| {
        place += 1;
        place > first || message.role == "system"
    });
    if messages.len() < place {
        record.mended("began with an answer, which was left out");
    }
    messages
}

/// Turns of one role that follow each other as one turn, with a blank line between them.
fn joined(record: &Record, messages: Vec<Message>) -> Result<Ordered> {
    let mut ordered = Ordered::default();
    for message in messages {
        let untrained = message.role == "assistant" && !is_trained(record, &message)?;
        match ordered.messages.last_mut().filter(|before| belongs_to(before, &message)) {
            Some(before) => {
                record.mended("had turns of one role after each other, which were joined");
                join(before, &message);
            }
            None => ordered.messages.push(message),
        }
        let place = ordered.messages.len() - 1;
        if untrained && ordered.untrained.last() != Some(&place) {
            ordered.untrained.push(place);
        }
    }
    ordered
        .messages
        .iter_mut()
        .for_each(|message| WEIGHTS.iter().for_each(|name| drop(message.extra.remove(*name))));
    Ok(ordered)
}

/// Whether two turns are one. A call of a tool and what is said to it may stand in two turns, and tools answer one by one.
fn belongs_to(before: &Message, message: &Message) -> bool {
    before.role == message.role && before.role != "tool" && !calls(before) && !calls(message)
}

fn join(before: &mut Message, message: &Message) {
    if !before.content.is_empty() && !message.content.is_empty() {
        before.content += "\n\n";
    }
    before.content += &message.content;
}

/// Fields that say whether an answer is trained on.
const WEIGHTS: [&str; 3] = ["weight", "train", "training"];

/// Whether an answer is trained on: 1 or 0, or true or false.
fn is_trained(record: &Record, message: &Message) -> Result<bool> {
    let given = WEIGHTS.iter().find_map(|name| Some((name, message.extra.get(*name)?)));
    let Some((name, value)) = given.filter(|(_, value)| !value.is_null()) else { return Ok(true) };
    match (value.as_f64(), value) {
        (Some(0.0), _) | (_, Value::Bool(false)) => Ok(false),
        (Some(1.0), _) | (_, Value::Bool(true)) => Ok(true),
        (Some(number), _) => {
            Err(record
                .wrong(format!("the {name} of an answer is {number}, expected 0 (not trained on) or 1")))
        }
        _ => Err(record.wrong(format!("the {name} of an answer is {}, expected 0 or 1", kind(value)))),
    }
}

fn check_order(record: &Record, messages: &[Message]) -> Result<()> {
    let mut before = "";
    for (message, number) in messages.iter().zip(1..) {
        let role = message.role.as_str();
        let fits = match role {
            "system" => before.is_empty(),
            "user" => before != "user",
            "tool" => before == "assistant" || before == "tool",
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
    Ok(())
}

fn calls(message: &Message) -> bool {
    message.extra.get("tool_calls").is_some_and(|calls| !calls.is_null())
        || message.content.trim_start().starts_with('{')
}
