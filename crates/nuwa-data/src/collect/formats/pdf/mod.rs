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

use std::io::Read;

use flate2::read::ZlibDecoder;
use hayro_syntax::metadata::Metadata;
use hayro_syntax::{LoadPdfError, Pdf};

use self::budget::Budget;
use self::content::Reader;
use self::lines::letters_joined;
use super::guard::guarded;
use crate::collect::read::Reading;
use crate::{Document, Error, Result};

/// What one compressed stream of a PDF may expand to, in bytes: the parser takes it into memory whole.
const LARGEST_STREAM: u64 = 1 << 28;

/// One document.
pub(in crate::collect) fn read(reading: &mut Reading) -> Result<&'static str> {
    let input = reading.input;
    let path = &input.path;
    let bytes = reading.whole()?;
    let beyond_measure = || Error::Binary { path: path.clone(), kind: "a PDF that expands beyond measure" };
    if has_bomb(&bytes) {
        return Err(beyond_measure());
    }
    let size = bytes.len();
    let pdf = guarded(path, || Pdf::new(bytes))?.map_err(|error| match error {
        LoadPdfError::Decryption(_) => Error::Binary { path: path.clone(), kind: "an encrypted PDF" },
        LoadPdfError::Invalid => Error::damage(path, "it is no PDF, or damaged".into()),
    })?;
    let text = guarded(path, || text(&pdf, size))?.ok_or_else(beyond_measure)?;
    if text.trim().is_empty() {
        return Err(Error::Binary { path: path.clone(), kind: "a PDF of pictures, without text" });
    }
    let mut document = reading.document(None, text, "pdf");
    describe(&mut document, pdf.metadata());
    reading.give(document)?;
    Ok("pdf")
}

/// Whether a stream, or all together, expand beyond measure.
fn has_bomb(bytes: &[u8]) -> bool {
    let mut budget = Budget::of_file(bytes.len());
    memchr::memmem::find_iter(bytes, b"stream").any(|at| {
        let size = expanded(bytes[at + b"stream".len()..].trim_ascii_start());
        size > LARGEST_STREAM || !budget.expand(size)
    })
}

/// What a compressed stream expands to, up to a limit; nothing where it is none.
fn expanded(stream: &[u8]) -> u64 {
    if !is_zlib(stream) {
        return 0;
    }
    let mut decoder = ZlibDecoder::new(stream).take(LARGEST_STREAM + 1);
    let mut block = vec![0; 1 << 16];
    let mut sum = 0;
    while let Ok(count @ 1..) = decoder.read(&mut block) {
        sum += count as u64;
    }
    sum
}

fn is_zlib(stream: &[u8]) -> bool {
    matches!(stream, [first, second, ..]
        if first & 0x0f == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31))
}

fn describe(document: &mut Document, metadata: &Metadata) {
    let mut set = |name: &str, bytes: &Option<Box<[u8]>>| {
        let value = bytes.as_deref().map(pdf_string).unwrap_or_default();
        if !value.trim().is_empty() {
            document.meta.insert(name.into(), value.trim().into());
        }
    };
    set("title", &metadata.title);
    set("author", &metadata.author);
    if let Some(date) = metadata.creation_date.or(metadata.modification_date) {
        let text = format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            date.year, date.month, date.day, date.hour, date.minute, date.second
        );
        document.meta.insert("date".into(), text.into());
    }
}

/// UTF-16 or UTF-8 where a byte order mark says so, else (nearly) Latin-1.
fn pdf_string(bytes: &[u8]) -> String {
    encoding_rs::WINDOWS_1252.decode(bytes).0.into_owned()
}

/// The text of all pages; nothing where the file asks for more than it may cost.
fn text(pdf: &Pdf, size: usize) -> Option<String> {
    let mut reader = Reader::of(pdf, Budget::of_file(size));
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
