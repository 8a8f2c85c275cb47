//! Single answers, each good or bad: `prompt`, `completion` and `label`, or a dialogue with a label.

use nuwa_tokenizer::Message;
use serde_json::Value;

use super::dialogues::unlabelled;
use super::record::{Record, kind};
use super::{Dialogue, JudgedAnswer};
use crate::Result;

/// Fields that say whether an answer is a good one.
pub const LABELS: [&str; 2] = ["label", "kto_tag"];

const EXPECTED: &str = "true or false, 1 or 0, good or bad, 👍 or 👎";

/// The last answer of a labelled dialogue.
///
/// # Errors
/// When the record is no dialogue, or its label is none.
pub fn judged(record: &Record) -> Result<JudgedAnswer> {
    let name = record.first_of(&LABELS).unwrap_or(LABELS[0]);
    let is_good = match record.get(name) {
        Some(label) => verdict(label).ok_or_else(|| {
            let told = label.as_str().map_or_else(|| told(label), |text| format!("{text:?}"));
            record.wrong(format!("{name} is {told}, expected {EXPECTED}"))
        })?,
        None => return Err(record.wrong(format!("label is missing, expected {EXPECTED}"))),
    };
    let Dialogue { mut messages, place, .. } = unlabelled(record)?;
    let last = messages.len() - 1;
    let answer: Vec<Message> = messages.drain(last..).collect();
    Ok(JudgedAnswer { prompt: messages, answer, is_good, place })
}

fn told(label: &Value) -> String {
    label.as_f64().map_or_else(|| kind(label).into(), |number| number.to_string())
}

/// What a label says; nothing where it says neither.
pub fn verdict(label: &Value) -> Option<bool> {
    match label {
        Value::Bool(is_good) => Some(*is_good),
        Value::Number(number) if number.as_f64() == Some(1.0) => Some(true),
        Value::Number(number) if number.as_f64() == Some(0.0) => Some(false),
        Value::String(text) => verdict_of_text(&text.trim().to_lowercase()),
        _ => None,
    }
}

fn verdict_of_text(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "good" | "desirable" | "好" => Some(true),
        "false" | "0" | "bad" | "undesirable" | "差" => Some(false),
        // A thumb may have a skin tone.
        _ if text.starts_with('👍') => Some(true),
        _ if text.starts_with('👎') => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_of_every_kind_are_understood() {
        for label in
            [json!(true), json!(1), json!(1.0), json!("True"), json!("1"), json!(" good "), json!("👍🏽")]
        {
            assert_eq!(verdict(&label), Some(true), "{label}");
        }
        for label in [json!(false), json!(0), json!("FALSE"), json!("0"), json!("bad"), json!("👎")] {
            assert_eq!(verdict(&label), Some(false), "{label}");
        }
        for label in [json!(0.5), json!(2), json!("maybe"), json!([]), json!("")] {
            assert_eq!(verdict(&label), None, "{label}");
        }
    }
}
