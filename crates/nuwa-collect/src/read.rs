//! One file: what it is, and the way to the reader of its format.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use nuwa_files::Document;

use super::charset::Charset;
use super::content::{Content, Seekable};
use super::decode::Text;
use super::format::{Format, extension};
use super::inspect::inspect;
use super::letters::{HEAD, mail_format};
use super::walk::Input;
use super::{BadLines, CollectSettings, Oddity, formats};
use crate::error::TOO_DEEP;
use crate::{Error, Result};

/// What reading brings to light, in order.
pub(super) enum Found {
    Document(Document),
    /// A file, or a member of an archive, was read to its end.
    File(Outcome),
    /// A member of an archive was passed over, for this reason.
    Skipped(PathBuf, String),
    /// Something odd was met in what was read.
    Odd(Oddity),
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
    let (outcome, odd) = (Outcome::default(), BTreeMap::new());
    let mut reading = Reading { input, content, way, sink, outcome, has_given: false, odd, encoding: None };
    let format = documents(&mut reading);
    if content.has_rest() {
        reading.odd("bytes behind the end of a gzip file, passed over", None);
    }
    // What was odd before the damage is told too.
    reading.tell_odd()?;
    let Some(format) = format? else { return Ok(()) };
    let outcome = Outcome { format, ..std::mem::take(&mut reading.outcome) };
    sink(Found::File(outcome))
}

/// Hands on the documents; the name of the format, `None` of an archive, whose members are counted instead.
fn documents(reading: &mut Reading) -> Result<Option<&'static str>> {
    let format = match reading.format()? {
        Format::Text | Format::Markdown | Format::Html => formats::text::read(reading)?,
        Format::JsonLines | Format::Json => formats::json_lines::read(reading)?,
        Format::Csv | Format::Tsv => formats::table::read(reading)?,
        Format::Mail => formats::mail::read(reading)?,
        Format::Mailbox => formats::mail::read_mailbox(reading)?,
        Format::Warc => formats::warc::read(reading)?,
        Format::Parquet => formats::parquet::read(reading)?,
        Format::Pdf => formats::pdf::read(reading)?,
        Format::Zip | Format::Office => return formats::zip::read(reading),
        Format::Tar => return formats::tar::read(reading).map(|()| None),
    };
    Ok(Some(format))
}

/// A file on its way to become documents.
pub(super) struct Reading<'a> {
    pub input: &'a Input,
    pub content: &'a Content,
    pub way: Way<'a>,
    sink: Sink<'a>,
    outcome: Outcome,
    has_given: bool,
    /// What was odd: how often, and where first.
    odd: BTreeMap<&'static str, (u64, Option<u64>)>,
    /// The encoding of the text, and how many sequences are wrong in it.
    encoding: Option<(Charset, u64)>,
}

