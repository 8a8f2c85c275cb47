//! PDF: the text of all pages as one document, in the order in which the pages draw it.
//!
//! A PDF says where each character stands, not what a word or a paragraph is. `content.rs` follows the commands of a page,
//! `fonts.rs` says which character a code is and how wide, `lines.rs` makes words and lines of them.
//! Pictures are not read: a scanned page without a layer of text gives nothing.

mod budget;
mod content;
mod filters;
mod fonts;
mod geometry;
mod layers;
mod lines;
mod names;
mod programs;
mod standard;
mod streams;

use std::io::{self, Cursor, Read, Write};
use std::path::Path;
use std::sync::Arc;

use hayro_syntax::metadata::Metadata;
use hayro_syntax::{LoadPdfError, Pdf};
use serde::{Deserialize, Serialize};

use self::budget::Budget;
use self::content::Reader;
use self::lines::letters_joined;
use super::guard::guarded;
use crate::apart;
use crate::content::Seekable;
use crate::reading::Reading;
use crate::{Error, Result};

/// What a PDF gives.
#[derive(Serialize, Deserialize)]
struct Extract {
    text: String,
    /// `title`, `author` and `date`.
    meta: Vec<(String, String)>,
}

/// Why it gives nothing.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Refusal {
    Damaged,
    Broken,
    Encrypted,
    Expanding,
    /// Reading it ended the process that was to do so.
    Fatal,
    Textless,
}

/// One document.
pub(crate) fn read(reading: &mut Reading) -> Result<&'static str> {
    let bytes = reading.whole()?;
    let found = extract_apart(bytes, reading.context.settings.effort)
        .map_err(|refusal| refusal.error(&reading.input.path))?;
    let mut document = reading.document(None, found.text, "pdf");
    document.meta.extend(found.meta.into_iter().map(|(name, value)| (name, value.into())));
    reading.give(document)?;
    Ok("pdf")
}

impl Refusal {
    fn error(self, path: &Path) -> Error {
        let binary = |kind| Error::Binary { path: path.into(), kind };
        match self {
            Self::Damaged => Error::damage(path, "it is no PDF, or damaged".into()),
            Self::Broken => Error::damage(path, "the file's structure is broken".into()),
            Self::Encrypted => binary("an encrypted PDF"),
            Self::Expanding => binary("a PDF that expands beyond measure"),
            Self::Fatal => binary("a PDF that takes more time or memory than it may"),
            Self::Textless => binary("a PDF of pictures, without text"),
        }
    }
}

/// What a PDF gives, read in a process of its own where there is one.
fn extract_apart(bytes: Vec<u8>, effort: u32) -> Result<Extract, Refusal> {
    let bytes: Arc<[u8]> = bytes.into();
    match apart::start(apart::PDF, effort, "", Seekable::Memory(Cursor::new(bytes.clone()))) {
        Some(reader) => {
            let output = reader.end();
            serde_json::from_slice(&output).unwrap_or(Err(Refusal::Fatal))
        }
        None => extract(bytes.to_vec(), effort),
    }
}

/// Writes what a PDF gives, for [`read`] in another process.
pub(crate) fn write(mut source: Seekable, effort: u32, output: &mut dyn Write) -> io::Result<()> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes)?;
    Ok(serde_json::to_writer(output, &extract(bytes, effort))?)
}

/// The text of a file, within a budget. What the parser does not foresee is damage in the file.
fn extract(bytes: Vec<u8>, effort: u32) -> Result<Extract, Refusal> {
    guarded(Refusal::Broken, || extracted(bytes, effort))?
}

fn extracted(mut bytes: Vec<u8>, effort: u32) -> Result<Extract, Refusal> {
    let size = bytes.len();
    if !streams::tame(&mut bytes, &mut Budget::of_file(size, effort)) {
        return Err(Refusal::Expanding);
    }
    let pdf = Pdf::new(bytes).map_err(|error| match error {
        LoadPdfError::Decryption(_) => Refusal::Encrypted,
        LoadPdfError::Invalid => Refusal::Damaged,
    })?;
    let text = text(&pdf, Budget::of_file(size, effort)).ok_or(Refusal::Expanding)?;
    match text.trim().is_empty() {
        true => Err(Refusal::Textless),
        false => Ok(Extract { text, meta: described(pdf.metadata()) }),
    }
}

fn described(metadata: &Metadata) -> Vec<(String, String)> {
    let mut meta = Vec::new();
    let mut set = |name: &str, bytes: &Option<Box<[u8]>>| {
        let value = bytes.as_deref().map(pdf_string).unwrap_or_default();
        if !value.trim().is_empty() {
            meta.push((name.into(), value.trim().into()));
        }
    };
    set("title", &metadata.title);
    set("author", &metadata.author);
    if let Some(date) = metadata.creation_date.or(metadata.modification_date) {
        let text = format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            date.year, date.month, date.day, date.hour, date.minute, date.second
        );
        meta.push(("date".into(), text));
    }
    meta
}

/// UTF-16 or UTF-8 where a byte order mark says so, else (nearly) Latin-1.
fn pdf_string(bytes: &[u8]) -> String {
    encoding_rs::WINDOWS_1252.decode(bytes).0.into_owned()
}

/// The text of all pages; nothing where the file asks for more than it may cost.
fn text(pdf: &Pdf, budget: Budget) -> Option<String> {
    let mut reader = Reader::of(pdf, budget);
    let mut text = String::new();
    for page in pdf.pages().iter() {
        join_page(&mut text, &reader.text(page));
        if reader.budget.is_spent() {
            return None;
        }
    }
    Some(text)
}

/// Puts the text of a page behind that of the earlier ones.
fn join_page(text: &mut String, page: &str) {
    let page = &letters_joined(page.trim());
    if !text.is_empty() && !page.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(page);
}
