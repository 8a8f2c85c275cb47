//! Mails: single ones (.eml, or known by their headers) and mailboxes (mbox), each mail a document.
//!
//! The text is the mail's plain part; where there is only HTML, the document is marked `format: "html"`. Transfer encodings
//! and charsets are undone. Attachments are not read. `subject`, `from` and `date` go into `meta`.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use mail_parser::{Address, HeaderValue, Message, MessageParser, MimeHeaders, PartType};
use nuwa_files::Document;

use crate::content::LARGEST_PAGE;
use crate::letters::{Separator, separator};
use crate::reading::Reading;
use crate::{Error, Result};

/// The one mail of a file.
pub(crate) fn read(reading: &mut Reading) -> Result<&'static str> {
    let input = reading.input;
    let path = &input.path;
    let bytes = reading.whole()?;
    if bytes.trim_ascii().is_empty() {
        return Err(Error::EmptyFile { path: path.clone() });
    }
    give(reading, None, &bytes)?;
    Ok("mail")
}

/// The mails of a mailbox: each begins with a line "From ..." after an empty one, and a header behind it.
///
/// A sentence may begin so too, and what `Content-Length` says is often wrong; so the line must look like a separator and the
/// next one like a header's. Where a line of a mail begins so, mailboxes write ">From" (RFC 4155); that is undone.
pub(crate) fn read_mailbox(reading: &mut Reading) -> Result<&'static str> {
    let input = reading.input;
    let path = &input.path;
    let mut bytes = reading.content.open().map_err(Error::read(path))?;
    let mut mailbox = Mailbox::default();
    let mut position = 0;
    loop {
        let end = mailbox.next(&mut bytes);
        if let Some(mail) = mailbox.take_mail() {
            position += 1;
            match mail {
                Mail::Whole(mail) => give(reading, Some(position), &mail)?,
                Mail::TooLarge => reading.leave_out("a mail too large"),
            }
        }
        if end.map_err(Error::read(path))? {
            return Ok("mbox");
        }
    }
}

/// A mailbox being taken apart.
#[derive(Default)]
struct Mailbox {
    mail: Vec<u8>,
    /// A line "From ..." was seen.
    begun: bool,
    too_large: bool,
    line: Vec<u8>,
    /// The first line of the next mail.
    held: Vec<u8>,
}

enum Mail {
    Whole(Vec<u8>),
    TooLarge,
}

/// The piece of a line that is read at a time.
const PIECE: u64 = 1 << 16;

impl Mailbox {
    /// Reads up to the beginning of the next mail; true at the end of the mailbox.
    fn next(&mut self, bytes: &mut dyn BufRead) -> io::Result<bool> {
        // The beginning of the file is like an empty line.
        let mut after_empty_line = !self.begun;
        let mut line_begins = true;
        // A line that is a separator if the one behind it is a header's.
        let mut possible: Option<(Separator, Vec<u8>)> = None;
        loop {
            self.line.clear();
            bytes.take(PIECE).read_until(b'\n', &mut self.line)?;
            let is_separator = possible.as_ref().is_some_and(|(kind, _)| kind.fits(&self.line));
            if let Some((_, before)) = possible.take()
                && !is_separator
            {
                self.push(&before, true);
                after_empty_line = false;
            }
            if is_separator && (std::mem::replace(&mut self.begun, true) || !self.mail.is_empty()) {
                self.held = std::mem::take(&mut self.line);
                return Ok(false);
            }
            if self.line.is_empty() {
                return Ok(true);
            }
            let line = std::mem::take(&mut self.line);
            match separator(&line).filter(|_| line_begins && after_empty_line && line.ends_with(b"\n")) {
                Some(kind) => possible = Some((kind, line)),
                None => {
                    self.push(&line, line_begins);
                    after_empty_line = line_begins && line.trim_ascii().is_empty();
                    line_begins = line.ends_with(b"\n");
                    self.line = line;
                }
            }
        }
    }

    fn push(&mut self, line: &[u8], line_begins: bool) {
        let depth = line.iter().take_while(|byte| **byte == b'>').count();
        let is_escaped = line_begins && depth > 0 && line[depth..].starts_with(b"From ");
        self.mail.extend_from_slice(&line[usize::from(is_escaped)..]);
        if self.mail.len() as u64 > LARGEST_PAGE {
            self.too_large = true;
            self.mail.clear();
        }
    }

