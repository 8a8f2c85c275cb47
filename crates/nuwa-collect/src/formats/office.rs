//! Documents of word processors and presentations (docx, pptx, odt, odp) and e-books (epub): zip archives of XML.
//!
//! Of a document the paragraphs are read, cells of tables with tabs between them; not what was deleted, comments and notes. A book
//! is the visible text of its chapters in their order.

use std::borrow::Cow;
use std::io::{BufRead, Read, Seek};

use nuwa_files::Document;
use zip::ZipArchive;
use zip::result::ZipError;

use super::page::attribute;
use super::xml::{Element, Piece, Pieces};
use super::zip_errors::failure;
use crate::content::LARGEST_PAGE;
use crate::html::{unescape, visible_text};
use crate::percent::percent_byte;
use crate::reading::Reading;
use crate::{Error, Result};

/// What an archive is, by its members.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Word,
    Slides,
    OpenDocument,
    Book,
    Spreadsheet,
}

/// The members that show a kind.
const SHOWN_BY: [(&str, Kind); 5] = [
    ("word/document.xml", Kind::Word),
    ("ppt/presentation.xml", Kind::Slides),
    ("xl/workbook.xml", Kind::Spreadsheet),
    ("META-INF/container.xml", Kind::Book),
    ("content.xml", Kind::OpenDocument),
];

impl Kind {
    pub fn of<R: Read + Seek>(archive: &ZipArchive<R>) -> Option<Self> {
        let has = |name: &str| archive.index_for_name(name).is_some();
        let shown = SHOWN_BY.iter().find(|(name, _)| has(name)).map(|(_, kind)| *kind);
        // Other archives may hold a file of that name.
        shown.filter(|kind| *kind != Self::OpenDocument || has("mimetype") || has("META-INF/manifest.xml"))
    }

    /// The name of the format.
    pub fn format(self) -> &'static str {
        match self {
            Self::Word => "docx",
            Self::Slides => "pptx",
            Self::OpenDocument => "odt",
            Self::Book => "epub",
            Self::Spreadsheet => "xlsx",
        }
    }
}

/// One document.
pub(super) fn read<R: BufRead + Seek>(
    reading: &mut Reading,
    archive: ZipArchive<R>,
    kind: Kind,
) -> Result<()> {
    let mut package = Package { archive, left: LARGEST_PAGE };
    let text = match kind {
        Kind::Word => package.word(reading)?,
        Kind::Slides => package.slides(reading)?,
        Kind::OpenDocument => package.open_document(reading)?,
        Kind::Book => package.book(reading)?,
        Kind::Spreadsheet => return Err(unsupported(reading, "a spreadsheet (.xlsx)")),
    };
    if text.trim().is_empty() {
        return Err(match package.archive.index_for_name("META-INF/encryption.xml") {
            Some(_) => unsupported(reading, "an encrypted book"),
            None => Error::EmptyFile { path: reading.input.path.clone() },
        });
    }
    let mut document = reading.document(None, text, kind.format());
    let about = package.about(reading)?;
    describe(&mut document, &about);
    reading.give(document)
}

fn unsupported(reading: &Reading, what: &str) -> Error {
    Error::Unsupported { path: reading.input.path.clone(), what: what.into() }
}

struct Package<R> {
    archive: ZipArchive<R>,
    /// Bytes that may still be read of it.
    left: u64,
}

impl<R: BufRead + Seek> Package<R> {
    /// A member as text; `None` where there is none of this name.
    fn part(&mut self, name: &str, reading: &Reading) -> Result<Option<String>> {
        let path = &reading.input.path;
        let mut member = match self.archive.by_name(name) {
            Ok(member) => member,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(failure(path, error)),
        };
        let mut bytes = Vec::new();
        let mut counted = reading.content.budget().counted(&mut member).take(self.left + 1);
        counted.read_to_end(&mut bytes).map_err(Error::read(path))?;
        match self.left.checked_sub(bytes.len() as u64) {
            Some(left) => self.left = left,
            None => return Err(Error::LargePage { path: path.clone(), limit: LARGEST_PAGE }),
        }
        Ok(Some(encoding_rs::UTF_8.decode(&bytes).0.into_owned()))
    }

