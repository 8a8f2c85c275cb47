//! Pairs of answers: `prompt`, `chosen`, `rejected` in the ways that files write them.

use nuwa_tokenizer::Message;
use serde_json::Value;

use super::dialogues::{ASKED, TURNS, alpaca_prompt, prompt};
use super::messages::{list, of_text, one, tidy};
use super::order::in_order_up_to_a_question;
use super::record::{Record, kind};
use super::scores::{is_scored, scored};
use super::verdicts::LABELS;
use super::{Preference, SAME_SCORE};
use crate::error::Advice;
use crate::{Error, Result};

const FORMS: &str = "chosen and rejected, with prompt, conversations or instruction, or with the whole dialogue in both; or completions and scores";

/// The preference of a record.
///
/// The prompt is `prompt` (text or turns), `conversations` (ShareGPT), `messages` or `instruction` with `input`; without
/// any, it is what the dialogues `chosen` and `rejected` have in common at their beginning, as in hh-rlhf. Of answers with `scores`
/// the best is chosen over the worst.
///
/// # Errors
/// When a field is missing or of the wrong kind, an answer is empty, or both are the same.
pub fn preference(record: &Record) -> Result<Preference> {
    let is_pair = record.first_of(&["chosen", "rejected"]).is_some();
    let understood = if !is_pair && is_scored(record) { best_and_worst(record) } else { pair(record) };
    understood.map_err(|error| error.in_stage("dpo"))
}

/// All preferences of a record, for a model that compares several answers to one prompt (Ouyang et al. 2022): of answers with
/// `scores` every two whose scores differ.
///
/// # Errors
/// As [`preference`].
pub fn preferences(record: &Record) -> Result<Vec<Preference>> {
    let is_pair = record.first_of(&["chosen", "rejected"]).is_some();
    if is_pair || !is_scored(record) {
        return Ok(vec![preference(record)?]);
    }
    let pairs = scored(record)?.pairs();
    if pairs.is_empty() { Err(record.left_out(SAME_SCORE)) } else { Ok(pairs) }
}

fn best_and_worst(record: &Record) -> Result<Preference> {
    scored(record)?.best_and_worst().ok_or_else(|| record.left_out(SAME_SCORE))
}

/// A pair that is written as such.
pub fn pair(record: &Record) -> Result<Preference> {
    let mut common = given_prompt(record)?;
    let [mut chosen, mut rejected] =
        [answer(record, "chosen", common.is_empty())?, answer(record, "rejected", common.is_empty())?];
    let shared = chosen.iter().zip(&rejected).take_while(|(one, other)| one == other).count();
    // A whole dialogue on both sides may repeat a prompt that was also given.
    if common.is_empty() || chosen.starts_with(&common) {
        common = chosen[..shared].to_vec();
        chosen.drain(..shared);
        rejected.drain(..shared);
    }
    let common = in_order_up_to_a_question(record, common)?;
    check(record, &common, [&chosen, &rejected])?;
    let margin = margin(record)?;
    Ok(Preference { prompt: common, chosen, rejected, margin, place: record.place.clone() })
}

/// The prompt that stands outside of the answers, empty where there is none.
pub fn given_prompt(record: &Record) -> Result<Vec<Message>> {
    if record.get("prompt").is_some() {
        return prompt(record);
    }
    if let Some(name) = record.first_of(&TURNS) {
        return list(record, name, record.get(name).unwrap_or(&Value::Null));
    }
    if record.first_of(&ASKED).is_some() { alpaca_prompt(record) } else { Ok(Vec::new()) }
}

fn unknown(record: &Record) -> Error {
    let advice = match record.first_of(&LABELS) {
        Some(_) => Advice::LabelledAnswers,
        None => Advice::Columns("prompt=FIELD,chosen=FIELD,rejected=FIELD"),
    };
    record.unknown(FORMS, advice)
}

/// An answer as text, as one turn, as turns; or, with `whole`, a dialogue in one text.
fn answer(record: &Record, name: &str, whole: bool) -> Result<Vec<Message>> {
    match record.get(name) {
        Some(Value::String(text)) if whole => {
            let turns = of_text(text);
            if turns.is_empty() && !text.trim().is_empty() { Err(unknown(record)) } else { Ok(turns) }
        }
        Some(value) => answer_of(record, name, value),
        None => Err(unknown(record)),
    }
}

/// What the record says of the distance between the two; 0 where it says nothing.
fn margin(record: &Record) -> Result<f32> {
    match record.get("margin") {
        None | Some(Value::Null) => Ok(0.0),
        Some(value) => match value.as_f64().filter(|margin| *margin >= 0.0) {
            Some(margin) => Ok(margin as f32),
            None => Err(record.wrong(format!("margin is {value}, expected a number of at least 0"))),
        },
    }
}

/// An answer as text, as one turn, or as turns.
pub fn answer_of(record: &Record, what: &str, value: &Value) -> Result<Vec<Message>> {
    match value {
        Value::String(text) => Ok(vec![Message::new("assistant", tidy(text))]),
        turns @ Value::Array(_) => list(record, what, turns),
        turn @ Value::Object(_) => Ok(vec![one(record, what, turn)?]),
        other => Err(record.wrong(format!("{what} is {}, expected text or turns", kind(other)))),
    }
}

fn check(record: &Record, prompt: &[Message], answers: [&[Message]; 2]) -> Result<()> {
    let [chosen, rejected] = answers;
    if chosen.is_empty() && rejected.is_empty() || chosen == rejected {
        return Err(record.wrong("chosen is equal to rejected"));
    }
    for (name, turns) in ["chosen", "rejected"].into_iter().zip(answers) {
        check_answer(record, name, turns)?;
    }
    check_prompt(record, prompt)
}

/// That an answer says something, and is the assistant's.
pub fn check_answer(record: &Record, name: &str, turns: &[Message]) -> Result<()> {
    if turns.iter().all(|turn| turn.content.trim().is_empty()) {
        return Err(record.wrong(format!("{name} is empty: expected an answer")));
    }
    if turns[0].role != "assistant" || turns.last().is_some_and(|turn| turn.role != "assistant") {
        return Err(record.wrong(format!("{name} does not begin and end with a turn of the assistant")));
    }
    Ok(())
}

/// That a prompt ends with something to answer.
pub fn check_prompt(record: &Record, prompt: &[Message]) -> Result<()> {
    match prompt.last() {
        Some(turn) if turn.role == "user" || turn.role == "tool" => Ok(()),
        Some(turn) => {
            Err(record.wrong(format!("the prompt ends with {}: expected a turn of the user", turn.role)))
        }
        None => Err(record.wrong("the prompt is empty")),
    }
}
