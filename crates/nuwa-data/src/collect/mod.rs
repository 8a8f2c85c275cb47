//! Files and folders into documents.
//!
//! Bytes become characters here: every document is valid UTF-8 from this stage on. HTML stays as it is, marked
//! `format: "html"`, so that its cleaning can be done again with other settings. Memory is bounded: files are
//! taken in small groups, and a large file is streamed through twice (once to see what it is, once to read it). What must be
//! parsed in one piece has a limit: 64 MiB for a page, a mail, a PDF and a record of a crawl, 256 MiB for a line. A large
//! member of an archive is copied into the output folder for as long as it is read.
//!
//! A file in a folder that is damaged, or expands too far, is passed over and counted; what came before the damage is kept.
//! A document carries its source (`archive!member` within archives, the address for pages of a crawl) and in `meta` what the
//! format knows: `date`, `title`, `license`, `subject`, `from`, other columns. A folder may say where it comes from: a file
//! `.source.json` with `source`, an address, and `meta`, which every document below gets.

mod content;
pub mod crawl;
mod decode;
mod fetch;
mod format;
mod formats;
pub mod hub;
mod inspect;
mod origin;
mod read;
mod walk;

pub use fetch::{Fetch, FetchError, Request, Response};
pub use format::is_known_name;
pub use origin::ORIGIN_FILE;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nuwa_files::Progress;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::documents::{Document, LinesWriter};
use crate::{Error, Result};
use content::{Budget, Content};
use crawl::CrawlSettings;
use read::{Found, Outcome, Way};
use walk::Input;

/// What is read and how it becomes documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CollectSettings {
    /// The field of a JSON line, or the column of a table, that holds the text. Where a table has no column "text" and this
    /// is left as it is, a column content, body, article, document, passage or sentence is taken.
    pub text_field: String,
    /// Endings (without the dot) that are read as plain text besides txt and md, for example ["rst"].
    pub extra_text_extensions: Vec<String>,
    /// A text longer than this many bytes is cut at paragraph ends into several documents, so that memory stays
    /// flat; at least 1000.
    pub split_documents_over: u64,
    /// Makes each item of a fortune file (items between lines that hold only `%`) a document of its own.
    pub split_fortune_files: bool,
    /// What to do with a JSON line or a row of a table that cannot be used: stop with an error, or skip and count it.
    pub bad_lines: BadLines,
    /// A file that expands to more than this many times its size on the disk (and to more than 256 MiB) is taken for a
    /// bomb and read no further; at least 1.
    pub largest_expansion: u64,
    /// How far a crawl goes, where a source is the address of a page.
    pub crawl: CrawlSettings,
    /// How deep archives may lie in one another; with 1, an archive within an archive is passed over; at least 1.
    pub nested_archives: u32,
}

/// What to do with a line that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BadLines {
    /// Stop with an error that names the line.
    Error,
    /// Leave the line out and count it.
    Skip,
}

impl Default for CollectSettings {
    fn default() -> Self {
        Self {
            text_field: "text".into(),
            extra_text_extensions: Vec::new(),
            split_documents_over: 8_000_000,
            split_fortune_files: true,
            bad_lines: BadLines::Error,
            largest_expansion: 200,
            crawl: CrawlSettings::default(),
            nested_archives: 3,
        }
    }
}

/// What was collected, and what was passed over and why; also written as `collect.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CollectSummary {
    /// Documents written.
    pub documents: u64,
    /// Bytes of text in them.
    pub bytes: u64,
    /// Characters of text in them.
    pub characters: u64,
    /// Files, and members of archives, that were read.
    pub files: u64,
    /// How many files of each format gave documents.
    pub formats: BTreeMap<String, u64>,
    /// How many files were in each character encoding.
    pub encodings: BTreeMap<String, u64>,
    /// Files, and members of archives, that were passed over.
    pub skipped_files: u64,
    /// How many files were passed over for each reason.
    pub skipped_reasons: BTreeMap<String, u64>,
    /// The first hundred of them.
    pub skipped: Vec<Skipped>,
    /// JSON lines and rows left out, with `bad_lines = "skip"`.
    pub skipped_lines: u64,
    /// Rows, mails and records without text, by reason.
    #[serde(default)]
    pub skipped_records: BTreeMap<String, u64>,
    /// The time it took.
    pub seconds: f64,
}

/// A file, or a member of an archive (`archive!member`), that was passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

const SKIPPED_NAMED: usize = 100;

