//! Files of records: a JSON list, JSON values one after the other (one a line, or written over several), a list within an
//! object, or a table; compressed or not.

use std::path::{Path, PathBuf};

use nuwa_files::compressed;
use serde_json::{Map, Value};

use super::messages::is_turn;
use super::pairs::TRANSLATION;
use super::record::{Found, Record, kind};
use super::{Columns, table};
use crate::{Error, Result};

/// Endings of files that hold records.
const ENDINGS: [&str; 5] = [".json", ".jsonl", ".ndjson", ".csv", ".tsv"];

/// The ending of plain text.
const TEXT: &str = ".txt";

/// The records of a file, or of all files of records in a folder, in the order of their names.
///
/// # Errors
/// When a file cannot be read or is in none of the forms.
pub fn records(path: &Path, columns: &Columns) -> Result<Vec<Record>> {
    all_of(files(path, &ENDINGS)?, columns, of_file)
}

/// The same, where plain text has a record for each line that is not blank: its field `prompt`.
///
/// # Errors
/// As there.
pub fn records_or_lines(path: &Path, columns: &Columns) -> Result<Vec<Record>> {
    let endings = [&ENDINGS[..], &[TEXT]].concat();
    all_of(files(path, &endings)?, columns, |file| match has_ending(file, &[TEXT]) {
        true => of_plain_lines(file),
        false => of_file(file),
    })
}

fn all_of(
    files: Vec<PathBuf>,
    columns: &Columns,
    of_file: impl Fn(&Path) -> Result<Vec<Found>>,
) -> Result<Vec<Record>> {
    let mut all = Vec::new();
    for file in files {
        for (mut fields, place) in of_file(&file)? {
            rename(&mut fields, columns);
            all.push(Record::new((fields, place)));
        }
    }
    Ok(all)
}

/// Puts fields under their usual names; those of a text in several languages count as fields of the record.
fn rename(fields: &mut Map<String, Value>, columns: &Columns) {
    for (usual, own) in columns {
        let of_language = |fields: &mut Map<String, Value>| fields.get_mut(TRANSLATION)?.as_object_mut()?.remove(own);
        if let Some(value) = fields.remove(own).or_else(|| of_language(fields)) {
            fields.insert(usual.clone(), value);
        }
    }
}

/// The file itself, or all files of a folder that end so, in the order of their names.
fn files(path: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    Ok(nuwa_files::files_in(path)?.into_iter().filter(|file| has_ending(file, endings)).collect())
}

/// Whether a file ends so, be it compressed.
fn has_ending(file: &Path, endings: &[&str]) -> bool {
    let name = compressed::name_within(file).to_lowercase();
    endings.iter().any(|ending| name.ends_with(ending))
}

/// The records of a file.
///
/// # Errors
/// When it cannot be read, or is in none of the forms.
fn of_file(path: &Path) -> Result<Vec<Found>> {
    let text = text(path)?;
    let text = text.trim_start_matches('\u{feff}');
    let is_table = has_ending(path, &[".csv", ".tsv"]);
    match text.trim_start().chars().next() {
        _ if is_table => table::read(path, text),
        Some('[') => of_list(path, text),
        Some('{') if !begins_with_a_line(text) => of_values(path, text),
        _ => of_lines(path, text),
    }
}

/// The text of a file, compressed or not.
pub fn text(path: &Path) -> Result<String> {
    let bytes = compressed::read(path)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        let reason = "it is not UTF-8".to_string();
        Error::Json { place: format!("{}:{line}", path.display()), reason }
    })
}

/// Whether the first line that is not empty is a whole object.
fn begins_with_a_line(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let whole = serde_json::from_str::<Map<String, Value>>(first);
    whole.is_ok_and(|fields| list_within(&fields).is_none()) || second_line_begins(text)
}

/// Whether another object begins on the line after the first: then each line is meant to be one.
fn second_line_begins(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.nth(1).is_some_and(|line| line.starts_with('{'))
}

fn of_list(path: &Path, text: &str) -> Result<Vec<Found>> {
    let items: Vec<Value> = serde_json::from_str(text).map_err(|error| not_json(path, error.to_string()))?;
    of_items(path, items)
}

fn of_items(path: &Path, items: Vec<Value>) -> Result<Vec<Found>> {
    let items = items.into_iter().zip(1..);
    items.map(|(value, number)| record(value, format!("{}, item {number}", path.display()))).collect()
}

/// Objects that go over several lines; of an only one that is no record itself, the list within it.
fn of_values(path: &Path, text: &str) -> Result<Vec<Found>> {
    let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut values: Vec<Value> = values
        .collect::<Result<_, serde_json::Error>>()
        .map_err(|error| not_json(path, error.to_string()))?;
    if let [Value::Object(fields)] = &mut values[..]
        && let Some(name) = list_within(fields)
        && let Some(Value::Array(items)) = fields.remove(&name)
    {
        return of_items(path, items);
    }
    of_items(path, values)
}

/// Usual names of the field that holds all records of a file.
const HOLDERS: [&str; 8] = ["data", "rows", "records", "examples", "items", "instances", "samples", "train"];

/// The only field that is a list of objects, if they are not turns, and the rest does not look like a record.
fn list_within(fields: &Map<String, Value>) -> Option<String> {
    let is_list = |value: &Value| {
        value.as_array().is_some_and(|items| items.iter().all(Value::is_object) && !items.is_empty())
    };
    let mut lists = fields.iter().filter(|(_, value)| is_list(value));
    let (name, items) = lists.next()?;
    let is_only = lists.next().is_none();
    let says_something =
        || fields.values().any(|value| value.as_str().is_some_and(|text| text.trim().contains(' ')));
    let is_holder = HOLDERS.contains(&name.as_str()) || (name != "tools" && !says_something());
    let holds_turns = items.as_array()?.iter().any(is_turn);
    (is_only && is_holder && !holds_turns).then(|| name.clone())
}

fn of_lines(path: &Path, text: &str) -> Result<Vec<Found>> {
    let mut records = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() {
            continue;
        }
        let place = format!("{}:{number}", path.display());
        let value = serde_json::from_str(line)
            .map_err(|error| Error::Json { place: place.clone(), reason: error.to_string() })?;
        records.push(record(value, place)?);
    }
    Ok(records)
}

fn of_plain_lines(path: &Path) -> Result<Vec<Found>> {
    let text = text(path)?;
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).zip(1..);
    let record = |(line, number): (&str, usize)| {
        (Map::from_iter([("prompt".to_string(), line.into())]), format!("{}:{number}", path.display()))
    };
    Ok(lines.filter(|(line, _)| !line.is_empty()).map(record).collect())
}

/// An object, or a dialogue that is a list of turns.
fn record(value: Value, place: String) -> Result<Found> {
    match value {
        Value::Object(fields) => Ok((fields, place)),
        Value::Array(turns) if !turns.is_empty() && turns.iter().all(is_turn) => {
            Ok((Map::from_iter([("messages".to_string(), Value::Array(turns))]), place))
        }
        other => Err(Error::Json { place, reason: format!("found {}, expected an object", kind(&other)) }),
    }
}

fn not_json(path: &Path, reason: String) -> Error {
    Error::Json { place: path.display().to_string(), reason }
}
