//! WARC and WET, the archives of web crawls (ISO 28500): each page is a document.
//!
//! Read are the records `response` (an HTTP response: the page, marked `format: "html"`), `resource` (a page without HTTP)
//! and `conversion` (the text that WET files hold). The source is the page's address; `meta.date` the time it was fetched.
//! Other kinds of records describe the crawl and are passed over.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use encoding_rs::Encoding;
use mail_parser::DateTime;
use nuwa_text::language::two_letters;

use super::bodies::{self, Unreadable};
use super::page::{describe, is_one_of};
use crate::charset::Charset;
use crate::content::LARGEST_PAGE;
use crate::content::{Budget, Content};
use crate::decode::decoded;
use crate::inspect::inspect;
use crate::reading::Reading;
use crate::{Error, Result};

/// A document for each page.
pub(crate) fn read(reading: &mut Reading) -> Result<&'static str> {
    let input = reading.input;
    let path = &input.path;
    let mut bytes = reading.content.open().map_err(Error::read(path))?;
    let mut number = 0;
    while let Some(record) = next_record(&mut bytes).map_err(Error::read(path))? {
        number += 1;
        match take_page(&record, &mut bytes, &reading.content.budget()) {
            Ok(page) => give(reading, number, &record, page)?,
            Err(NoPage::Other) => {}
            Err(NoPage::LeftOut(reason)) => reading.leave_out(reason),
            Err(NoPage::Damage(error)) => return Err(Error::read(path)(error)),
        }
    }
    Ok("warc")
}

