//! A file on its way to become documents: what the reader of a format takes from it, and what it gives.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use nuwa_files::Document;

use super::charset::Charset;
use super::content::{Content, LARGEST_PAGE, Seekable};
use super::decode::Text;
use super::inspect::inspect;
use super::settings::{BadLines, CollectSettings};
use super::summary::{Oddity, Outcome};
use super::walk::Input;
use crate::{Error, Result};

/// What reading brings to light, in order.
pub(crate) enum Found {
    Document(Document),
    /// A file, or a member of an archive, was read to its end.
    File(Outcome),
    /// A member of an archive was passed over, for this reason.
    Skipped(PathBuf, String),
    /// Something odd was met in what was read.
    Odd(Oddity),
}

pub(crate) type Sink<'a> = &'a mut dyn FnMut(Found) -> Result<()>;

/// Reads a member of an archive, of this name, like a file of a folder: an archive knows no formats but its own.
pub(crate) type Member = fn(&mut Reading, &str, &mut dyn Read) -> Result<()>;

/// How files are read, and the folder for what does not fit into memory.
#[derive(Clone, Copy)]
pub(crate) struct ReadContext<'a> {
    pub settings: &'a CollectSettings,
    pub spool: &'a Path,
}

/// A file on its way to become documents.
pub(crate) struct Reading<'a> {
    pub input: &'a Input,
    pub content: &'a Content,
    pub context: ReadContext<'a>,
    /// Takes what is found.
    pub sink: Sink<'a>,
    pub outcome: Outcome,
    has_given: bool,
    /// What was odd: how often, and where first.
    odd: BTreeMap<&'static str, (u64, Option<u64>)>,
    /// The encoding of the text, and how many sequences are wrong in it.
    encoding: Option<(Charset, u64)>,
}

impl<'a> Reading<'a> {
    pub fn new(input: &'a Input, content: &'a Content, context: ReadContext<'a>, sink: Sink<'a>) -> Self {
        let outcome = Outcome::default();
        Self {
            input,
            content,
            context,
            sink,
            outcome,
            has_given: false,
            odd: BTreeMap::new(),
            encoding: None,
        }
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
            Err(error) if self.context.settings.bad_lines == BadLines::Skip => {
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

    /// Tells what was odd; once, at the end.
    pub fn tell_odd(&mut self) -> Result<()> {
        for (what, (count, first)) in std::mem::take(&mut self.odd) {
            let path = self.input.path.clone();
            (self.sink)(Found::Odd(Oddity { path, what: what.into(), count, first }))?;
        }
        Ok(())
    }

    /// The content for a reader that jumps.
    pub fn seekable(&self) -> Result<Seekable> {
        self.content.seekable(self.context.spool).map_err(Error::read(&self.input.path))
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

    /// What a member of this archive is called.
    pub fn member_path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("{}!{name}", self.input.path.display()))
    }
}
