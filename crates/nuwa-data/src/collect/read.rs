use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::decode::Utf8Reader;
use super::inspect::{Inspection, inspect};
use super::walk::{Format, Input};
use super::{BadLines, CollectSettings};
use crate::documents::{Document, json_problem, read_line};
use crate::{Error, Result, compressed, text};

/// What a file was read as.
pub(super) struct Outcome {
    pub format: &'static str,
    pub encoding: &'static str,
    pub skipped_lines: u64,
}

pub(super) type ReadResult = Result<Option<(Vec<Document>, Outcome)>>;
type Sink<'a> = &'a mut dyn FnMut(Document) -> Result<()>;

/// Decompressed bytes up to which a file is held in memory.
const IN_MEMORY: u64 = 1 << 22;
/// A page must be parsed in one piece.
const LARGEST_PAGE: u64 = 1 << 26;

/// The documents of a file that fits into memory; `None` for a larger one.
pub(super) fn in_memory(input: &Input, settings: &CollectSettings) -> ReadResult {
    let mut bytes = Vec::new();
    let mut reader = compressed::open(&input.path)?;
    reader.by_ref().take(IN_MEMORY + 1).read_to_end(&mut bytes).map_err(Error::read(&input.path))?;
    if bytes.len() as u64 > IN_MEMORY {
        return Ok(None);
    }
    let bytes: Arc<[u8]> = bytes.into();
    let inspection = inspect(|| Ok(Box::new(Cursor::new(bytes.clone()))), &input.path)?;
    let mut documents = Vec::new();
    let outcome =
        documents_of(input, settings, &inspection, Box::new(Cursor::new(bytes)), &mut |document| {
            documents.push(document);
            Ok(())
        })?;
    Ok(Some((documents, outcome)))
}

/// The documents of a file of any size.
pub(super) fn streamed(input: &Input, settings: &CollectSettings, sink: Sink) -> Result<Outcome> {
    let inspection = inspect(|| compressed::open(&input.path), &input.path)?;
    documents_of(input, settings, &inspection, compressed::open(&input.path)?, sink)
}

fn documents_of(
    input: &Input,
    settings: &CollectSettings,
    inspection: &Inspection,
    bytes: Box<dyn BufRead + Send>,
    sink: Sink,
) -> Result<Outcome> {
    if let Some(kind) = inspection.binary {
        return Err(Error::Binary { path: input.path.clone(), kind });
    }
    if inspection.blank {
        return Err(Error::EmptyFile { path: input.path.clone() });
    }
    let decoded = BufReader::with_capacity(1 << 17, Utf8Reader::new(bytes, inspection.encoding));
    let mut reading = Reading { input, settings, inspection, decoded, skipped_lines: 0 };
    let format = reading.run(sink)?;
    let encoding = inspection.encoding.name();
    Ok(Outcome { format, encoding, skipped_lines: reading.skipped_lines })
}

struct Reading<'a> {
    input: &'a Input,
    settings: &'a CollectSettings,
    inspection: &'a Inspection,
    decoded: BufReader<Utf8Reader>,
    skipped_lines: u64,
}