/// Why a record gives no document.
enum NoPage {
    /// It is of a kind that holds none.
    Other,
    LeftOut(&'static str),
    Damage(io::Error),
}

impl From<io::Error> for NoPage {
    fn from(error: io::Error) -> Self {
        Self::Damage(error)
    }
}

/// Names and values, in the order of a header.
#[derive(Debug, Default, PartialEq)]
struct Fields(Vec<(String, String)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The names in a list of codings, in the order in which they were applied.
    fn codings(&self, name: &str) -> Vec<String> {
        let value = self.get(name).unwrap_or_default().to_ascii_lowercase();
        value.split(',').map(|coding| coding.trim().to_string()).filter(|coding| !coding.is_empty()).collect()
    }

    /// Of the type and its parameters in a `Content-Type`.
    fn content_type(&self) -> (String, Option<&'static Encoding>) {
        let value = self.get("Content-Type").unwrap_or_default().to_ascii_lowercase();
        let mut parts = value.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_string();
        let label = parts.find_map(|part| part.strip_prefix("charset="));
        (kind, label.and_then(|label| Encoding::for_label(label.trim_matches('"').as_bytes())))
    }

    /// When the server says that the content changed last (RFC 9110, section 8.8.2), as RFC 3339 writes it.
    fn modified(&self) -> Option<String> {
        let date = DateTime::parse_rfc822(self.get("Last-Modified")?)?;
        date.is_valid().then(|| date.to_rfc3339())
    }

    /// The address of the license that a `Link: <address>; rel=license` names.
    fn license(&self) -> Option<&str> {
        let values = self.0.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Link"));
        values.flat_map(|(_, value)| links(value)).find_map(|(address, parameters)| {
            let names_license = |parameter: &str| {
                let (name, value) = parameter.split_once('=')?;
                let value = value.trim().trim_matches('"');
                (name.trim().eq_ignore_ascii_case("rel") && is_one_of(Some(value), "license")).then_some(())
            };
            parameters.split(';').find_map(names_license).map(|()| address)
        })
    }
}

/// The addresses of a `Link` header, each with its parameters. An address may hold commas, so they separate nothing alone.
fn links(value: &str) -> impl Iterator<Item = (&str, &str)> {
    value.split('<').skip(1).filter_map(|link| {
        let (address, parameters) = link.split_once('>')?;
        Some((address.trim(), parameters.trim_end().trim_end_matches(',')))
    })
}

struct Record {
    fields: Fields,
    length: u64,
}

/// The most bytes that a header may have.
const LONGEST_HEADER: u64 = 1 << 20;

/// The header of the next record; the bytes stand at its block then. `None` at the end.
fn next_record(bytes: &mut dyn BufRead) -> io::Result<Option<Record>> {
    let mut left = LONGEST_HEADER;
    let mut version = Vec::new();
    while version.trim_ascii().is_empty() {
        version.clear();
        if !header_line(bytes, &mut version, &mut left)? {
            return Ok(None);
        }
    }
    if !version.starts_with(b"WARC/") {
        return Err(damage("a record does not begin with its version, as in WARC/1.0"));
    }
    let fields = header(bytes, &mut left)?;
    let length = fields.get("Content-Length").and_then(|value| value.parse().ok());
    let length = length.ok_or_else(|| damage("a record without Content-Length"))?;
    Ok(Some(Record { fields, length }))
}

fn damage(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// Lines up to an empty one. A line that begins with a blank goes on with the one before.
fn header(bytes: &mut dyn BufRead, left: &mut u64) -> io::Result<Fields> {
    let mut fields = Fields::default();
    loop {
        let mut line = Vec::new();
        if !header_line(bytes, &mut line, left)? || line.trim_ascii().is_empty() {
            return Ok(fields);
        }
        let text = String::from_utf8_lossy(&line);
        match (text.starts_with([' ', '\t']), fields.0.last_mut()) {
            (true, Some((_, value))) => {
                value.push(' ');
                value.push_str(text.trim());
            }
            _ => {
                if let Some((name, value)) = text.split_once(':') {
                    fields.0.push((name.trim().to_string(), value.trim().to_string()));
                }
            }
        }
    }
}

/// Reads a line of a header, whose lines may have `left` bytes together; false at the end.
fn header_line(bytes: &mut dyn BufRead, line: &mut Vec<u8>, left: &mut u64) -> io::Result<bool> {
    if *left == 0 {
        return Err(damage("a header of more than 1048576 bytes"));
    }
    let count = bytes.take(*left).read_until(b'\n', line)?;
    *left -= count as u64;
    Ok(count > 0)
}

struct Page {
    text: String,
    format: &'static str,
    encoding: Charset,
    /// What the server said of it, for `meta`.
    said: Vec<(&'static str, String)>,
    odd: Option<&'static str>,
}

/// The page in the record's block, which is read to its end whatever it holds.
fn take_page(record: &Record, bytes: &mut dyn BufRead, budget: &Arc<Budget>) -> Result<Page, NoPage> {
    let kind = record.fields.get("WARC-Type").unwrap_or_default();
    let has_page = ["response", "resource", "conversion"].contains(&kind);
    if !has_page || record.length > LARGEST_PAGE {
        let skipped = io::copy(&mut bytes.take(record.length), &mut io::sink())?;
        whole(skipped, record)?;
        return Err(if has_page { NoPage::LeftOut("a record too large") } else { NoPage::Other });
    }
    let mut block = Vec::new();
    bytes.take(record.length).read_to_end(&mut block)?;
    whole(block.len() as u64, record)?;
    let content = record.fields.content_type().0;
    match kind {
        "response" if content.starts_with("application/http") => response(&block, budget),
        // The protocols that are not HTTP answer with the content alone.
        _ => page(block, &record.fields),
    }
}

fn whole(count: u64, record: &Record) -> io::Result<()> {
    match count == record.length {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The page in an HTTP response.
fn response(block: &[u8], budget: &Arc<Budget>) -> Result<Page, NoPage> {
    let mut rest = block;
    let mut left = LONGEST_HEADER;
    let mut status = Vec::new();
    header_line(&mut rest, &mut status, &mut left).map_err(|_| NoPage::LeftOut("a damaged response"))?;
    let fields = header(&mut rest, &mut left).map_err(|_| NoPage::LeftOut("a damaged response"))?;
    if status.split(u8::is_ascii_whitespace).nth(1) != Some(b"200") {
        return Err(NoPage::LeftOut("a response other than 200"));
    }
    let (transfer, content) = (fields.codings("Transfer-Encoding"), fields.codings("Content-Encoding"));
    let (body, odd) = bodies::body(rest, &transfer, &content, budget).map_err(|problem| match problem {
        Unreadable::Page(reason) => NoPage::LeftOut(reason),
        Unreadable::File(error) => NoPage::Damage(error),
    })?;
    let mut page = page(body, &fields)?;
    page.odd = odd;
    Ok(page)
}

/// The characters of a body, where it is text.
fn page(body: Vec<u8>, fields: &Fields) -> Result<Page, NoPage> {
    let (kind, charset) = fields.content_type();
    let content = Content::memory(body);
    let inspection = inspect(|| content.open(), "".as_ref()).map_err(|_| NoPage::Other)?;
    let format = match kind.as_str() {
        "text/html" | "application/xhtml+xml" => "html",
        "text/plain" | "text/markdown" | "" if inspection.is_html => "html",
        "text/plain" | "" => "text",
        "text/markdown" => "markdown",
        _ => return Err(NoPage::LeftOut("a record that is not text")),
    };
    if inspection.blank {
        return Err(NoPage::LeftOut("a record without text"));
    }
    if inspection.binary.is_some() {
        return Err(NoPage::LeftOut("a record that is not text"));
    }
    // UTF-8 shows itself; of the others, the server knows best.
    let encoding = match charset {
        Some(charset) if inspection.encoding != Charset::UTF_8 && !inspection.encoding.is_wide() => {
            Charset::Known(charset)
        }
        _ => inspection.encoding,
    };
    let text = decoded(content.open()?, encoding, inspection.stray_nuls > 0)?;
    Ok(Page { text, format, encoding, said: said(fields), odd: None })
}

fn said(fields: &Fields) -> Vec<(&'static str, String)> {
    // Where several languages are named, they are the readers', not the text's.
    let language = fields.get("Content-Language").filter(|codes| !codes.contains(','));
    let facts = [
        ("modified", fields.modified()),
        ("license", fields.license().map(str::to_string)),
        ("declared_language", language.map(str::to_string)),
    ];
    facts
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)))
        .collect()
}

fn give(reading: &mut Reading, number: u64, record: &Record, page: Page) -> Result<()> {
    if let Some(what) = page.odd {
        reading.odd(what, Some(number));
    }
    let mut document = reading.document(Some(number), page.text, page.format);
    document.meta.extend(page.said.into_iter().map(|(name, value)| (name.to_string(), value.into())));
    if page.format == "html" {
        describe(&mut document);
    }
    let fields = &record.fields;
    if page.encoding != Charset::UTF_8 {
        document.meta.insert("encoding".into(), page.encoding.name().into());
    }
    if let Some(date) = fields.get("WARC-Date") {
        document.meta.insert("date".into(), date.into());
    }
    if let Some(address) = fields.get("WARC-Target-URI") {
        let archive = std::mem::replace(&mut document.source, address.trim_matches(['<', '>']).into());
        document.meta.insert("archive".into(), archive.into());
    }
    // Where several are named, the first covers most of the text; that is not sure enough.
    document.lang = fields
        .get("WARC-Identified-Content-Language")
        .filter(|codes| !codes.contains(','))
        .and_then(two_letters)
        .map(str::to_string);
    reading.give(document)
}