impl Reading<'_> {
    /// The format, by its content where the name promises no more than text.
    fn format(&self) -> Result<Format> {
        let input = self.input;
        if input.format != Format::Text {
            return Ok(input.format);
        }
        let mut head = Vec::new();
        let opened = self.content.open().map_err(Error::read(&input.path))?;
        // Reading will find the damage again, and say where it is.
        let _ = opened.take(HEAD as u64).read_to_end(&mut head);
        Ok(mail_format(&head).unwrap_or(Format::Text))
    }

    /// The content as UTF-8, once a first pass has shown that it is text.
    pub fn text(&mut self) -> Result<Text> {
        let path = &self.input.path;
        let inspection = inspect(|| self.content.open(), path)?;
        if let Some(what) = inspection.unsupported {
            return Err(Error::Unsupported { path: path.clone(), what: what.into() });
        }
        if let Some(kind) = inspection.binary {
            return Err(Error::Binary { path: path.clone(), kind });
        }
        if inspection.blank {
            return Err(Error::EmptyFile { path: path.clone() });
        }
        let bytes = self.content.open().map_err(Error::read(path))?;
        self.encoding = Some((inspection.encoding, inspection.decoding_errors));
        self.outcome.encoding = Some(inspection.encoding.name());
        self.odd_times("a NUL byte, removed", inspection.stray_nuls, None);
        self.odd_times("a byte that is not UTF-8, replaced by U+FFFD", inspection.decoding_errors, None);
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
        let position = position.map(|position| position.to_string());
        self.document_at(position.as_deref(), text, format)
    }

    /// The same, where a number is not enough to say which it is.
    pub fn document_at(&self, position: Option<&str>, text: String, format: &str) -> Document {
        let mut meta = self.input.origin.as_ref().map(|origin| origin.1.meta.clone()).unwrap_or_default();
        meta.insert("format".into(), format.into());
        if let Some((encoding, errors)) = self.encoding {
            if encoding != Charset::UTF_8 {
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
        self.has_given = true;
        (self.sink)(Found::Document(document))
    }

    /// Whether it has handed a document on.
    pub fn has_given(&self) -> bool {
        self.has_given
    }

    /// Hands on the document of a line, or does with its error what the settings say.
    pub fn give_line(&mut self, line: Result<Document>) -> Result<()> {
        match line {
            Ok(document) => self.give(document),
            Err(error) if self.way.settings.bad_lines == BadLines::Skip => {
                let (what, line) = error.in_line();
                self.odd(what, line);
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

    /// Notes something odd, met in this line.
    pub fn odd(&mut self, what: &'static str, line: Option<u64>) {
        self.odd_times(what, 1, line);
    }

    /// The same for something that was met several times, first in this line.
    pub fn odd_times(&mut self, what: &'static str, times: u64, first: Option<u64>) {
        if times > 0 {
            self.odd.entry(what).or_insert((0, first)).0 += times;
        }
    }

    fn tell_odd(&mut self) -> Result<()> {
        for (what, (count, first)) in std::mem::take(&mut self.odd) {
            let path = self.input.path.clone();
            (self.sink)(Found::Odd(Oddity { path, what: what.into(), count, first }))?;
        }
        Ok(())
    }

    /// The content for a reader that jumps.
    pub fn seekable(&self) -> Result<Seekable> {
        self.content.seekable(self.way.spool).map_err(Error::read(&self.input.path))
    }

    /// Reads a member of this archive like a file of a folder.
    pub fn member(&mut self, name: &str, bytes: &mut dyn Read) -> Result<()> {
        let mut head = Vec::new();
        if Format::is_unnamed(Path::new(name)) {
            // What cannot be read is damaged, and found to be so behind these bytes.
            let _ = (&mut *bytes).take(HEAD as u64).read_to_end(&mut head);
        }
        let member = match self.recognise(name, &head) {
            Ok(member) => member,
            Err(reason) => return self.skip_member(name, &reason),
        };
        let bytes = &mut (&head[..]).chain(bytes);
        let content = Content::member(bytes, self.content.budget(), self.way.spool);
        let result = content
            .map_err(Error::read(&member.path))
            .and_then(|content| read(&member, &content, self.way, &mut *self.sink));
        match result {
            Err(error @ Error::File(nuwa_files::Error::Expanded { .. })) => Err(error),
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

    /// Counts bytes that come out of a page or a table, as if out of a compressed file.
    pub fn spend(&self, bytes: u64) -> Result<()> {
        self.content.budget().spend(bytes).map_err(Error::read(&self.input.path))
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
    fn recognise(&self, name: &str, head: &[u8]) -> Result<Input, String> {
        if name.split(['/', '\\']).any(|part| part.starts_with('.') && part != "." && part != "..") {
            return Err("hidden".into());
        }
        let settings = self.way.settings;
        let extension = extension(Path::new(name));
        let named = Format::of_name(Path::new(name), &settings.extra_text_extensions);
        let format = match named.or_else(|| Format::of_certain_bytes(head)) {
            Some(format) => format,
            None if extension.is_empty() => return Err("no ending".into()),
            None => return Err(format!(".{extension} is not a known ending")),
        };
        let depth = self.input.depth + 1;
        if format.is_archive() && depth >= settings.nested_archives {
            return Err(TOO_DEEP.into());
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
