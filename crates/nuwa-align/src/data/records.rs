//! Records: the objects of a JSON list or of JSON lines, compressed or not.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use nuwa_data::compressed;
use serde_json::{Map, Value};

use super::Columns;
use crate::{Error, Result};

/// One object of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its fields, under their usual names.
    pub fields: Map<String, Value>,
    /// `file.jsonl:3`, or `file.json, item 3`.
    pub place: String,
}

impl Record {
    /// A field that is there and not null.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// A field that has to be text.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub fn text(&self, name: &str) -> Result<&str> {
        match self.get(name) {
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(self.wrong(format!("{name} is {}, expected text", kind(other)))),
            None => Err(self.wrong(format!("{name} is missing"))),
        }
    }

    /// An error about this record.
    pub fn wrong(&self, problem: impl Into<String>) -> Error {
        let hint = "correct the record, or leave such records out: --bad-records skip, or bad_records = \"skip\" in a recipe".into();
        Error::Record { place: self.place.clone(), problem: problem.into(), hint }
    }

    /// An error that names the fields there are.
    pub fn unknown(&self, expected: &str) -> Error {
        let names: Vec<&str> = self.fields.keys().map(String::as_str).collect();
        let problem = format!("its fields are {}: expected {expected}", names.join(", "));
        let hint =
            "say which column is which, for example --columns instruction=question,output=reply".into();
        Error::Record { place: self.place.clone(), problem, hint }
    }
}

/// The records of a file, or of all `.json` and `.jsonl` files of a folder in the order of their names.
///
/// # Errors
/// When a file cannot be read or is not JSON.
pub fn records(path: &Path, columns: &Columns) -> Result<Vec<Record>> {
    let mut all = Vec::new();
    for file in files(path)? {
        all.append(&mut of_file(&file)?);
    }
    for record in &mut all {
        rename(&mut record.fields, columns);
    }
    Ok(all)
}

fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let is_records = |file: &PathBuf| {
        let name = compressed::name_within(file);
        [".json", ".jsonl", ".ndjson"].iter().any(|ending| name.ends_with(ending))
    };
    Ok(nuwa_files::files_in(path)?.into_iter().filter(is_records).collect())
}

fn of_file(path: &Path) -> Result<Vec<Record>> {
    let mut reader = compressed::open(path)?;
    let failed = |source| nuwa_files::Error::Read { path: path.to_path_buf(), source };
    let mut text = String::new();
    reader.read_to_string(&mut text).map_err(failed)?;
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('[') { of_list(path, text) } else { of_lines(path, text.as_bytes()) }
}

fn of_list(path: &Path, text: &str) -> Result<Vec<Record>> {
    let items: Vec<Value> = serde_json::from_str(text)
        .map_err(|error| Error::Json { place: path.display().to_string(), reason: error.to_string() })?;
    let items = items.into_iter().zip(1..);
    items.map(|(value, number)| record(value, format!("{}, item {number}", path.display()))).collect()
}

fn of_lines(path: &Path, text: &[u8]) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let line = line.map_err(nuwa_files::Error::read(path))?;
        if line.trim().is_empty() {
            continue;
        }
        let place = format!("{}:{number}", path.display());
        let value = serde_json::from_str(&line)
            .map_err(|error| Error::Json { place: place.clone(), reason: error.to_string() })?;
        records.push(record(value, place)?);
    }
    Ok(records)
}

fn record(value: Value, place: String) -> Result<Record> {
    match value {
        Value::Object(fields) => Ok(Record { fields, place }),
        other => Err(Error::Json { place, reason: format!("found {}, expected an object", kind(&other)) }),
    }
}

fn rename(fields: &mut Map<String, Value>, columns: &Columns) {
    for (usual, own) in columns {
        if let Some(value) = fields.remove(own) {
            fields.insert(usual.clone(), value);
        }
    }
}

/// What a JSON value is, for messages.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