/// Reads files and folders (recursively, in the order of their names) into `out/documents-*.jsonl.zst`.
///
/// A file that is named must be readable as text; in a folder, what is not is passed over and counted.
pub fn collect(
    paths: &[PathBuf],
    out: &Path,
    settings: &CollectSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<CollectSummary> {
    check(settings)?;
    let started = Instant::now();
    let mut collection = Collection {
        way: Way { settings, spool: out },
        writer: LinesWriter::parts(out, "documents"),
        pending: Vec::new(),
        pending_bytes: 0,
        summary: CollectSummary::default(),
    };
    let inputs = walk::inputs(paths, settings, &mut collection.summary)?;
    let mut done = 0;
    let mut report = |files: usize, bytes: u64| {
        done += files as u64;
        progress(Progress {
            task: "collecting files",
            done,
            total: Some(inputs.len() as u64),
            unit: "files",
            bytes: Some(bytes),
        });
    };
    report(0, 0);
    for group in groups(&inputs) {
        collection.take(group)?;
        report(group.len(), collection.summary.bytes);
    }
    collection.finish(paths, out, started)
}

fn check(settings: &CollectSettings) -> Result<()> {
    let at_least = |name, value: u64, least: u64, expected| match value < least {
        true => Err(Error::Setting { name, value: value.to_string(), expected }),
        false => Ok(()),
    };
    at_least("collect.split_documents_over", settings.split_documents_over, 1000, "at least 1000")?;
    at_least("collect.largest_expansion", settings.largest_expansion, 1, "at least 1")?;
    at_least("collect.nested_archives", settings.nested_archives.into(), 1, "at least 1")
}

/// Files that are worked on side by side: few enough that all of them fit into memory.
const GROUP_FILES: usize = 64;
const GROUP_BYTES: u64 = 1 << 23;

fn groups(inputs: &[Input]) -> impl Iterator<Item = &[Input]> {
    let mut rest = inputs;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |input: &Input| {
            bytes += input.bytes;
            bytes <= GROUP_BYTES
        };
        let count = rest.iter().take(GROUP_FILES).take_while({
            let mut fits = fits;
            move |input| fits(input)
        });
        let count = count.count().max(1).min(rest.len());
        let (group, after) = rest.split_at(count);
        rest = after;
        (!group.is_empty()).then_some(group)
    })
}

struct Collection<'a> {
    way: Way<'a>,
    writer: LinesWriter,
    pending: Vec<Document>,
    pending_bytes: usize,
    summary: CollectSummary,
}

const PENDING_BYTES: usize = 1 << 22;

impl Collection<'_> {
    fn take(&mut self, group: &[Input]) -> Result<()> {
        let way = self.way;
        let ahead = |input: &Input| {
            let content = Content::file(&input.path, Budget::of_file(input.bytes, way.settings));
            let found = read::in_memory(input, &content, way);
            (content, found)
        };
        let read_ahead: Vec<_> = group.par_iter().map(ahead).collect();
        for (input, (content, found)) in group.iter().zip(read_ahead) {
            let result = match found {
                Some((found, result)) => {
                    found.into_iter().try_for_each(|found| self.found(found))?;
                    result
                }
                None => read::read(input, &content, way, &mut |found| self.found(found)),
            };
            self.end(input, result)?;
        }
        Ok(())
    }

    fn found(&mut self, found: Found) -> Result<()> {
        match found {
            Found::Document(document) => self.add(document)?,
            Found::File(outcome) => self.summary.count(outcome),
            Found::Skipped(path, reason) => self.summary.skip(path, reason),
        }
        Ok(())
    }

    fn add(&mut self, document: Document) -> Result<()> {
        self.summary.documents += 1;
        self.summary.bytes += document.text.len() as u64;
        self.summary.characters += document.text.chars().count() as u64;
        self.pending_bytes += document.text.len();
        self.pending.push(document);
        if self.pending_bytes >= PENDING_BYTES { self.write_pending() } else { Ok(()) }
    }

    fn write_pending(&mut self) -> Result<()> {
        self.writer.write(&self.pending)?;
        self.pending.clear();
        self.pending_bytes = 0;
        Ok(())
    }

    /// Damage and the like in one file of a folder is no reason to stop; what came before it is kept.
    fn end(&mut self, input: &Input, result: Result<()>) -> Result<()> {
        let Err(error) = result else { return Ok(()) };
        match error.skip_reason() {
            Some(reason) if !input.named => self.summary.skip(input.path.clone(), reason),
            _ => return Err(error),
        }
        Ok(())
    }

    fn finish(mut self, paths: &[PathBuf], out: &Path, started: Instant) -> Result<CollectSummary> {
        if self.summary.documents == 0 {
            let path = paths.first().cloned().unwrap_or_default();
            return Err(match path.is_dir() {
                true => Error::EmptyFolder { path, skipped: self.summary.skipped_reasons },
                false => Error::EmptyFile { path },
            });
        }
        self.write_pending()?;
        self.writer.finish()?;
        self.summary.seconds = started.elapsed().as_secs_f64();
        nuwa_files::write_json(&out.join("collect.json"), &self.summary)?;
        Ok(self.summary)
    }
}

impl CollectSummary {
    fn count(&mut self, outcome: Outcome) {
        self.files += 1;
        self.skipped_lines += outcome.skipped_lines;
        *self.formats.entry(outcome.format.into()).or_default() += 1;
        if let Some(encoding) = outcome.encoding {
            *self.encodings.entry(encoding.into()).or_default() += 1;
        }
        for (reason, count) in outcome.skipped_records {
            *self.skipped_records.entry(reason.into()).or_default() += count;
        }
    }

    fn skip(&mut self, path: PathBuf, reason: String) {
        self.skipped_files += 1;
        *self.skipped_reasons.entry(reason.clone()).or_default() += 1;
        if self.skipped.len() < SKIPPED_NAMED {
            self.skipped.push(Skipped { path, reason });
        }
    }
}
