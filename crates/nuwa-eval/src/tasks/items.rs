use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Deserializer, Map, Value};

use super::table;
use crate::signature::data_digest;
use crate::{Error, Result};

/// The items of a task, in the order of their file.
#[derive(Debug, Clone, Default)]
pub struct Items {
    /// Where they come from.
    pub path: PathBuf,
    /// Each with its fields, and its line for messages.
    pub all: Vec<(Map<String, Value>, usize)>,
}

impl Items {
    /// Reads JSON lines, JSON objects over several lines, a JSON list of objects, or CSV with a header; what it is, is told
    /// by the content and, for CSV and TSV, by the name.
    ///
    /// # Errors
    /// When the file cannot be read, or is none of these, or holds nothing.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self::parse(path, &name, &nuwa_files::read_to_string(path)?)
    }

    /// The same of the text of a file, whose name without the ending of its compression is `name`.
    ///
    /// # Errors
    /// When it is none of these, or holds nothing.
    pub fn parse(path: &Path, name: &str, text: &str) -> Result<Self> {
        let text = text.trim_start_matches('\u{feff}');
        let is_json = text.trim_start().starts_with(['{', '[']);
        let values = match table::delimiter(name) {
            Some(delimiter) if !is_json => table::rows(path, text, delimiter)?,
            _ => objects(path, text)?,
        };
        if values.is_empty() {
            return Err(Error::item(path, 1, "it holds no item"));
        }
        let all = values
            .into_iter()
            .map(|(value, line)| match value {
                Value::Object(fields) => Ok((without_nulls(fields), line)),
                other => Err(Error::item(path, line, format!("found {}, expected an object", short(&other)))),
            })
            .collect::<Result<_>>()?;
        Ok(Self { path: path.to_path_buf(), all })
    }

    /// These items, and after them those of the other.
    pub fn followed_by(mut self, other: Self) -> Self {
        self.all.extend(other.all);
        self
    }

    /// The first `limit` items of each value that `field` has.
    pub fn first_of_each(mut self, field: &str, limit: usize) -> Self {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        self.all.retain(|(item, _)| {
            let kind = item.get(field).map(Value::to_string).unwrap_or_default();
            let count = seen.entry(kind).or_default();
            *count += 1;
            *count <= limit
        });
        self
    }

    /// From rows that were read elsewhere, `path` being their file.
    pub fn of_rows(path: &Path, rows: Vec<Map<String, Value>>) -> Self {
        let all = rows.into_iter().map(without_nulls).zip(1..).collect();
        Self { path: path.to_path_buf(), all }
    }

    /// The beginning of the SHA-256 of the first `count` items.
    pub(crate) fn digest(&self, count: usize) -> String {
        let texts =
            self.all.iter().take(count).map(|(item, _)| serde_json::to_string(item).unwrap_or_default());
        data_digest(texts)
    }

    /// The text in a field of the item at `place`.
    pub(crate) fn text<'a>(
        &self,
        fields: &'a Map<String, Value>,
        place: usize,
        name: &str,
    ) -> Result<&'a str> {
        match fields.get(name) {
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(self.wrong(place, format!("`{name}` is {}, expected a text", short(other)))),
            None => {
                let there: Vec<&str> = fields.keys().map(String::as_str).collect();
                Err(self.wrong(place, format!("no field `{name}`; here: {}", there.join(", "))))
            }
        }
    }

    /// An error about the item at `place`.
    pub(crate) fn wrong(&self, place: usize, problem: impl Into<String>) -> Error {
        Error::item(&self.path, place, problem)
    }
}

/// A field that is null says as much as one that is absent.
fn without_nulls(fields: Map<String, Value>) -> Map<String, Value> {
    fields.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

/// A value in a message.
pub(super) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Objects one after another, or in a list, each with the line where it begins.
fn objects(path: &Path, text: &str) -> Result<Vec<(Value, usize)>> {
    let is_list = text.trim_start().starts_with('[');
    if is_list {
        // The whole first: what stands between the objects is looked at here only.
        serde_json::from_str::<Vec<Value>>(text).map_err(|error| broken(path, None, &error))?;
    }
    let mut values = Vec::new();
    let (mut at, mut line) = (if is_list { text.find('[').map_or(0, |at| at + 1) } else { 0 }, 1);
    let mut counted = 0;
    loop {
        let rest = &text[at..];
        let bare = rest.trim_start_matches(|c: char| c.is_whitespace() || (is_list && c == ','));
        at += rest.len() - bare.len();
        if bare.is_empty() || (is_list && bare.starts_with(']')) {
            return Ok(values);
        }
        line += text[counted..at].matches('\n').count();
        counted = at;
        let (value, length) = first(path, bare, line, is_list)?;
        values.push((value, line));
        at += length;
    }
}

/// The value at the beginning of `text`, and how long it is. A line that is whole is read alone, so that one that is not is
/// known by its number.
fn first(path: &Path, text: &str, line: usize, is_list: bool) -> Result<(Value, usize)> {
    let own = text.lines().next().unwrap_or_default();
    if let Some(value) = (!is_list).then(|| serde_json::from_str(own).ok()).flatten() {
        return Ok((value, own.len()));
    }
    let mut stream = Deserializer::from_str(text).into_iter::<Value>();
    match stream.next() {
        Some(Ok(value)) => Ok((value, stream.byte_offset())),
        Some(Err(error)) => Err(broken(path, Some(line), &error)),
        None => Err(Error::item(path, line, "it holds no item")),
    }
}

/// What serde_json says of the value that begins on line `first`, or of a whole list.
fn broken(path: &Path, first: Option<usize>, error: &serde_json::Error) -> Error {
    let told = error.to_string();
    let reason = told.split(" at line ").next().unwrap_or(&told);
    let line = first.unwrap_or(1) + error.line().saturating_sub(1);
    let place = format!("line {line}, column {}", error.column());
    let expected = "expected JSON objects, one a line or in a list; a table's name ends in .csv or .tsv";
    Error::item(path, first.unwrap_or(line), format!("{reason} ({place}); {expected}"))
}
