//! Tables of text (csv, tsv): a document a row, the first line naming the columns.
//!
//! The separator of a csv is the one of `,`, `;`, tab and `|` that its first line holds most of. In a tsv whose lines show that quotes mean nothing there, a quote is a character like others.

use std::io::{self, BufRead};
use std::path::Path;

use nuwa_files::Document;
use nuwa_files::column_separator;
use nuwa_files::documents::LONGEST_LINE;
use serde_json::Value;

use super::rows::{Form, Row, Rows};
use crate::decode::Text;
use crate::format::Format;
use crate::reading::Reading;
use crate::{Error, Result};

/// A document a row.
pub(crate) fn read(reading: &mut Reading) -> Result<&'static str> {
    let input = reading.input;
    let mut text = reading.text()?;
    let form = Form::of(first_lines(&mut text, &input.path)?, input.format);
    let name = if input.format == Format::Tsv { "tsv" } else { "csv" };
    let mut rows = Rows::new(text.reader, form, LONGEST_LINE);
    let mut table: Option<Table> = None;
    while let Some(row) = next_row(&mut rows, &input.path)? {
        if row.open_quote {
            reading.odd("a quote that is never closed, taken as a character", Some(row.line));
        }
        let Some(table) = &table else {
            table = Some(Table::of(&row, reading)?);
            continue;
        };
        match table.document(&row, reading, name) {
            Ok(None) => reading.leave_out("a row without text"),
            Ok(Some(document)) => reading.give(document)?,
            Err(error) => reading.give_line(Err(error))?,
        }
    }
    Ok(name)
}

fn next_row(rows: &mut Rows<impl BufRead>, path: &Path) -> Result<Option<Row>> {
    let line = rows.line();
    rows.next().map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => {
            nuwa_files::Error::LongLine { path: path.to_path_buf(), line, limit: LONGEST_LINE }.into()
        }
        _ => Error::read(path)(error),
    })
}

fn first_lines<'a>(text: &'a mut Text, path: &Path) -> Result<&'a [u8]> {
    text.reader.fill_buf().map_err(Error::read(path))
}

impl Form {
    fn of(start: &[u8], format: Format) -> Self {
        let first = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
        match format {
            Format::Tsv => Self { separator: b'\t', quotes: !has_plain_quotes(start, first) },
            _ => Self { separator: column_separator(first), quotes: true },
        }
    }
}

/// Whether a field begins with a quote but does not end with one, although its line has all of its fields.
fn has_plain_quotes(start: &[u8], first: &[u8]) -> bool {
    let fields = |line: &[u8]| line.iter().filter(|byte| **byte == b'\t').count();
    let columns = fields(first);
    let is_plain = |field: &[u8]| field.len() > 1 && field.starts_with(b"\"") && !field.ends_with(b"\"");
    let lines: Vec<&[u8]> = start.split(|byte| *byte == b'\n').map(trim_return).collect();
    // The last line may be cut by the end of the block.
    let complete = &lines[..lines.len().saturating_sub(1)];
    complete.iter().all(|line| line.is_empty() || fields(line) == columns)
        && lines.iter().any(|line| line.split(|byte| *byte == b'\t').any(is_plain))
}

fn trim_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The columns of a table.
struct Table {
    names: Vec<String>,
    text: usize,
}

impl Table {
    fn of(header: &Row, reading: &Reading) -> Result<Self> {
        let names: Vec<String> = header.fields.iter().map(|name| name.trim().to_string()).collect();
        match text_column(names.iter().map(String::as_str), &reading.context.settings.text_field) {
            Some(text) => Ok(Self { names, text }),
            None => Err(no_text_column(reading, names)),
        }
    }

    /// The document of a row; `None` where its text is empty.
    fn document(&self, row: &Row, reading: &Reading, format: &str) -> Result<Option<Document>> {
        let Row { line, fields, .. } = row;
        if fields.len() != self.names.len() {
            let problem = format!("it has {} of {} fields", fields.len(), self.names.len());
            return Err(Error::Row { path: reading.input.path.clone(), line: *line, problem });
        }
        let text = &fields[self.text];
        if text.trim().is_empty() {
            return Ok(None);
        }
        let mut document = reading.document(Some(*line), text.to_string(), format);
        for (at, (name, value)) in self.names.iter().zip(fields).enumerate() {
            if at != self.text && !value.is_empty() {
                set_field(&mut document, name, value.as_str().into());
            }
        }
        Ok(Some(document))
    }
}

/// Columns that are taken for the text where `text_field` is left at its default and not there.
const TEXT_COLUMNS: [&str; 7] = ["text", "content", "body", "article", "document", "passage", "sentence"];

/// The place of the column that holds the text.
pub(crate) fn text_column<'a>(names: impl Iterator<Item = &'a str>, wanted: &str) -> Option<usize> {
    let names: Vec<&str> = names.collect();
    let place = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
    let is_default = wanted == TEXT_COLUMNS[0];
    let others = TEXT_COLUMNS.iter().filter(|_| is_default);
    names
        .iter()
        .position(|name| *name == wanted)
        .or_else(|| place(wanted))
        .or_else(|| others.copied().find_map(place))
}

/// The error that names the columns there are.
pub(crate) fn no_text_column(reading: &Reading, columns: Vec<String>) -> Error {
    let wanted = reading.context.settings.text_field.clone();
    Error::NoTextColumn { path: reading.input.path.clone(), wanted, columns }
}

/// Puts a column that is not the text where it belongs: a language code into `lang`, all else into `meta`.
pub(crate) fn set_field(document: &mut Document, name: &str, value: Value) {
    match value {
        Value::String(code) if matches!(name, "lang" | "language") && is_language_code(&code) => {
            document.lang = Some(code);
        }
        value => {
            document.meta.insert(name.to_string(), value);
        }
    }
}

/// Two or three letters, perhaps with a region or script behind them.
fn is_language_code(code: &str) -> bool {
    let primary = code.split(['-', '_']).next().unwrap_or_default();
    code.len() <= 12
        && matches!(primary.len(), 2 | 3)
        && primary.bytes().all(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_shows_the_separator() {
        let cases = [
            ("text", b','),
            ("a,b;c,d", b','),
            ("id;text\n1;\"a,b,c\"", b';'),
            ("\"a;b;c\",text", b','),
            ("a\tb", b'\t'),
        ];
        for (start, separator) in cases {
            let expected = Form { separator, quotes: true };
            assert_eq!(Form::of(start.as_bytes(), Format::Csv), expected, "{start}");
        }
    }

    #[test]
    fn quotes_in_a_tsv_count_unless_a_line_shows_that_they_do_not() {
        let cases = [
            ("id\ttext\n1\ta\n", true),
            ("id\ttext\n1\t\"two\nlines\"\n", true),
            ("id\ttext\n1\t\"a \"\"b\"\"\"\n", true),
            ("id\ttext\n1\t\"Yes\" he said\n", false),
            ("id\ttext\r\n1\t\"Yes\"\r\n", true),
        ];
        for (start, quotes) in cases {
            assert_eq!(Form::of(start.as_bytes(), Format::Tsv).quotes, quotes, "{start}");
        }
    }
}
