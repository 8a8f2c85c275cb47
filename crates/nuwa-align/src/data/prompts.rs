//! Prompts: questions to be answered by the model itself, with reference answers where there are some.

use std::collections::HashMap;
use std::path::PathBuf;

use nuwa_tokenizer::Message;
use serde_json::{Map, Value};

use super::dialogues::{self, ANSWERS, ASKED, TURNS, alpaca_prompt, is_labelled_bad, with_system};
use super::files::records_or_lines;
use super::messages::{is_turn, list, one, tidy};
use super::order::in_order_up_to_a_question;
use super::preferences::preference;
use super::ratings::context;
use super::record::{Record, kind};
use super::{Columns, Reading, gather};
use crate::error::Advice;
use crate::{BadRecords, Error, Result};

const FORMS: &str = "prompt (text or turns), a pair with chosen and rejected, a dialogue (messages, conversations), instruction, or question";

/// Fields that hold reference answers and nothing else.
const REFERENCES: [&str; 4] = ["answers", "answer", "reference", "solution"];

/// Fields that hold one of two answers.
const OF_PAIRS: [&str; 2] = ["chosen", "rejected"];

/// A question that the model is to answer, and what is known of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// The turns; the last one asks.
    pub messages: Vec<Message>,
    /// Reference answers: each of them counts as right. There may be none.
    pub answers: Vec<String>,
    /// The whole record, for what judges answers by more than that.
    pub fields: Map<String, Value>,
    /// File, and line or item.
    pub place: String,
}

impl Prompt {
    /// What the last turn asks.
    pub fn question(&self) -> &str {
        self.messages.last().map_or("", |turn| &turn.content)
    }
}

/// The prompt of a record: `prompt` as text or turns, what both answers of a preference answer to, or a dialogue up to the user's
/// last turn.
///
/// Reference answers are what `answers`, `answer`, `reference` or `solution` holds (a text, a number, or a list of them), else
/// the completion or the last turn of the assistant in a dialogue. Of a pair neither answer is a reference.
///
/// # Errors
/// When the form is not known, a field is of the wrong kind, or nothing is asked.
pub fn prompt(record: &Record) -> Result<Prompt> {
    understood(record).map_err(Error::about_a_prompt)
}

fn understood(record: &Record) -> Result<Prompt> {
    let is_pair = record.first_of(&OF_PAIRS).is_some();
    let (messages, said) = match is_pair {
        true => (preference(record)?.prompt, None),
        false => split(record, given(record)?)?,
    };
    if messages.last().is_none_or(|turn| turn.content.is_empty()) {
        return Err(record.wrong("the prompt is empty"));
    }
    let answers = references(record, is_pair, said)?;
    Ok(Prompt { messages, answers, fields: record.fields.clone(), place: record.place.clone() })
}

/// The turns of a record, with their answers or without.
fn given(record: &Record) -> Result<Vec<Message>> {
    if record.get("prompt").is_some() {
        return dialogues::prompt(record);
    }
    if let Some(name) = record.first_of(&TURNS) {
        return Ok(with_system(record, list(record, name, record.get(name).unwrap_or(&Value::Null))?));
    }
    if record.first_of(&ASKED).is_some() {
        return alpaca_prompt(record);
    }
    match record.get("context") {
        Some(_) => context(record),
        None => Err(record.unknown(FORMS, Advice::Columns("prompt=FIELD,answer=FIELD"))),
    }
}

/// The turns up to the last question, and what was answered to it at the end.
fn split(record: &Record, mut messages: Vec<Message>) -> Result<(Vec<Message>, Option<String>)> {
    let Some(last) = messages.iter().rposition(|turn| turn.role == "user") else {
        return Err(record.wrong("it has no question: no turn is the user's"));
    };
    let after = messages.split_off(last + 1);
    let said = after.into_iter().rfind(|turn| turn.role == "assistant" && !turn.content.is_empty());
    Ok((in_order_up_to_a_question(record, messages)?, said.map(|turn| turn.content)))
}

/// The answers that count as right.
fn references(record: &Record, is_pair: bool, said: Option<String>) -> Result<Vec<String>> {
    let field = record.first_of(&REFERENCES).or(record.first_of(&ANSWERS).filter(|_| !is_pair));
    let mut answers: Vec<String> = match field {
        Some(name) => texts(record, name, record.get(name).unwrap_or(&Value::Null))?,
        None => said.into_iter().collect(),
    };
    if !answers.is_empty() && is_labelled_bad(record) {
        record.mended("had an answer that its label calls a bad one, which is no reference answer");
        answers.clear();
    }
    Ok(answers)
}

/// A text, a number, or a list of them; in a table a list is written as text.
fn texts(record: &Record, name: &str, value: &Value) -> Result<Vec<String>> {
    let parsed: Option<Vec<Value>> =
        value.as_str().filter(|text| text.starts_with('[')).and_then(|text| serde_json::from_str(text).ok());
    let listed = parsed.as_ref().or(value.as_array());
    let values = listed.map_or(std::slice::from_ref(value), Vec::as_slice);
    let mut all = Vec::with_capacity(values.len());
    for value in values {
        match value {
            Value::Null => {}
            Value::String(text) => all.push(tidy(text)),
            Value::Number(_) | Value::Bool(_) => all.push(value.to_string()),
            turn if is_turn(turn) => all.push(one(record, name, turn)?.content),
            other => {
                return Err(record.wrong(format!(
                    "{name} holds {}, expected a text, a number or a list of them",
                    kind(other)
                )));
            }
        }
    }
    all.retain(|text| !text.is_empty());
    Ok(all)
}

/// Reads the prompts of `paths` (files, or folders of them). In plain text (`.txt`), each line that is not blank is a prompt. A
/// prompt that comes again is left out and counted; its reference answers count for the first as well.
///
/// # Errors
/// When a file cannot be read, holds nothing, or a record is not understood and `bad` does not say to skip it.
pub fn prompts(paths: &[PathBuf], columns: &Columns, bad: BadRecords) -> Result<(Vec<Prompt>, Reading)> {
    let (all, mut reading) = gather(paths, |path| records_or_lines(path, columns), bad, prompt)?;
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Prompt> = Vec::with_capacity(all.len());
    for prompt in all {
        let turns = Value::from_iter(prompt.messages.iter().map(|turn| serde_json::json!(turn)));
        match places.get(&turns.to_string()) {
            Some(&first) => {
                reading.skip("it is the same prompt as one before it".into());
                take_in(&mut kept[first].answers, prompt.answers);
            }
            None => {
                places.insert(turns.to_string(), kept.len());
                kept.push(prompt);
            }
        }
    }
    Ok((kept, reading))
}

fn take_in(answers: &mut Vec<String>, more: Vec<String>) {
    for answer in more {
        if !answers.contains(&answer) {
            answers.push(answer);
        }
    }
}