impl Reading<'_> {
    fn run(&mut self, sink: Sink) -> Result<&'static str> {
        let format = match self.input.format {
            Format::Text if self.inspection.is_html => Format::Html,
            format => format,
        };
        match format {
            Format::Text if self.inspection.is_fortune && self.settings.split_fortune_files => {
                self.fortune(sink)?;
                return Ok("fortune");
            }
            Format::Text | Format::Markdown => self.text(format.name(), sink)?,
            Format::Html => self.html(sink)?,
            Format::JsonLines => self.json_lines(sink)?,
        }
        Ok(format.name())
    }

    fn document(&self, position: Option<u64>, text: String, format: &str) -> Document {
        let mut meta = Map::new();
        meta.insert("format".into(), format.into());
        if self.inspection.encoding != encoding_rs::UTF_8 {
            meta.insert("encoding".into(), self.inspection.encoding.name().into());
        }
        if self.inspection.decoding_errors > 0 {
            meta.insert("decoding_errors".into(), self.inspection.decoding_errors.into());
        }
        let id = match position {
            Some(position) => format!("{}#{position}", self.input.id),
            None => self.input.id.clone(),
        };
        Document { id, text, source: self.input.path.display().to_string(), lang: None, meta }
    }

    /// One document, or several where the text is huge.
    fn text(&mut self, format: &str, sink: Sink) -> Result<()> {
        let limit = self.settings.split_documents_over as usize;
        let mut held = String::new();
        let mut part = None;
        loop {
            let more = self.fill(&mut held, limit + 1)?;
            if !more {
                break;
            }
            let cut = text::cut_near(&held, limit, limit / 2);
            let rest = held.split_off(cut);
            part = Some(part.unwrap_or(0) + 1);
            sink(self.document(part, std::mem::replace(&mut held, rest), format))?;
        }
        let part = part.map(|part| part + 1);
        if held.is_empty() { Ok(()) } else { sink(self.document(part, held, format)) }
    }

    /// Reads until `text` has at least `bytes` bytes; false at the end of the file.
    fn fill(&mut self, text: &mut String, bytes: usize) -> Result<bool> {
        while text.len() < bytes {
            let block = self.decoded.fill_buf().map_err(Error::read(&self.input.path))?;
            if block.is_empty() {
                return Ok(false);
            }
            // The decoder never cuts a character, so a block is valid on its own.
            text.push_str(&String::from_utf8_lossy(block));
            let count = block.len();
            self.decoded.consume(count);
        }
        Ok(true)
    }

    fn fortune(&mut self, sink: Sink) -> Result<()> {
        let mut item = String::new();
        let mut position = 0;
        loop {
            let mut line = Vec::new();
            let limit = self.settings.split_documents_over;
            let by_ref = self.decoded.by_ref();
            by_ref.take(limit).read_until(b'\n', &mut line).map_err(Error::read(&self.input.path))?;
            let separator = line.trim_ascii() == b"%";
            if line.is_empty() || separator || (item.len() + line.len()) as u64 > limit {
                if !item.trim().is_empty() {
                    position += 1;
                    sink(self.document(Some(position), std::mem::take(&mut item), "fortune"))?;
                }
                item.clear();
            }
            if line.is_empty() {
                return Ok(());
            }
            if !separator {
                item.push_str(&String::from_utf8_lossy(&line));
            }
        }
    }

    fn html(&mut self, sink: Sink) -> Result<()> {
        let mut page = String::new();
        if self.fill(&mut page, LARGEST_PAGE as usize)? {
            return Err(Error::LargePage { path: self.input.path.clone(), limit: LARGEST_PAGE });
        }
        sink(self.document(None, page, "html"))
    }

    fn json_lines(&mut self, sink: Sink) -> Result<()> {
        let mut number = 0;
        loop {
            number += 1;
            let line = read_line(&mut self.decoded, &self.input.path, number)?;
            if line.is_empty() {
                return Ok(());
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            match self.json_line(&line, number) {
                Ok(document) => sink(document)?,
                Err(_) if self.settings.bad_lines == BadLines::Skip => self.skipped_lines += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The object's other fields are kept: `lang` and `meta` as ours, the rest in `meta`.
    fn json_line(&self, line: &[u8], number: u64) -> Result<Document> {
        let mut fields = parse_object(line, &self.input.path, number)?;
        let text = self.take_text(&mut fields, number)?;
        let mut document = self.document(Some(number), text, "jsonl");
        if let Some(Value::String(lang)) = fields.get("lang") {
            document.lang = Some(lang.clone());
            fields.remove("lang");
        }
        if let Some(Value::Object(meta)) = fields.remove("meta") {
            document.meta.extend(meta);
        }
        document.meta.extend(fields);
        Ok(document)
    }

    fn take_text(&self, fields: &mut Map<String, Value>, line: u64) -> Result<String> {
        let path = self.input.path.clone();
        let field = self.settings.text_field.clone();
        match fields.remove(&field) {
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(Error::TextNotString { path, line, field, found: kind(&other) }),
            None => {
                let strings = fields.iter().filter(|(_, value)| value.is_string());
                let others = strings.map(|(name, _)| name.clone()).take(10).collect();
                Err(Error::NoText { path, line, field, others })
            }
        }
    }
}

fn parse_object(line: &[u8], path: &Path, number: u64) -> Result<Map<String, Value>> {
    let invalid = |problem: String| Error::Json { path: path.to_path_buf(), line: number, problem };
    match serde_json::from_slice(line) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(invalid(format!("{}, expected an object", kind(&other)))),
        Err(error) => Err(invalid(json_problem(&error))),
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