    fn needed(&mut self, name: &str, reading: &Reading) -> Result<String> {
        let part = self.part(name, reading)?;
        part.ok_or_else(|| Error::damage(&reading.input.path, format!("it has no {name}")))
    }

    fn word(&mut self, reading: &Reading) -> Result<String> {
        Ok(Prose::of(&self.needed("word/document.xml", reading)?, Marks::Office))
    }

    fn slides(&mut self, reading: &Reading) -> Result<String> {
        let number = |name: Result<Cow<str>, ZipError>| {
            let name = name.ok()?;
            let number = name.strip_prefix("ppt/slides/slide")?.strip_suffix(".xml")?;
            Some((number.parse::<u32>().ok()?, name.to_string()))
        };
        let mut slides: Vec<_> = self.archive.file_names().filter_map(number).collect();
        slides.sort();
        let mut text = String::new();
        for (_, name) in slides {
            text += &Prose::of(&self.needed(&name, reading)?, Marks::Office);
        }
        Ok(text)
    }

    fn open_document(&mut self, reading: &Reading) -> Result<String> {
        let kind = self.part("mimetype", reading)?.unwrap_or_default();
        if kind.contains("spreadsheet") {
            return Err(unsupported(reading, "a spreadsheet (.ods)"));
        }
        let content = self.needed("content.xml", reading)?;
        if !content.trim_start().starts_with('<') {
            return Err(unsupported(reading, "an encrypted OpenDocument"));
        }
        Ok(Prose::of(&content, Marks::OpenDocument))
    }

    fn book(&mut self, reading: &Reading) -> Result<String> {
        let package = self.package(reading)?;
        let opf = self.needed(&package, reading)?;
        let folder = package.rfind('/').map_or("", |end| &package[..=end]);
        let mut text = String::new();
        for chapter in chapters(&opf) {
            if let Some(page) = self.part(&joined(folder, &chapter), reading)? {
                text += visible_text(&page).text.trim();
                text += "\n\n";
            }
        }
        Ok(text)
    }

    /// The name of the file that lists a book's parts.
    fn package(&mut self, reading: &Reading) -> Result<String> {
        let container = self.needed("META-INF/container.xml", reading)?;
        let path = elements(&container).find_map(|element| attribute(element.attributes, "full-path"));
        path.map(|path| unescape(path).into_owned())
            .ok_or_else(|| Error::damage(&reading.input.path, "its container names no book".into()))
    }

    /// The XML that says title, author and date.
    fn about(&mut self, reading: &Reading) -> Result<String> {
        for name in ["docProps/core.xml", "meta.xml"] {
            if let Some(about) = self.part(name, reading)? {
                return Ok(about);
            }
        }
        match self.archive.index_for_name("META-INF/container.xml") {
            Some(_) => self.package(reading).and_then(|package| self.needed(&package, reading)),
            None => Ok(String::new()),
        }
    }
}

fn elements(xml: &str) -> impl Iterator<Item = Element<'_>> {
    Pieces::of(xml).filter_map(|piece| match piece {
        Piece::Open(element) => Some(element),
        _ => None,
    })
}

/// The addresses of a book's chapters, in the order of its spine.
fn chapters(opf: &str) -> Vec<String> {
    let mut places = std::collections::HashMap::new();
    let mut order = Vec::new();
    for Element { name, attributes, .. } in elements(opf) {
        match (name, attribute(attributes, "id"), attribute(attributes, "href")) {
            ("item", Some(id), Some(href)) => {
                places.insert(id, href);
            }
            ("itemref", ..) => order.extend(attribute(attributes, "idref")),
            _ => {}
        }
    }
    // A chapter named twice is read once.
    order.into_iter().filter_map(|id| places.remove(id)).map(address).collect()
}

