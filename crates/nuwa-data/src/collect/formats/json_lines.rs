//! JSON lines: an object a line, its text in one field.

use std::path::Path;

use serde_json::{Map, Value};

use crate::collect::read::Reading;
use crate::documents::{Document, json_problem, read_line};
use crate::{Error, Result};

/// A document a line.
pub(in crate::collect) fn read(reading: &mut Reading) -> Result<&'static str> {
    let mut text = reading.text()?;
    let input = reading.input;
    let path = &input.path;
    for number in 1.. {
        let line = match read_line(&mut text.reader, path, number) {
            Err(error @ Error::LongLine { .. }) => {
                reading.give_line(Err(error))?;
                text.skip_line()?;
                continue;
            }
            line => line?,
        };
        if line.is_empty() {
            break;
        }
        if !line.trim_ascii().is_empty() {
            let document = document(reading, &line, number);
            reading.give_line(document)?;
        }
    }
    Ok("jsonl")
}

/// The object's other fields are kept: `lang` and `meta` as ours, the rest in `meta`.
fn document(reading: &Reading, line: &[u8], number: u64) -> Result<Document> {
    let mut fields = parse_object(line, &reading.input.path, number)?;
    let text = take_text(reading, &mut fields, number)?;
    let mut document = reading.document(Some(number), text, "jsonl");
    if let Some(Value::String(lang)) = fields.get("lang") {
        document.lang = Some(lang.clone());
        fields.remove("lang");
    }
    if let Some(Value::Object(meta)) = fields.remove("meta") {
        document.meta.extend(meta);
    }
    document.meta.extend(fields);
    Ok(document)
}

fn take_text(reading: &Reading, fields: &mut Map<String, Value>, line: u64) -> Result<String> {
    let path = reading.input.path.clone();
    let field = reading.way.settings.text_field.clone();
    match fields.remove(&field) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(Error::TextNotString { path, line, field, found: kind(&other) }),
        None => {
            let strings = fields.iter().filter(|(_, value)| value.is_string());
            let others = strings.map(|(name, _)| name.clone()).take(10).collect();
            Err(Error::NoText { path, line, field, others })
        }
    }
}

fn parse_object(line: &[u8], path: &Path, number: u64) -> Result<Map<String, Value>> {
    let invalid = |problem: String| Error::Json { path: path.to_path_buf(), line: number, problem };
    match serde_json::from_slice(line) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(invalid(format!("{}, expected an object", kind(&other)))),
        Err(error) => Err(invalid(json_problem(&error))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
