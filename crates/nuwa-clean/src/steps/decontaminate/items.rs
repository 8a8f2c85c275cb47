//! Evaluation items as the strings they are made of.

use std::path::{Path, PathBuf};

use nuwa_files::compressed;
use nuwa_files::documents::json_problem;
use serde_json::Value;

use crate::{Error, Result};

/// An item: where it stands and what it says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// The name of its file.
    pub file: String,
    /// The number of the file.
    pub source: usize,
    /// Its line, or its number in a list, counted from 1.
    pub place: usize,
    /// Its strings; of a dictionary the keys too where they read like text, as TruthfulQA has it.
    pub strings: Vec<Said>,
}

/// A string with the field it stands in: `choices.text`, or the heading of its column.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub field: String,
    pub text: String,
}

/// The items of files and folders.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut sources = 0..;
    for path in paths {
        if !path.exists() {
            return Err(nuwa_files::Error::Missing { path: path.clone() }.into());
        }
        let files = if path.is_dir() { nuwa_files::files_in(path)? } else { vec![path.clone()] };
        let before = items.len();
        for file in &files {
            // In a folder lie other things too; a file that was named must be one of items.
            if !path.is_dir() || form_by_name(file).is_some() {
                items.extend(read_file(file, sources.next().unwrap_or_default())?);
            }
        }
        if items.len() == before {
            return Err(wrong(path, 1, "it holds no item"));
        }
    }
    Ok(items)
}

#[derive(Clone, Copy)]
enum Form {
    Json,
    Table(u8),
}

fn form_by_name(path: &Path) -> Option<Form> {
    let name = compressed::name_within(path).to_lowercase();
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("json" | "jsonl" | "ndjson") => Some(Form::Json),
        Some("csv") => Some(Form::Table(b',')),
        Some("tsv") => Some(Form::Table(b'\t')),
        _ => None,
    }
}

fn read_file(path: &Path, source: usize) -> Result<Vec<Item>> {
    let invalid = |_| nuwa_files::Error::NotUtf8 { path: path.to_path_buf() };
    let text = String::from_utf8(compressed::read(path)?).map_err(invalid)?;
    let text = text.trim_start_matches('\u{feff}');
    let rows = match form_by_name(path) {
        Some(Form::Table(delimiter)) => table(path, text, delimiter)?,
        _ if text.trim_start().starts_with('[') => list(path, text)?,
        _ => lines(path, text)?,
    };
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let item = |(strings, place)| Item { file: file.to_string(), source, place, strings };
    Ok(rows.into_iter().map(item).collect())
}

type Row = (Vec<Said>, usize);

fn lines(path: &Path, text: &str) -> Result<Vec<Row>> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    lines
        .map(|(line, number)| {
            let value =
                serde_json::from_str(line).map_err(|error| wrong(path, number, json_problem(&error)))?;
            Ok((strings(value), number))
        })
        .collect()
}

fn list(path: &Path, text: &str) -> Result<Vec<Row>> {
    let values: Vec<Value> =
        serde_json::from_str(text).map_err(|error| wrong(path, error.line(), error.to_string()))?;
    Ok(values.into_iter().map(strings).zip(1..).collect())
}

fn table(path: &Path, text: &str, delimiter: u8) -> Result<Vec<Row>> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(text.as_bytes());
    let mut headings: Option<Vec<String>> = None;
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| {
            let line = error.position().map_or(1, |position| position.line() as usize);
            wrong(path, line, error.to_string())
        })?;
        let line = row.position().map_or(1, |position| position.line() as usize);
        if headings.is_none() && !reads_like_an_item(&row) {
            headings = Some(row.iter().map(str::to_string).collect());
            continue;
        }
        let headings = headings.get_or_insert_default();
        let field = |at: usize| headings.get(at).cloned().unwrap_or_else(|| at.to_string());
        let said = |(at, text): (usize, &str)| Said { field: field(at), text: text.into() };
        rows.push((row.iter().enumerate().map(said).collect(), line));
    }
    Ok(rows)
}

/// Whether a table begins without headings, as MMLU's do.
fn reads_like_an_item(row: &csv::StringRecord) -> bool {
    let words = |cell: &str| cell.split_whitespace().count();
    row.iter().any(|cell| words(cell) > 5 || (words(cell) > 3 && cell.trim_end().ends_with('?')))
}

fn strings(value: Value) -> Vec<Said> {
    let mut found = Vec::new();
    gather("", value, &mut found);
    found
}

fn gather(field: &str, value: Value, found: &mut Vec<Said>) {
    let said = |text: String| Said { field: field.into(), text };
    match value {
        Value::String(text) => found.push(said(text)),
        Value::Array(values) => values.into_iter().for_each(|value| gather(field, value, found)),
        Value::Object(fields) => {
            for (key, value) in fields {
                if key.contains(' ') {
                    found.push(said(key));
                    gather(field, value, found);
                } else {
                    let name = if field.is_empty() { key } else { format!("{field}.{key}") };
                    gather(&name, value, found);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn wrong(path: &Path, place: usize, problem: impl Into<String>) -> Error {
    Error::Items { path: path.to_path_buf(), place, problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_from_lines_lists_and_tables() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
            read(&[folder.path().join(name)])
        };
        let strings = |items: Result<Vec<Item>>| -> Vec<Vec<String>> {
            let texts = |item: Item| item.strings.into_iter().map(|said| said.text).collect();
            items.unwrap().into_iter().map(texts).collect()
        };
        let lines = "{\"q\": \"a b\", \"n\": 3, \"c\": {\"text\": [\"c\", \"d\"]}}\n\n{\"q\": \"女娲\"}\n";
        assert_eq!(strings(write("a.jsonl", lines)), [vec!["c", "d", "a b"], vec!["女娲"]]);
        let list = "[{\"choices\": {\"It is so.\": 1, \"no\": 0}}]";
        assert_eq!(strings(write("a.json", list)), [["It is so."]]);
        let table = "\u{feff},Question,A\n0,\"Who, and\nwhy?\",Nuwa\n";
        assert_eq!(strings(write("a.csv", table)), [["0", "Who, and\nwhy?", "Nuwa"]]);
        let bare = "Who of them was it that fired the clay?,Nuwa\nWhy?,because\n";
        let (rows, fields) = (write("b.csv", bare).unwrap(), read(&[folder.path().join("a.jsonl")]).unwrap());
        assert_eq!((rows.len(), rows[0].strings[1].field.as_str()), (2, "1"));
        assert_eq!(
            fields[0].strings.iter().map(|said| &said.field).collect::<Vec<_>>(),
            ["c.text", "c.text", "q"]
        );
        assert_eq!(read(&[folder.path().into()]).unwrap().len(), 6);
        let said = |result: Result<Vec<Item>>| {
            let folder = folder.path().display().to_string();
            result.unwrap_err().to_string().replace(&folder, "DIR")
        };
        assert_eq!(
            said(write("cut.jsonl", "{}\n{\"a\"\n")),
            "DIR/cut.jsonl, item 2: EOF while parsing an object at column 4"
        );
        assert_eq!(said(write("empty.csv", "a,b\n")), "DIR/empty.csv, item 1: it holds no item");
        assert_eq!(said(read(&[folder.path().join("none")])), "DIR/none does not exist");
    }
}
