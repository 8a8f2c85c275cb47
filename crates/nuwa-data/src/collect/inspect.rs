//! What a file is, from its bytes: text or not, in which encoding, with or without fortune separators.

use std::io::{self, BufRead, Read};
use std::path::Path;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::compressed::Reader;
use crate::error::Expansion;
use crate::{Error, Result};

/// What one pass over a file's bytes has shown.
#[derive(Debug)]
pub(super) struct Inspection {
    /// What the file is, where it is not text.
    pub binary: Option<&'static str>,
    pub encoding: &'static Encoding,
    /// Sequences that are not UTF-8 in a file that otherwise is.
    pub decoding_errors: u64,
    pub blank: bool,
    pub is_fortune: bool,
    pub is_html: bool,
}

/// First bytes of common files that are not text.
const SIGNATURES: [(&[u8], &str); 20] = [
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"%PDF-", "a PDF"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a RIFF file (sound or image)"),
    (b"ID3", "an MP3 sound file"),
    (b"OggS", "an Ogg sound file"),
    (b"\x7fELF", "a program (ELF)"),
    (b"MZ\x90", "a program (Windows)"),
    (b"PAR1", "a Parquet table"),
    (b"SQLite format 3", "an SQLite database"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x1f\x8b", "a gzip-compressed file (compressed twice)"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard-compressed file (compressed twice)"),
    (b"\xfd7zXZ\0", "an xz-compressed file (compressed twice)"),
    (b"BZh91AY&SY", "a bzip2-compressed file (compressed twice)"),
    (b"wOF2", "a font"),
];

/// Bytes from which an encoding is guessed.
const GUESSED_FROM: u64 = 1 << 22;

/// Reads to the end, and once more from the start where the encoding must be guessed, which is slow.
///
/// Where the file is damaged, what comes before the damage is looked at; reading will find the damage again.
pub(super) fn inspect(open: impl Fn() -> io::Result<Reader<'static>>, path: &Path) -> Result<Inspection> {
    let mut inspector = Inspector::new();
    let mut reader = open().map_err(Error::read(path))?;
    loop {
        let block = match reader.fill_buf() {
            Err(error) if inspector.bytes > 0 && !Expansion::is(&error) => break,
            block => block.map_err(Error::read(path))?,
        };
        if block.is_empty() || inspector.signature.is_some() {
            break;
        }
        let count = block.len();
        inspector.feed(block);
        reader.consume(count);
    }
    let guess = || guess_encoding(open().map_err(Error::read(path))?.take(GUESSED_FROM));
    inspector.finish(guess)
}

fn guess_encoding(mut reader: impl BufRead) -> Result<&'static Encoding> {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    loop {
        // Damage ends what is there to guess from.
        let block = reader.fill_buf().unwrap_or_default();
        let count = block.len();
        detector.feed(block, count == 0);
        if count == 0 {
            return Ok(detector.guess(None, Utf8Detection::Allow));
        }
        reader.consume(count);
    }
}

struct Inspector {
    head: Vec<u8>,
    signature: Option<&'static str>,
    /// The start of a character at the end of the last block.
    partial: Vec<u8>,
    bytes: u64,
    nul_bytes: u64,
    control_bytes: u64,
    invalid: u64,
    multibyte: u64,
    only_blanks: bool,
    fortune: FortuneCount,
}

const HEAD: usize = 4096;

impl Inspector {
    fn new() -> Self {
        Self {
            head: Vec::new(),
            signature: None,
            partial: Vec::new(),
            bytes: 0,
            nul_bytes: 0,
            control_bytes: 0,
            invalid: 0,
            multibyte: 0,
            only_blanks: true,
            fortune: FortuneCount::default(),
        }
    }

    fn feed(&mut self, block: &[u8]) {
        if self.bytes == 0 {
            let is = |(start, _): &&(&[u8], &str)| block.starts_with(start);
            self.signature = SIGNATURES.iter().find(is).map(|(_, kind)| *kind);
        }
        self.bytes += block.len() as u64;
        self.head.extend_from_slice(&block[..block.len().min(HEAD - self.head.len().min(HEAD))]);
        self.nul_bytes += memchr::memchr_iter(0, block).count() as u64;
        self.control_bytes += block.iter().filter(|&&byte| is_control(byte)).count() as u64;
        self.only_blanks &= block.iter().all(|byte| byte.is_ascii_whitespace());
        self.fortune.feed(block);
        let ascii = block.is_ascii() && self.partial.is_empty();
        if !ascii {
            self.check_utf8(block);
        }
    }

