//! Examples from files: JSON lines with their texts in a field, or a text a line.

use std::path::Path;

use nuwa_files::documents::{json_problem, read_line};
use nuwa_files::{compressed, documents};
use serde_json::Value;

use crate::{Error, Result};

/// Bytes of text that are kept of one kind of example; training holds them in memory.
const MOST_BYTES: usize = 200_000_000;

/// Texts of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examples {
    /// The texts.
    pub texts: Vec<String>,
    /// How many were left out, since there were 200 MB already.
    pub left_out: u64,
}

/// Reads files (and folders of documents): of `.jsonl` the field `field` of each line, of others each line.
///
/// # Errors
/// When a file cannot be read, or a line has no such text.
pub fn read_examples(paths: &[impl AsRef<Path>], field: &str) -> Result<Examples> {
    let mut examples = Examples::default();
    let mut bytes = 0;
    for path in paths {
        let path = path.as_ref();
        let files = if path.is_dir() { documents::files(path)? } else { vec![path.to_path_buf()] };
        for file in files {
            read_file(&file, field, &mut |text| {
                bytes += text.len();
                match bytes <= MOST_BYTES {
                    true => examples.texts.push(text),
                    false => examples.left_out += 1,
                }
            })?;
        }
    }
    Ok(examples)
}

fn read_file(path: &Path, field: &str, sink: &mut dyn FnMut(String)) -> Result<()> {
    let name = compressed::name_within(path).to_lowercase();
    let is_json = [".jsonl", ".ndjson"].iter().any(|ending| name.ends_with(ending));
    let mut reader = compressed::open(path)?;
    for number in 1.. {
        let line = read_line(&mut reader, path, number)?;
        if line.is_empty() {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        sink(match is_json {
            true => text_of(&line, field, path, number)?,
            false => String::from_utf8_lossy(line.trim_ascii()).into_owned(),
        });
    }
    Ok(())
}

fn text_of(line: &[u8], field: &str, path: &Path, number: u64) -> Result<String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| nuwa_files::Error::Line {
        path: path.to_path_buf(),
        line: number,
        problem: json_problem(&error),
    })?;
    let others = || {
        let fields = value.as_object().into_iter().flatten();
        fields.filter(|(_, value)| value.is_string()).map(|(name, _)| name.clone()).collect()
    };
    match value.get(field) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(Error::TextNotString {
            path: path.to_path_buf(),
            line: number,
            field: field.into(),
            found: kind_of(other),
        }),
        None => Err(Error::NoText {
            path: path.to_path_buf(),
            line: number,
            field: field.into(),
            others: others(),
        }),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
