//! Files and folders into documents.
//!
//! Bytes become characters here: every document is valid UTF-8 from this stage on. HTML stays as it is, marked
//! `format: "html"`, so that its cleaning can be done again with other settings. Memory is bounded: files are
//! taken in small groups, and a large file is streamed through twice (once to see what it is, once to read it). What must be
//! parsed in one piece has a limit: 64 MiB for a page, a mail, a PDF and a record of a crawl, 256 MiB for a line. A large
//! member of an archive is copied into the output folder for as long as it is read.
//!
//! What was interrupted goes on from the last 256 MiB of documents that were written (`OUT/.collect/`), if none of the files and
//! settings has changed.
//!
//! What is odd in a file (a quote that is never closed, NUL bytes in a text, NaN in JSON) is mended or left out, and stands in the
//! account: `collect.json`, `oddities`.
//!
//! A file in a folder that is damaged, or expands too far, is passed over and counted; what came before the damage is kept.
//! A document carries its source (`archive!member` within archives, the address for pages of a crawl) and in `meta` what the
//! format knows: `date`, `title`, `license`, `subject`, `from`, other columns. A folder may say where it comes from: a file
//! `.source.json` with `source`, an address, and `meta`, which every document below gets.

#![forbid(unsafe_code)]

mod apart;
mod charset;
mod collection;
mod content;
pub mod crawl;
mod decode;
mod error;
mod fetch;
mod format;
mod formats;
pub mod html;
pub mod hub;
mod inspect;
mod letters;
mod origin;
mod read;
mod sample;
mod walk;

pub use apart::{Limits, apart_by, read_apart};
pub use error::{Error, Result};
pub use fetch::{Fetch, FetchError, Request, Response};
pub use format::is_known_name;
pub use origin::ORIGIN_FILE;
pub use sample::{Sample, sample};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nuwa_files::Progress;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use collection::{Collection, PART_BYTES};
use crawl::CrawlSettings;
use read::Outcome;

/// What is read and how it becomes documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CollectSettings {
    /// The field of a JSON record, or the column of a table, that holds the text; `data.text` is the field `text` within `data`. Where a table has no column "text" and this
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
    /// What a PDF or a Parquet table may take, as a multiple of the usual 400 MB of memory and 2 seconds (16 MB and a second more for
    /// each MB of it); at least 1.
    pub effort: u32,
    /// The most bytes that a data set of the Hub may have, all of its files together.
    #[schemars(extend("x-decides" = false))]
    pub largest_download: u64,
    /// Follows links of a folder that lead out of it; else they are passed over and counted. Links within the folder are always
    /// followed.
    pub follow_links: bool,
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
            effort: 1,
            largest_download: 20_000_000_000,
            follow_links: false,
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
    /// How often something odd was met in what was read: mended, or left out.
    #[serde(default)]
    pub odd: BTreeMap<String, u64>,
    /// The first hundred files with it.
    #[serde(default)]
    pub oddities: Vec<Oddity>,
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

/// Something odd in a file, or in a member of an archive, that was read nevertheless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Oddity {
    /// The file.
    pub path: PathBuf,
    /// What was met, and what became of it.
    pub what: String,
    /// How often.
    pub count: u64,
    /// The line (or the number of the row, record or mail) where it was met first.
    pub first: Option<u64>,
}

/// Files that were passed over, or are odd, that are told by name.
const FILES_NAMED: usize = 100;

