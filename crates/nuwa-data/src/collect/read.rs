//! One file: what it is, and the way to the reader of its format.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use encoding_rs::Encoding;

use super::content::{Content, Seekable};
use super::decode::Text;
use super::format::{Format, extension};
use super::inspect::inspect;
use super::walk::Input;
use super::{BadLines, CollectSettings, formats};
use crate::documents::Document;
use crate::{Error, Result};

/// What reading brings to light, in order.
pub(super) enum Found {
    Document(Document),
    /// A file, or a member of an archive, was read to its end.
    File(Outcome),
    /// A member of an archive was passed over, for this reason.
    Skipped(PathBuf, String),
}

/// What a file was read as.
#[derive(Default)]
pub(super) struct Outcome {
    pub format: &'static str,
    pub encoding: Option<&'static str>,
    pub skipped_lines: u64,
    /// Records that hold no text, by reason.
    pub skipped_records: BTreeMap<&'static str, u64>,
}

pub(super) type Sink<'a> = &'a mut dyn FnMut(Found) -> Result<()>;

/// What must be parsed in one piece may have so many bytes.
pub(super) const LARGEST_PAGE: u64 = 1 << 26;

/// How files are read, and the folder for what does not fit into memory.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub settings: &'a CollectSettings,
    pub spool: &'a Path,
}

/// What is found in a file that fits into memory; `None` where it does not, or cannot be read.
pub(super) fn in_memory(input: &Input, content: &Content, way: Way) -> Option<(Vec<Found>, Result<()>)> {
    if input.format.holds_many() {
        return None;
    }
    let content = content.in_memory().ok()??;
    let mut found = Vec::new();
    let result = read(input, &content, way, &mut |one| {
        found.push(one);
        Ok(())
    });
    Some((found, result))
}

/// Hands on what is found in a file of any size.
pub(super) fn read(input: &Input, content: &Content, way: Way, sink: Sink) -> Result<()> {
    let mut reading = Reading { input, content, way, sink, outcome: Outcome::default(), encoding: None };
    let format = match input.format {
        Format::Text | Format::Markdown | Format::Html => formats::text::read(&mut reading)?,
        Format::JsonLines => formats::json_lines::read(&mut reading)?,
        Format::Csv | Format::Tsv => formats::table::read(&mut reading)?,
        Format::Mail => formats::mail::read(&mut reading)?,
        Format::Mailbox => formats::mail::read_mailbox(&mut reading)?,
        Format::Warc => formats::warc::read(&mut reading)?,
        Format::Parquet => formats::parquet::read(&mut reading)?,
        Format::Pdf => formats::pdf::read(&mut reading)?,
        // The members of an archive are counted, not the archive.
        Format::Zip => return formats::zip::read(&mut reading),
        Format::Tar => return formats::tar::read(&mut reading),
    };
    let outcome = Outcome { format, ..std::mem::take(&mut reading.outcome) };
    sink(Found::File(outcome))
}

/// A file on its way to become documents.
pub(super) struct Reading<'a> {
    pub input: &'a Input,
    pub content: &'a Content,
    pub way: Way<'a>,
    sink: Sink<'a>,
    outcome: Outcome,
    /// The encoding of the text, and how many sequences are wrong in it.
    encoding: Option<(&'static Encoding, u64)>,
}

