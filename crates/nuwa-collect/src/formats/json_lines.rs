//! JSON: an object a line, or the objects of a list, each with its text in one field.
//!
//! A file holds lines unless its beginning shows one list, or objects written over several lines. One object that holds a list
//! of objects stands for that list.

use std::io::{self, BufRead};
use std::path::Path;

use nuwa_files::Document;
use nuwa_files::documents::{LONGEST_LINE, json_problem, read_line};
use serde_json::{Map, Value};

use super::json_mend::mended;
use super::json_values::Values;
use crate::decode::Text;
use crate::format::Format;
use crate::reading::Reading;
use crate::{Error, Result};

/// A document a record.
pub(crate) fn read(reading: &mut Reading) -> Result<&'static str> {
    let mut text = reading.text()?;
    let start = text.reader.fill_buf().map_err(Error::read(&reading.input.path))?;
    let is_lines = holds_lines(start);
    let result = if is_lines { lines(reading, text) } else { values(reading, text) };
    let name = if reading.input.format == Format::Json { "json" } else { "jsonl" };
    let is_other_json = reading.input.format == Format::Json && !reading.input.named && !reading.has_given();
    match result {
        // Folders hold settings and the like beside their texts.
        Err(
            Error::File(nuwa_files::Error::Line { .. }) | Error::NoText { .. } | Error::TextNotString { .. },
        ) if is_other_json => {
            Err(Error::Binary { path: reading.input.path.clone(), kind: "JSON without a field of text" })
        }
        result => result.map(|()| name),
    }
}

/// Whether each line is a value of its own.
fn holds_lines(start: &[u8]) -> bool {
    let start = start.trim_ascii_start();
    let first = start.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    !first.starts_with(b"[") && !first.ends_with(b"{") && !first.ends_with(b",") && !first.ends_with(b"[")
}

fn lines(reading: &mut Reading, mut text: Text) -> Result<()> {
    let input = reading.input;
    for number in 1.. {
        let line = match read_line(&mut text.reader, &input.path, number) {
            Err(error @ nuwa_files::Error::LongLine { .. }) => {
                reading.give_line(Err(error.into()))?;
                text.skip_line()?;
                continue;
            }
            line => line?,
        };
        if line.is_empty() {
            break;
        }
        if !line.trim_ascii().is_empty() {
            record(reading, &line, number, number)?;
        }
    }
    Ok(())
}

fn values(reading: &mut Reading, text: Text) -> Result<()> {
    let path = &reading.input.path;
    let mut values = Values::new(text.reader, LONGEST_LINE);
    for position in 1.. {
        let line = values.line();
        let value = values.next().map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => {
                nuwa_files::Error::LongLine { path: path.clone(), line, limit: LONGEST_LINE }.into()
            }
            _ => Error::read(path)(error),
        });
        match value? {
            Some(value) => record(reading, &value.bytes, value.line, position)?,
            None => break,
        }
    }
    Ok(())
}

/// Hands on the documents of one value.
fn record(reading: &mut Reading, bytes: &[u8], line: u64, position: u64) -> Result<()> {
    match value_of(reading, bytes, line) {
        Ok(Value::Object(mut fields)) => {
            match records_within(&mut fields, &reading.context.settings.text_field) {
                Some(records) => records.into_iter().zip(1..).try_for_each(|(record, part)| {
                    let document = document(reading, record, line, &format!("{position}.{part}"));
                    give(reading, document)
                }),
                None => {
                    let document = document(reading, Value::Object(fields), line, &position.to_string());
                    give(reading, document)
                }
            }
        }
        value => {
            let document = value.and_then(|value| document(reading, value, line, &position.to_string()));
            give(reading, document)
        }
    }
}

fn give(reading: &mut Reading, document: Result<Option<Document>>) -> Result<()> {
    match document {
        Ok(None) => {
            reading.leave_out("a record without text");
            Ok(())
        }
        // Dialogues in a file of texts are lines that cannot be used; a file of dialogues belongs elsewhere.
        Err(error @ Error::Dialogues { .. }) if !reading.has_given() => Err(error),
        document => reading.give_line(document.map(Option::unwrap_or_default)),
    }
}

fn value_of(reading: &mut Reading, bytes: &[u8], line: u64) -> Result<Value> {
    let error = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let invalid = invalid(&reading.input.path, line, json_problem(&error));
    let value = serde_json::from_slice(&mended(bytes)).map_err(|_| invalid)?;
    reading.odd("a record with an odd value (NaN, half a character or the like), mended", Some(line));
    Ok(value)
}

fn invalid(path: &Path, line: u64, problem: String) -> Error {
    nuwa_files::Error::Line { path: path.to_path_buf(), line, problem }.into()
}

