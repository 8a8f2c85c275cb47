use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::{Error, Result};

/// The items of a task, in the order of their file.
#[derive(Debug, Clone, Default)]
pub struct Items {
    /// Where they come from.
    pub path: PathBuf,
    /// Each with its fields, and its line or number for messages.
    pub all: Vec<(Map<String, Value>, usize)>,
}

impl Items {
    /// Reads JSON lines, a JSON list of objects, or CSV with a header; what it is, is told by the content and, for CSV, by
    /// the name.
    ///
    /// # Errors
    /// When the file cannot be read, or is none of these, or holds nothing.
    pub fn read(path: &Path) -> Result<Self> {
        let text = nuwa_files::read_to_string(path)?;
        let text = text.trim_start_matches('\u{feff}');
        let is_csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
        let values = match text.trim_start().as_bytes().first() {
            _ if is_csv => csv_rows(path, text)?,
            Some(b'[') => list(path, text)?,
            _ => lines(path, text)?,
        };
        if values.is_empty() {
            return Err(wrong(path, 1, "it holds no item"));
        }
        let all = values
            .into_iter()
            .map(|(value, place)| match value {
                Value::Object(fields) => Ok((fields, place)),
                other => Err(wrong(path, place, format!("found {other}, expected an object"))),
            })
            .collect::<Result<_>>()?;
        Ok(Self { path: path.to_path_buf(), all })
    }

    /// An error about the item at `place`.
    pub(crate) fn wrong(&self, place: usize, problem: impl Into<String>) -> Error {
        wrong(&self.path, place, problem)
    }
}

fn wrong(path: &Path, place: usize, problem: impl Into<String>) -> Error {
    Error::Item { path: path.to_path_buf(), place, problem: problem.into() }
}

fn lines(path: &Path, text: &str) -> Result<Vec<(Value, usize)>> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    lines
        .map(|(line, number)| {
            let value = serde_json::from_str(line).map_err(|error| wrong(path, number, error.to_string()))?;
            Ok((value, number))
        })
        .collect()
}

fn list(path: &Path, text: &str) -> Result<Vec<(Value, usize)>> {
    let values: Vec<Value> =
        serde_json::from_str(text).map_err(|error| wrong(path, error.line(), error.to_string()))?;
    Ok(values.into_iter().zip(1..).collect())
}

fn csv_rows(path: &Path, text: &str) -> Result<Vec<(Value, usize)>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let failed = |error: csv::Error| {
        let line = error.position().map_or(1, |position| position.line() as usize);
        wrong(path, line, error.to_string())
    };
    let header = reader.headers().map_err(failed)?.clone();
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(failed)?;
        let line = row.position().map_or(1, |position| position.line() as usize);
        let fields = header.iter().zip(&row).map(|(name, cell)| (name.trim().to_string(), Value::from(cell)));
        rows.push((Value::Object(fields.collect()), line));
    }
    Ok(rows)
}