    /// What was read since the last time, where that is more than blanks.
    fn take_mail(&mut self) -> Option<Mail> {
        let held = std::mem::take(&mut self.held);
        let mail = std::mem::replace(&mut self.mail, held);
        if std::mem::take(&mut self.too_large) {
            return Some(Mail::TooLarge);
        }
        (!mail.trim_ascii().is_empty()).then_some(Mail::Whole(mail))
    }
}

/// The longest name of a parameter that is looked at.
const LONGEST_PARAMETER: usize = 64;
/// Pieces of parameters (`name*12="..."`, RFC 2231) that one mail may have: joining them takes time with the square of their number.
const MOST_PIECES: usize = 4096;

fn give(reading: &mut Reading, position: Option<u64>, bytes: &[u8]) -> Result<()> {
    if pieces(bytes).nth(MOST_PIECES).is_some() {
        reading.leave_out("a mail with too many numbered parameters");
        return Ok(());
    }
    match document(reading, position, without_separator(bytes)) {
        Some(document) => reading.give(document),
        None => {
            reading.leave_out("a mail without text");
            Ok(())
        }
    }
}

/// The places of `*` behind the name of a parameter. A parameter begins behind a semicolon.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = usize> {
    memchr::memchr_iter(b'*', bytes).filter(|at| {
        let name = &bytes[at.saturating_sub(LONGEST_PARAMETER)..*at];
        let is_name = |byte: &u8| byte.is_ascii_graphic() && !b";\"=*".contains(byte);
        let before = name.iter().rposition(|byte| !is_name(byte));
        let digits = bytes[at + 1..].iter().take(LONGEST_PARAMETER).take_while(|byte| byte.is_ascii_digit());
        let rest = &bytes[at + 1 + digits.count()..];
        let is_piece = rest.strip_prefix(b"*").unwrap_or(rest).starts_with(b"=");
        is_piece && before.is_none_or(|before| b"; \t\r\n".contains(&name[before]))
    })
}

/// A single mail may have been cut out of a mailbox, with its separator.
fn without_separator(bytes: &[u8]) -> &[u8] {
    match bytes.starts_with(b"From ") {
        true => &bytes[memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)..],
        false => bytes,
    }
}

fn document(reading: &Reading, position: Option<u64>, bytes: &[u8]) -> Option<Document> {
    let message = MessageParser::default().parse(bytes)?;
    let (text, format) = body(&message)?;
    let mut document = reading.document(position, text, format);
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            document.meta.insert(name.into(), value.into());
        }
    };
    set("subject", message.subject().map(str::to_string));
    set("from", message.from().and_then(sender));
    set("date", message.date().filter(|date| date.is_valid()).map(|date| date.to_rfc3339()));
    if let HeaderValue::Text(language) = message.content_language() {
        document.lang = Some(language.trim().to_string()).filter(|code| (2..=12).contains(&code.len()));
    }
    Some(document)
}

/// The plain text of a mail, else its HTML.
fn body(message: &Message) -> Option<(String, &'static str)> {
    let mut plain = Vec::new();
    let mut html = Vec::new();
    for part in message.text_bodies() {
        match &part.body {
            PartType::Text(text) => plain.push(text.as_ref()),
            PartType::Html(page) => html.push(page.as_ref()),
            _ => {}
        }
    }
    let joined = |parts: Vec<&str>, between: &str| {
        let text = parts.join(between);
        (!text.trim().is_empty()).then_some(text)
    };
    let plain = joined(plain, "\n\n").map(|text| (text, "mail"));
    plain.or_else(|| joined(html, "\n").map(|page| (page, "html")))
}

/// The first sender: "Name <address>".
fn sender(from: &Address) -> Option<String> {
    let first = from.first()?;
    let address = first.address.as_deref().map(|address| format!("<{address}>"));
    let parts: Vec<Cow<str>> =
        first.name.as_deref().map(Cow::from).into_iter().chain(address.map(Cow::from)).collect();
    Some(parts.join(" "))
}
