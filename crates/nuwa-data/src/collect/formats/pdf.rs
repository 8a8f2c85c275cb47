//! PDF: the text of all pages as one document, in the order in which the pages draw it.
//!
//! A PDF says where each character stands, not what a word or a paragraph is. A gap of a fifth of the type size is a blank,
//! a change of line a line end, a larger step an empty line, all along the direction in which the text runs; a word parted by a hyphen at the end of a line is joined again.
//! Pictures are not read: a scanned page without a layer of text gives nothing.

use std::io::Read;

use flate2::read::ZlibDecoder;
use hayro_interpret::font::{Glyph, GlyphRun};
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::hayro_syntax::metadata::Metadata;
use hayro_interpret::hayro_syntax::{LoadPdfError, Pdf};
use hayro_interpret::kurbo::{Affine, BezPath, Point, Rect, Vec2};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, RenderContent, SoftMask, interpret_page,
};

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
    if has_bomb(&bytes) {
        return Err(Error::Binary { path: path.clone(), kind: "a PDF that expands beyond measure" });
    }
    let pdf = guarded(path, || Pdf::new(bytes))?.map_err(|error| match error {
        LoadPdfError::Decryption(_) => Error::Binary { path: path.clone(), kind: "an encrypted PDF" },
        LoadPdfError::Invalid => Error::damage(path, "it is no PDF, or damaged".into()),
    })?;
    let text = guarded(path, || text(&pdf))?;
    if text.trim().is_empty() {
        return Err(Error::Binary { path: path.clone(), kind: "a PDF of pictures, without text" });
    }
    let mut document = reading.document(None, text, "pdf");
    describe(&mut document, pdf.metadata());
    reading.give(document)?;
    Ok("pdf")
}

/// Whether a stream expands beyond measure.
fn has_bomb(bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, b"stream").any(|at| {
        let start = bytes[at + b"stream".len()..].trim_ascii_start();
        let is_zlib = matches!(start, [first, second, ..]
            if first & 0x0f == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31));
        is_zlib && expanded(start) > LARGEST_STREAM
    })
}

fn expanded(stream: &[u8]) -> u64 {
    let mut decoder = ZlibDecoder::new(stream).take(LARGEST_STREAM + 1);
    let mut block = vec![0; 1 << 16];
    let mut sum = 0;
    while let Ok(count @ 1..) = decoder.read(&mut block) {
        sum += count as u64;
    }
    sum
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

fn text(pdf: &Pdf) -> String {
    let settings = InterpreterSettings { render_content: RenderContent::PAGE, ..Default::default() };
    let cache = InterpreterCache::new();
    let mut text = String::new();
    for page in pdf.pages().iter() {
        let area = Rect::new(0.0, 0.0, 1.0, 1.0);
        let mut context = Context::new(Affine::IDENTITY, area, &cache, pdf.xref(), settings.clone());
        let mut lines = Lines::default();
        interpret_page(page, &mut context, &mut lines);
        join_page(&mut text, &lines.text);
    }
    text
}

/// Puts the text of a page behind that of the earlier ones.
fn join_page(text: &mut String, page: &str) {
    let page = &letters_joined(page.trim());
    if !text.is_empty() && !page.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(page);
}

/// Joins lines of single letters: text that is written from top to bottom.
fn letters_joined(page: &str) -> String {
    let lines: Vec<&str> = page.split('\n').collect();
    let is_letter = |line: &&str| {
        let mut characters = line.trim().chars();
        characters.next().is_some_and(char::is_alphabetic) && characters.next().is_none()
    };
    let mut joined: Vec<String> = Vec::new();
    for run in lines.chunk_by(|one, next| is_letter(one) == is_letter(next)) {
        match is_letter(&run[0]) && run.len() >= LETTERS_BELOW {
            true => joined.push(run.iter().map(|line| line.trim()).collect()),
            false => joined.extend(run.iter().map(|line| line.to_string())),
        }
    }
    joined.join("\n")
}

/// The characters of a page as lines.
#[derive(Default)]
struct Lines {
    text: String,
    last: Option<Place>,
}

/// Where a character stands on the page.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: Point,
    end: Point,
    /// The way the line runs, of length 1.
    along: Vec2,
    /// The height of an em.
    size: f64,
}

/// The steps from one character to the next that mean something, in parts of the type size.
const BLANK: f64 = 0.18;
const NEW_LINE: f64 = 0.5;
const NEW_PARAGRAPH: f64 = 1.8;
/// The cosine of the angle between two letters of a line, at least: text may run along a curve.
const SAME_DIRECTION: f64 = 0.7;
/// So many lines of one letter each are one line that runs down the page.
const LETTERS_BELOW: usize = 4;

impl Lines {
    fn push(&mut self, character: &str, place: Place) {
        if let Some(last) = self.last {
            self.step(last, place, character);
        }
        self.text.push_str(character);
        self.last = Some(place);
    }

    fn step(&mut self, last: Place, place: Place, next: &str) {
        let size = last.size.max(place.size).max(0.001);
        let down = last.along.cross(place.start - last.start).abs() / size;
        let right = last.along.dot(place.start - last.end) / size;
        if down > NEW_PARAGRAPH || last.along.dot(place.along) < SAME_DIRECTION {
            self.end_line("\n\n");
        } else if down > NEW_LINE {
            if !self.join_hyphen(next) {
                self.end_line("\n");
            }
        } else if !(-1.0..=BLANK).contains(&right) && !self.text.ends_with([' ', '\n']) && next != " " {
            self.text.push(' ');
        }
    }

    fn end_line(&mut self, end: &str) {
        self.text.truncate(self.text.trim_end_matches(' ').len());
        if !self.text.is_empty() {
            self.text.push_str(end);
        }
    }

    /// Joins "exam-" and "ple".
    fn join_hyphen(&mut self, next: &str) -> bool {
        let line = self.text.trim_end_matches(' ');
        let word = line.strip_suffix(['-', '\u{ad}', '\u{2010}']);
        let Some(word) = word.filter(|word| word.ends_with(char::is_lowercase)) else { return false };
        let joins = next.starts_with(char::is_lowercase);
        if joins {
            self.text.truncate(word.len());
        }
        joins
    }
}

fn place(glyph: &Glyph, transform: Affine) -> Place {
    let advance = match glyph {
        Glyph::Outline(outline) => outline.advance_width(),
        Glyph::Type3(drawn) => drawn.advance_width(),
    };
    let em = 1000.0;
    let start = transform * Point::ZERO;
    let along = transform * Point::new(em, 0.0) - start;
    Place {
        start,
        end: transform * Point::new(advance.map_or(em / 2.0, f64::from), 0.0),
        along: if along.hypot() > 0.0 { along / along.hypot() } else { Vec2::new(1.0, 0.0) },
        size: (transform * Point::new(0.0, em) - start).hypot(),
    }
}

impl Device<'_> for Lines {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, '_>, props: DrawProps<'_>, _: &DrawMode) {
        for glyph in run.glyphs() {
            let place = place(glyph, props.transform * glyph.transform());
            match glyph.as_unicode() {
                Some(BfString::Char(character)) => self.push(character.encode_utf8(&mut [0; 4]), place),
                Some(BfString::String(characters)) => self.push(&characters, place),
                None => {}
            }
        }
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'_>, _: &DrawMode) {}
    fn draw_image(&mut self, _: Image<'_, '_>, _: ImageDrawProps<'_>) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn pop_clip(&mut self) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'_>>, _: BlendMode) {}
    fn pop_transparency_group(&mut self) {}
}