/// Reads files and folders (recursively, in the order of their names) into `out/documents-*.jsonl.zst`.
///
/// A file that is named must be readable as text; in a folder, what is not is passed over and counted.
pub fn collect(
    paths: &[PathBuf],
    out: &Path,
    settings: &CollectSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<CollectSummary> {
    collect_in_parts(PART_BYTES, paths, out, settings, progress)
}

fn collect_in_parts(
    part_bytes: u64,
    paths: &[PathBuf],
    out: &Path,
    settings: &CollectSettings,
    progress: &mut dyn FnMut(Progress),
) -> Result<CollectSummary> {
    check(settings)?;
    let mut summary = CollectSummary::default();
    let inputs = walk::inputs(paths, settings, &mut summary)?;
    let mut collection = Collection::new(part_bytes, &inputs, out, settings, summary, progress);
    collection.take_up()?;
    match collection.take(&inputs) {
        Ok(()) => collection.finish(paths),
        Err(error) => {
            collection.leave()?;
            Err(error)
        }
    }
}

fn check(settings: &CollectSettings) -> Result<()> {
    let at_least = |name, value: u64, least: u64, expected| match value < least {
        true => Err(Error::Setting { name, value: value.to_string(), expected }),
        false => Ok(()),
    };
    at_least("collect.split_documents_over", settings.split_documents_over, 1000, "at least 1000")?;
    at_least("collect.largest_expansion", settings.largest_expansion, 1, "at least 1")?;
    at_least("collect.effort", settings.effort.into(), 1, "at least 1")?;
    at_least("collect.nested_archives", settings.nested_archives.into(), 1, "at least 1")
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

    /// Why there is no document of what was passed over, left out or odd.
    fn reasons(self) -> BTreeMap<String, u64> {
        [self.skipped_reasons, self.skipped_records, self.odd].into_iter().flatten().collect()
    }

    fn meet(&mut self, oddity: Oddity) {
        *self.odd.entry(oddity.what.clone()).or_default() += oddity.count;
        if self.oddities.len() < FILES_NAMED {
            self.oddities.push(oddity);
        }
    }

    fn skip(&mut self, path: PathBuf, reason: String) {
        self.skipped_files += 1;
        *self.skipped_reasons.entry(reason.clone()).or_default() += 1;
        if self.skipped.len() < FILES_NAMED {
            self.skipped.push(Skipped { path, reason });
        }
    }
}

/// The byte that `%XX` at this place stands for.
fn percent_byte(bytes: &[u8], at: usize) -> Option<u8> {
    let digits = bytes.get(at..at + 3)?.strip_prefix(b"%")?;
    let digits = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit))?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use nuwa_files::documents;

    use super::*;

    /// Files of one document and of many, an archive, and some that are passed over.
    fn sources(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for number in 0..40 {
            fs::write(folder.join(format!("{number:02}.txt")), format!("Text number {number}. ").repeat(30))
                .unwrap();
        }
        let line = |number: usize| {
            if number % 50 == 7 {
                "{\"text\": 5}\n".into()
            } else {
                format!("{{\"text\": \"Line {number} of many.\"}}\n")
            }
        };
        fs::write(folder.join("05-lines.jsonl"), (0..2000).map(line).collect::<String>()).unwrap();
        fs::write(folder.join("07-picture.txt"), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").unwrap();
        fs::write(folder.join("08-picture.png"), "").unwrap();
        let mut archive = tar::Builder::new(fs::File::create(folder.join("09-archive.tar")).unwrap());
        for number in 0..200 {
            let text = format!("Member {number}. ").repeat(20);
            let mut header = tar::Header::new_ustar();
            header.set_size(text.len() as u64);
            let name = format!("{number}.{}", if number % 30 == 3 { "png" } else { "md" });
            archive.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        archive.finish().unwrap();
    }

    #[test]
    fn collecting_that_was_killed_anywhere_ends_as_if_it_had_not_been() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        sources(&from);
        let settings = CollectSettings { bad_lines: BadLines::Skip, ..CollectSettings::default() };
        let collected = |out: &Path, progress: &mut dyn FnMut(Progress)| {
            let summary = collect_in_parts(3000, std::slice::from_ref(&from), out, &settings, progress);
            CollectSummary { seconds: 0.0, ..summary.unwrap() }
        };
        let written = |out: &Path| {
            let files = documents::files(out).unwrap();
            files
                .iter()
                .map(|file| zstd::stream::decode_all(&fs::read(file).unwrap()[..]).unwrap())
                .collect::<Vec<_>>()
        };
        let whole = folder.path().join("whole");
        let expected = collected(&whole, &mut |_| {});
        assert!(expected.documents > 2000 && expected.skipped_files == 9, "{expected:?}");
        let killed = folder.path().join("killed");
        let state = killed.join(".collect/state.json");
        let (mut attempts, mut taken_up) = (0, 0);
        let found = loop {
            attempts += 1;
            let before = fs::read(&state).ok();
            taken_up += usize::from(before.is_some());
            // Every look at the state may be the last; each attempt comes one part further.
            let kill = |_: Progress| assert!(fs::read(&state).ok() == before, "killed");
            match catch_unwind(AssertUnwindSafe(|| collected(&killed, &mut { kill }))) {
                Ok(found) => break found,
                Err(_) => assert!(attempts < 500, "it comes no further"),
            }
        };
        assert!(taken_up > 3, "{taken_up} of {attempts}");
        assert_eq!(found, expected);
        assert!(written(&killed) == written(&whole));
        assert!(!killed.join(".collect").exists());
    }
}