impl Reading<'_> {
    /// The content as UTF-8, once a first pass has shown that it is text.
    pub fn text(&mut self) -> Result<Text> {
        let path = &self.input.path;
        let inspection = inspect(|| self.content.open(), path)?;
        if let Some(kind) = inspection.binary {
            return Err(Error::Binary { path: path.clone(), kind });
        }
        if inspection.blank {
            return Err(Error::EmptyFile { path: path.clone() });
        }
        let bytes = self.content.open().map_err(Error::read(path))?;
        self.encoding = Some((inspection.encoding, inspection.decoding_errors));
        self.outcome.encoding = Some(inspection.encoding.name());
        Ok(Text::new(path, bytes, inspection))
    }

    /// All bytes, for a reader that needs them at one time.
    pub fn whole(&self) -> Result<Vec<u8>> {
        let path = &self.input.path;
        let bytes = self.content.bytes_up_to(LARGEST_PAGE).map_err(Error::read(path))?;
        bytes.ok_or_else(|| Error::LargePage { path: path.clone(), limit: LARGEST_PAGE })
    }

    /// A document of this file: the one at `position`, or its only one.
    pub fn document(&self, position: Option<u64>, text: String, format: &str) -> Document {
        let mut meta = self.input.origin.as_ref().map(|origin| origin.1.meta.clone()).unwrap_or_default();
        meta.insert("format".into(), format.into());
        if let Some((encoding, errors)) = self.encoding {
            if encoding != encoding_rs::UTF_8 {
                meta.insert("encoding".into(), encoding.name().into());
            }
            if errors > 0 {
                meta.insert("decoding_errors".into(), errors.into());
            }
        }
        let id = match position {
            Some(position) => format!("{}#{position}", self.input.id),
            None => self.input.id.clone(),
        };
        Document { id, text, source: self.source(), meta, ..Document::default() }
    }

    /// The file's path, or its address where the folder above says where it comes from.
    fn source(&self) -> String {
        let path = &self.input.path;
        let origin = self.input.origin.as_deref();
        let below = origin.and_then(|(root, origin)| Some((origin, path.strip_prefix(root).ok()?)));
        match below {
            Some((origin, below)) => format!("{}/{}", origin.source, below.display()),
            None => path.display().to_string(),
        }
    }

    /// Hands a document on.
    pub fn give(&mut self, document: Document) -> Result<()> {
        (self.sink)(Found::Document(document))
    }

    /// Hands on the document of a line, or does with its error what the settings say.
    pub fn give_line(&mut self, line: Result<Document>) -> Result<()> {
        match line {
            Ok(document) => self.give(document),
            Err(_) if self.way.settings.bad_lines == BadLines::Skip => {
                self.outcome.skipped_lines += 1;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Counts a record that gives no document.
    pub fn leave_out(&mut self, reason: &'static str) {
        *self.outcome.skipped_records.entry(reason).or_default() += 1;
    }

    /// The content for a reader that jumps.
    pub fn seekable(&self) -> Result<Seekable> {
        self.content.seekable(self.way.spool).map_err(Error::read(&self.input.path))
    }

    /// Reads a member of this archive like a file of a folder.
    pub fn member(&mut self, name: &str, bytes: &mut dyn Read) -> Result<()> {
        let member = match self.recognise(name) {
            Ok(member) => member,
            Err(reason) => return self.skip_member(name, &reason),
        };
        let content = Content::member(bytes, self.content.budget(), self.way.spool);
        let result = content
            .map_err(Error::read(&member.path))
            .and_then(|content| read(&member, &content, self.way, &mut *self.sink));
        match result {
            Err(error @ Error::Expanded { .. }) => Err(error),
            Err(error) => match error.skip_reason() {
                Some(reason) => self.skip_member(name, &reason),
                None => Err(error),
            },
            Ok(()) => Ok(()),
        }
    }

    /// The same for bytes that come out of a decompressor.
    pub fn compressed_member(&mut self, name: &str, bytes: &mut dyn Read) -> Result<()> {
        self.member(name, &mut self.content.budget().counted(bytes))
    }

    /// Passes over a member.
    pub fn skip_member(&mut self, name: &str, reason: &str) -> Result<()> {
        let path = self.member_path(name);
        (self.sink)(Found::Skipped(path, reason.into()))
    }

    fn member_path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("{}!{name}", self.input.path.display()))
    }

    /// The member as a file to read, or why it is none.
    fn recognise(&self, name: &str) -> Result<Input, String> {
        if name.split(['/', '\\']).any(|part| part.starts_with('.') && part != "." && part != "..") {
            return Err("hidden".into());
        }
        let settings = self.way.settings;
        let extension = extension(Path::new(name));
        let format = match Format::of_name(Path::new(name), &settings.extra_text_extensions) {
            Some(format) => format,
            None if extension.is_empty() => return Err("no ending".into()),
            None => return Err(format!(".{extension} is not a known ending")),
        };
        let depth = self.input.depth + 1;
        if format.is_archive() && depth >= settings.nested_archives {
            return Err("an archive too deep within archives".into());
        }
        let id = format!("{}!{name}", self.input.id);
        Ok(Input {
            path: self.member_path(name),
            id,
            format,
            named: false,
            bytes: 0,
            depth,
            origin: self.input.origin.clone(),
        })
    }
}