    fn check_utf8(&mut self, block: &[u8]) {
        let mut joined = std::mem::take(&mut self.partial);
        joined.extend_from_slice(block);
        let mut rest = &joined[..];
        loop {
            let error = match std::str::from_utf8(rest) {
                Ok(valid) => {
                    self.multibyte += leads(valid.as_bytes());
                    return;
                }
                Err(error) => error,
            };
            self.multibyte += leads(&rest[..error.valid_up_to()]);
            let Some(length) = error.error_len() else {
                self.partial = rest[error.valid_up_to()..].to_vec();
                return;
            };
            self.invalid += 1;
            rest = &rest[error.valid_up_to() + length..];
        }
    }

    fn finish(mut self, guess: impl FnOnce() -> Result<&'static Encoding>) -> Result<Inspection> {
        self.invalid += u64::from(!self.partial.is_empty());
        let is_html = looks_like_html(&self.head);
        let encoding = match self.certain_encoding(is_html) {
            Some(encoding) => encoding,
            None => guess()?,
        };
        let utf16 = encoding == UTF_16LE || encoding == UTF_16BE;
        let binary = self.signature.or(match () {
            () if self.nul_bytes > 0 && !utf16 => Some("binary data (it has NUL bytes)"),
            () if self.control_bytes * 10 > self.bytes && !utf16 => {
                Some("binary data (full of control bytes)")
            }
            () => None,
        });
        Ok(Inspection {
            binary,
            encoding,
            decoding_errors: if encoding == UTF_8 { self.invalid } else { 0 },
            blank: self.only_blanks,
            is_fortune: !utf16 && self.fortune.is_fortune(),
            is_html,
        })
    }

    /// A byte order mark; else UTF-8, also with a few damaged places; else what a page says of itself. Binary data
    /// has none, but needs none to be guessed.
    fn certain_encoding(&self, is_html: bool) -> Option<&'static Encoding> {
        if let Some((encoding, _)) = Encoding::for_bom(&self.head) {
            return Some(encoding);
        }
        if self.invalid * 20 <= self.multibyte || self.signature.is_some() || self.nul_bytes > 0 {
            return Some(UTF_8);
        }
        if is_html { declared_encoding(&self.head) } else { None }
    }
}

fn is_control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b | 0x08)
}

fn leads(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte >= 0xc0).count() as u64
}

fn looks_like_html(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let starts = |start: &[u8]| head.get(..start.len()).is_some_and(|h| h.eq_ignore_ascii_case(start));
    starts(b"<!doctype html") || starts(b"<html")
}

/// The label in `<meta charset=...>` or `<meta ... content="text/html; charset=...">`.
fn declared_encoding(head: &[u8]) -> Option<&'static Encoding> {
    let lower = head.to_ascii_lowercase();
    let at = memchr::memmem::find(&lower, b"charset=")? + b"charset=".len();
    let label: Vec<u8> = lower[at..]
        .iter()
        .copied()
        .skip_while(|byte| matches!(byte, b'"' | b'\''))
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'.'))
        .collect();
    Encoding::for_label(&label).filter(|encoding| *encoding != UTF_8)
}

/// Counts lines and those that hold only `%`.
#[derive(Default)]
struct FortuneCount {
    lines: u64,
    separators: u64,
    line_bytes: u64,
    only_percent: bool,
}

impl FortuneCount {
    fn feed(&mut self, block: &[u8]) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', block) {
            self.extend(&block[start..end]);
            self.end_line();
            start = end + 1;
        }
        self.extend(&block[start..]);
    }

    fn extend(&mut self, part: &[u8]) {
        let part = part.strip_suffix(b"\r").unwrap_or(part);
        if self.line_bytes == 0 {
            self.only_percent = part == b"%";
        } else if !part.is_empty() {
            self.only_percent = false;
        }
        self.line_bytes += part.len() as u64;
    }

    fn end_line(&mut self) {
        self.lines += 1;
        self.separators += u64::from(self.only_percent && self.line_bytes == 1);
        self.line_bytes = 0;
        self.only_percent = false;
    }

    /// At least three separators, and on average no more than 200 lines between them.
    fn is_fortune(&self) -> bool {
        self.separators >= 3 && self.lines <= self.separators * 200
    }
}