/// The list of objects that an object without a text holds, where it is one.
fn records_within(fields: &mut Map<String, Value>, text_field: &str) -> Option<Vec<Value>> {
    let holds_records = |value: &Value| {
        value.as_array().is_some_and(|list| {
            let mut records = list.iter().filter_map(Value::as_object).peekable();
            records.peek().is_some() && records.all(|record| field(record, text_field).is_some())
        })
    };
    if field(fields, text_field).is_some() {
        return None;
    }
    let mut names = fields.iter().filter(|(_, value)| holds_records(value)).map(|(name, _)| name.clone());
    let name = names.next().filter(|_| names.next().is_none())?;
    match fields.remove(&name) {
        Some(Value::Array(records)) => Some(records),
        _ => None,
    }
}

/// The value of a field; a name with dots goes into objects, where no field has it as a whole.
fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = fields.get(name) {
        return Some(value);
    }
    let inner = |at: usize| field(fields.get(&name[..at])?.as_object()?, &name[at + 1..]);
    name.match_indices('.').find_map(|(at, _)| inner(at))
}

fn take_field(fields: &mut Map<String, Value>, name: &str) -> Option<Value> {
    if let Some(value) = fields.remove(name) {
        return Some(value);
    }
    let dots: Vec<usize> = name.match_indices('.').map(|(at, _)| at).collect();
    dots.into_iter().find_map(|at| {
        let inner = fields.get_mut(&name[..at])?.as_object_mut()?;
        take_field(inner, &name[at + 1..])
    })
}

/// The object's other fields are kept: `lang` and `meta` as ours, the rest in `meta`. `None` where its text is empty.
fn document(reading: &Reading, record: Value, line: u64, position: &str) -> Result<Option<Document>> {
    let (text, mut fields) = match record {
        Value::String(text) => (Some(text), Map::new()),
        Value::Object(mut fields) => (take_text(reading, &mut fields, line)?, fields),
        other => {
            let problem = format!("{}, expected an object", kind(&other));
            return Err(invalid(&reading.input.path, line, problem));
        }
    };
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    let mut document = reading.document_at(Some(position), text, "jsonl");
    if let Some(Value::String(lang)) = fields.get("lang") {
        document.lang = Some(lang.clone());
        fields.remove("lang");
    }
    match fields.remove("meta") {
        Some(Value::Object(meta)) => document.meta.extend(meta),
        Some(meta) => drop(document.meta.insert("meta".into(), meta)),
        None => {}
    }
    document.meta.extend(fields);
    Ok(Some(document))
}

/// The text; `None` where its field is null. Several strings are paragraphs of one text.
fn take_text(reading: &Reading, fields: &mut Map<String, Value>, line: u64) -> Result<Option<String>> {
    let path = reading.input.path.clone();
    let field = reading.context.settings.text_field.clone();
    match take_field(fields, &field) {
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Null) => Ok(None),
        Some(Value::Array(parts)) if !parts.is_empty() && parts.iter().all(Value::is_string) => {
            let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
            Ok(Some(parts.join("\n")))
        }
        Some(other) => Err(Error::TextNotString { path, line, field, found: kind(&other) }),
        None => Err(match dialogue(fields) {
            Some((held, is_preference)) => Error::Dialogues { path, line, held, is_preference },
            None => Error::NoText { path, line, field, others: text_fields(fields) },
        }),
    }
}

/// The fields that hold strings, those within objects too.
fn text_fields(fields: &Map<String, Value>) -> Vec<String> {
    let names = fields.iter().flat_map(|(name, value)| match value {
        Value::String(_) => vec![name.clone()],
        Value::Object(inner) => inner
            .iter()
            .filter(|(_, value)| value.is_string())
            .map(|(key, _)| format!("{name}.{key}"))
            .collect(),
        _ => Vec::new(),
    });
    names.take(10).collect()
}

/// The fields by which a record is a dialogue or a pair of answers, and whether it is the latter.
fn dialogue(fields: &Map<String, Value>) -> Option<(&'static str, bool)> {
    let has = |name: &str| fields.contains_key(name);
    let is_list = |name: &str| fields.get(name).is_some_and(Value::is_array);
    match () {
        () if has("chosen") && has("rejected") => Some(("chosen, rejected", true)),
        () if is_list("messages") => Some(("messages", false)),
        () if is_list("conversations") => Some(("conversations", false)),
        () if has("instruction") && has("output") => Some(("instruction, output", false)),
        () if has("prompt") && has("completion") => Some(("prompt, completion", false)),
        () if has("prompt") && has("response") => Some(("prompt, response", false)),
        () if has("question") && has("answer") => Some(("question, answer", false)),
        () => None,
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