/// An address within the book, without its fragment and percent signs.
fn address(href: &str) -> String {
    let href = unescape(href);
    let href = href.split('#').next().unwrap_or_default().as_bytes();
    let mut bytes = Vec::with_capacity(href.len());
    let mut at = 0;
    while at < href.len() {
        let byte = percent_byte(href, at);
        bytes.push(byte.unwrap_or(href[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A path below a folder, which may go up with `..`.
fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn describe(document: &mut Document, about: &str) {
    let mut name = "";
    for piece in Pieces::of(about) {
        match piece {
            Piece::Open(element) => name = element.name,
            Piece::Close(_) => name = "",
            Piece::Text(text) => {
                let field = match name {
                    "title" => "title",
                    "creator" => "author",
                    "created" | "date" => "date",
                    _ => continue,
                };
                let text = unescape(text.trim()).into_owned();
                if !text.is_empty() && !document.meta.contains_key(field) {
                    document.meta.insert(field.into(), text.into());
                }
            }
        }
    }
}

/// Whose names the marks have.
#[derive(Clone, Copy, PartialEq)]
enum Marks {
    /// Text stands in `t`.
    Office,
    /// Text stands in paragraphs, its blanks as in HTML.
    OpenDocument,
}

/// What is no text of the document: settings of paragraphs, second forms, what was taken away, comments, notes, numbers of pages.
const NO_TEXT: [&str; 9] =
    ["pPr", "rPr", "Fallback", "moveFrom", "fld", "tracked-changes", "annotation", "note", "del"];

/// The most blanks that one mark stands for.
const MOST_BLANKS: usize = 100;

/// The paragraphs of a document on their way to be text.
struct Prose {
    marks: Marks,
    text: String,
    /// How deep in paragraphs, and in elements `t`.
    in_paragraph: u32,
    in_text: u32,
    /// How deep in tables' cells.
    in_cell: u32,
    /// The element that is passed over, and how many of its name are open.
    skipped: Option<(&'static str, u32)>,
}

impl Prose {
    fn of(xml: &str, marks: Marks) -> String {
        let (text, skipped) = (String::new(), None);
        let mut prose = Self { marks, text, in_paragraph: 0, in_text: 0, in_cell: 0, skipped };
        for piece in Pieces::of(xml) {
            match piece {
                _ if prose.skip(&piece) => {}
                Piece::Open(element) => prose.open(&element),
                Piece::Close(name) => prose.close(name),
                Piece::Text(text) => prose.push(text),
            }
        }
        prose.text
    }

    /// Whether a piece belongs to what is passed over.
    fn skip(&mut self, piece: &Piece) -> bool {
        if let Some((name, depth)) = &mut self.skipped {
            match piece {
                Piece::Open(element) if element.name == *name && !element.is_empty => *depth += 1,
                Piece::Close(closed) if *closed == *name => *depth -= 1,
                _ => {}
            }
            self.skipped = self.skipped.filter(|(_, depth)| *depth > 0);
            return true;
        }
        let Piece::Open(element) = piece else { return false };
        let Some(name) = NO_TEXT.iter().find(|name| **name == element.name) else { return false };
        self.skipped = (!element.is_empty).then_some((*name, 1));
        true
    }

    fn open(&mut self, element: &Element) {
        let depth = u32::from(!element.is_empty);
        match element.name {
            "p" | "h" if element.is_empty => {}
            "p" | "h" => self.in_paragraph += depth,
            "t" => self.in_text += depth,
            "tc" | "table-cell" => self.in_cell += depth,
            "tab" if self.in_paragraph > 0 => self.text.push('\t'),
            "br" | "cr" | "line-break" if self.in_paragraph > 0 => self.text.push('\n'),
            "s" if self.marks == Marks::OpenDocument => {
                let count = attribute(element.attributes, "text:c").and_then(|count| count.parse().ok());
                self.text.push_str(&" ".repeat(count.unwrap_or(1).min(MOST_BLANKS)));
            }
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "p" | "h" => {
                self.in_paragraph = self.in_paragraph.saturating_sub(1);
                self.end(if self.in_cell > 0 { " " } else { "\n\n" });
            }
            "t" => self.in_text = self.in_text.saturating_sub(1),
            "tc" | "table-cell" => {
                self.in_cell = self.in_cell.saturating_sub(1);
                self.trim();
                self.text.push('\t');
            }
            "tr" | "table-row" => self.end("\n"),
            "tbl" | "table" => self.end("\n\n"),
            _ => {}
        }
    }

    /// Ends a paragraph or a row, if there is something in it.
    fn end(&mut self, end: &str) {
        self.trim();
        match self.text.ends_with('\n') {
            _ if self.text.is_empty() || self.text.ends_with("\n\n") => {}
            true if end == "\n\n" => self.text.push('\n'),
            _ => self.text.push_str(end),
        }
    }

    fn trim(&mut self) {
        self.text.truncate(self.text.trim_end_matches([' ', '\t']).len());
    }

    fn push(&mut self, text: &str) {
        match self.marks {
            Marks::Office if self.in_text > 0 => self.text.push_str(&unescape(text)),
            Marks::OpenDocument if self.in_paragraph > 0 => {
                for part in unescape(text).split_inclusive(|blank: char| blank.is_ascii_whitespace()) {
                    let word = part.trim_end_matches(|blank: char| blank.is_ascii_whitespace());
                    self.text.push_str(word);
                    if word.len() < part.len() && !self.text.ends_with([' ', '\n', '\t']) {
                        self.text.push(' ');
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_processors_text_has_paragraphs_and_tables() {
        let xml = "<w:body><w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:t>One &amp;</w:t></w:r><w:r><w:tab/>\
            <w:t xml:space='preserve'> two</w:t><w:br/><w:t>three</w:t></w:r></w:p> \
            <w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p><w:p/>\
            <w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc></w:tr>\
            <w:tr><w:tc><w:p><w:r><w:t>c</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>d</w:t></w:r></w:p></w:tc></w:tr></w:tbl>\
            <w:p><mc:AlternateContent><mc:Choice><w:r><w:t>box</w:t></w:r></mc:Choice><mc:Fallback><w:r><w:t>box</w:t></w:r></mc:Fallback>\
            </mc:AlternateContent></w:p></w:body>";
        assert_eq!(Prose::of(xml, Marks::Office), "One &\t two\nthree\n\na\tb\nc\td\n\nbox\n\n");
    }

    #[test]
    fn an_open_documents_blanks_are_marks() {
        let xml = "<office:text><text:tracked-changes><text:p>gone</text:p></text:tracked-changes>\n\
            <text:h>Head</text:h>\n<text:p>One\n  two<text:s text:c=\"3\"/>x<text:note><text:p>7</text:p></text:note>\
            <text:span> y</text:span><text:line-break/>z</text:p></office:text>";
        assert_eq!(Prose::of(xml, Marks::OpenDocument), "Head\n\nOne two   x y\nz\n\n");
    }

    #[test]
    fn chapters_stand_in_the_order_of_the_spine() {
        let opf = "<manifest><item id='b' href='two%20b.xhtml#x'/><item id=\"a\" href=\"../one.xhtml\"/></manifest>\
            <spine><itemref idref='a'/><itemref idref='b'/><itemref idref='a'/></spine>";
        let places: Vec<String> = chapters(opf).iter().map(|place| joined("OEBPS/text/", place)).collect();
        assert_eq!(places, ["OEBPS/one.xhtml", "OEBPS/text/two b.xhtml"]);
    }
}
