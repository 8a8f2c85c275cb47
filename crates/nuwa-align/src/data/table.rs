//! Records in a table: the first row names the columns.

use std::path::Path;

use csv::{Position, ReaderBuilder, StringRecord};
use nuwa_files::column_separator;
use serde_json::{Map, Value};

use super::dialogues::ANSWERS;
use super::record::Found;
use crate::{Error, Result};

/// The rows of a table. What separates the columns is what the first row has most of: commas, semicolons, tabs or bars.
///
/// # Errors
/// When a row has too many or too few columns, or a quote does not end where its cell does.
pub fn read(path: &Path, text: &str) -> Result<Vec<Found>> {
    let place = |line: u64| format!("{}:{line}", path.display());
    let wrong = |line: u64, reason: String| Error::Table { place: place(line), reason };
    let delimiter = column_separator(text.lines().next().unwrap_or_default().as_bytes());
    if let Some(line) = stray_quote(text.as_bytes(), delimiter) {
        return Err(wrong(line, "the quote that opens here doesn't end where its cell does".into()));
    }
    let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| wrong(1, error.to_string()))?.clone();
    let row = |row: csv::Result<StringRecord>| -> Result<Found> {
        let row = row.map_err(|error| wrong(line(error.position()), reason(&error)))?;
        Ok((fields(&header, &row), place(line(row.position()))))
    };
    reader.records().map(row).collect()
}

/// The line of the first quote that is never closed, or is followed by more than the end of its cell.
fn stray_quote(text: &[u8], delimiter: u8) -> Option<u64> {
    let (mut at, mut line, mut cell_begins) = (0, 1, true);
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte == b'"' && cell_begins {
            let ends_cell =
                |end: &usize| text.get(end + 1).is_none_or(|next| [delimiter, b'\r', b'\n'].contains(next));
            let Some(end) = closing_quote(text, at).filter(ends_cell) else { return Some(line) };
            line += text[at..end].iter().filter(|byte| **byte == b'\n').count() as u64;
            at = end + 1;
        }
        line += u64::from(byte == b'\n');
        cell_begins = byte == delimiter || byte == b'\n';
    }
    None
}

/// Where the quoted cell that begins at `at` ends; a quote within it is written twice.
fn closing_quote(text: &[u8], mut at: usize) -> Option<usize> {
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' if text.get(at + 1) == Some(&b'"') => at += 2,
            b'"' => return Some(at),
            _ => at += 1,
        }
    }
    None
}

fn line(position: Option<&Position>) -> u64 {
    position.map_or(1, Position::line)
}

fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the row has {len} columns, expected {expected_len} as in the first row")
        }
        _ => error.to_string(),
    }
}

/// The cells that are not empty; where there is no answer, an empty one of its columns, since the fault is the row's.
fn fields(header: &StringRecord, row: &StringRecord) -> Map<String, Value> {
    let cells = || header.iter().map(str::trim).zip(row);
    let filled = cells().filter(|(_, cell)| !cell.trim().is_empty());
    let mut fields: Map<String, Value> =
        filled.map(|(name, cell)| (name.to_string(), Value::from(cell))).collect();
    if !ANSWERS.iter().any(|name| fields.contains_key(*name)) {
        let absent = cells().find(|(name, _)| ANSWERS.contains(name));
        fields.extend(absent.map(|(name, _)| (name.to_string(), Value::from(""))));
    }
    fields
}
