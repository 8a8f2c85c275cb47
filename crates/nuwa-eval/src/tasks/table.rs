//! Items in a table: a header, then a row for each.

use std::path::Path;

use csv::{Reader, ReaderBuilder, StringRecord};
use serde_json::Value;

use crate::{Error, Result};

/// What stands between the cells of a table of this name.
pub fn delimiter(name: &str) -> Option<u8> {
    let ending = name.rsplit_once('.')?.1.to_ascii_lowercase();
    match ending.as_str() {
        "csv" => Some(b','),
        "tsv" => Some(b'\t'),
        _ => None,
    }
}

/// The rows, each with its line, under the names of the header.
pub fn rows(path: &Path, text: &str, delimiter: u8) -> Result<Vec<(Value, usize)>> {
    if let Some(line) = unclosed_quote(text, delimiter) {
        return Err(Error::item(path, line, "a quote that opens here is never closed"));
    }
    let found = read(path, text, delimiter, None);
    // Some programs write \" inside quotes, where CSV has two quotes.
    match found {
        Err(_) if text.contains("\\\"") => read(path, text, delimiter, Some(b'\\')).or(found),
        _ => found,
    }
}

fn read(path: &Path, text: &str, delimiter: u8, escape: Option<u8>) -> Result<Vec<(Value, usize)>> {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(delimiter).escape(escape).flexible(true);
    let mut reader = builder.from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| Error::item(path, 1, error.to_string()))?.clone();
    records(path, &mut reader)?.into_iter().map(|(row, line)| row_of(path, &header, &row, line)).collect()
}

fn records(path: &Path, reader: &mut Reader<&[u8]>) -> Result<Vec<(StringRecord, usize)>> {
    let line_of = |row: &StringRecord| row.position().map_or(1, |position| position.line() as usize);
    let records = reader.records().map(|row| row.map(|row| (line_of(&row), row)));
    records
        .map(|row| {
            row.map(|(line, row)| (row, line)).map_err(|error| Error::item(path, 1, error.to_string()))
        })
        .collect()
}

fn row_of(path: &Path, header: &StringRecord, row: &StringRecord, line: usize) -> Result<(Value, usize)> {
    if row.len() != header.len() {
        let names: Vec<&str> = header.iter().collect();
        let told = format!(
            "{} cells, expected {}, as many as the header names: {}",
            row.len(),
            header.len(),
            names.join(", ")
        );
        return Err(Error::item(path, line, told));
    }
    let fields = header.iter().zip(row).map(|(name, cell)| (name.trim().to_string(), Value::from(cell)));
    Ok((Value::Object(fields.collect()), line))
}

/// The line of a quote that opens a cell and has no end. Escaped quotes end it as well as two in a row would, so that a file
/// in that form is not taken for one.
fn unclosed_quote(text: &str, delimiter: u8) -> Option<usize> {
    let (mut open, mut line, mut begins) = (None, 1, true);
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        line += usize::from(byte == b'\n');
        match (open, byte) {
            (Some(_), b'"') if bytes.peek() == Some(&b'"') => {
                bytes.next();
            }
            (Some(_), b'"') => open = None,
            (None, b'"') if begins => open = Some(line),
            _ => {}
        }
        begins = open.is_none() && (byte == delimiter || byte == b'\n' || byte == b'\r');
    }
    open
}
