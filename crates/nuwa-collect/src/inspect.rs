//! What a file is, from its bytes: text or not, in which encoding, with or without fortune separators.

use std::io::{self, BufRead, Read};
use std::path::Path;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, ISO_2022_JP, UTF_8};
use nuwa_files::Expansion;
use nuwa_files::compressed::Reader;

use super::charset::Charset;
use crate::{Error, Result};

/// What one pass over a file's bytes has shown.
#[derive(Debug)]
pub(super) struct Inspection {
    /// What the file is, where it is not text.
    pub binary: Option<&'static str>,
    /// The encoding of text that is known and cannot be decoded here.
    pub unsupported: Option<&'static str>,
    pub encoding: Charset,
    /// NUL bytes in what is text otherwise; they are to be left out.
    pub stray_nuls: u64,
    /// Sequences that are not UTF-8 in a file that otherwise is.
    pub decoding_errors: u64,
    pub blank: bool,
    pub is_fortune: bool,
    pub is_html: bool,
}

/// First bytes of common files that are not text.
const SIGNATURES: [(&[u8], &str); 24] = [
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
    (b"{\\rtf", "an RTF document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (.doc, .xls or .ppt)"),
    (b"ARROW1", "an Arrow table (Feather)"),
    (b"\x04\x22\x4d\x18", "an LZ4-compressed file"),
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
    /// Places where one or more of them stand together.
    nul_places: u64,
    last_byte: u8,
    /// Escape sequences of ISO-2022, which make other characters of ASCII.
    has_escapes: bool,
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
            nul_places: 0,
            last_byte: b' ',
            has_escapes: false,
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
        self.count_nuls(block);
        self.has_escapes |= memchr::memchr_iter(0x1b, block).any(|at| block.get(at + 1) == Some(&b'$'));
        self.control_bytes += block.iter().filter(|&&byte| is_control(byte)).count() as u64;
        self.only_blanks &= block.iter().all(|byte| byte.is_ascii_whitespace());
        self.fortune.feed(block);
        let ascii = block.is_ascii() && self.partial.is_empty();
        if !ascii {
            self.check_utf8(block);
        }
    }

    fn count_nuls(&mut self, block: &[u8]) {
        for at in memchr::memchr_iter(0, block) {
            let before = if at > 0 { block[at - 1] } else { self.last_byte };
            self.nul_bytes += 1;
            self.nul_places += u64::from(before != 0);
        }
        self.last_byte = block.last().copied().unwrap_or(self.last_byte);
    }

    /// Whether the NUL bytes are a few in what is text otherwise, perhaps a stretch that was never written.
    fn has_stray_nuls(&self) -> bool {
        let text = self.bytes - self.nul_bytes;
        let controls = self.control_bytes - self.nul_bytes;
        self.nul_bytes <= text && self.nul_places * 50 <= text && controls * 1000 <= text
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
        let mut encoding = match self.certain_encoding(is_html) {
            Some(encoding) => encoding,
            None => Charset::Known(guess()?),
        };
        if self.has_escapes && self.is_ascii() && encoding != Charset::Known(ISO_2022_JP) {
            encoding = Charset::UTF_8;
        }
        let is_wide = encoding.is_wide();
        let has_stray_nuls = self.nul_bytes > 0 && !is_wide && self.has_stray_nuls();
        let controls = self.control_bytes - self.nul_bytes * u64::from(has_stray_nuls);
        let binary = self.signature.or(match () {
            () if self.nul_bytes > 0 && !is_wide && !has_stray_nuls => Some("binary data (it has NUL bytes)"),
            () if controls * 10 > self.bytes && !is_wide => Some("binary data (full of control bytes)"),
            () => None,
        });
        Ok(Inspection {
            binary,
            unsupported: self.unsupported(encoding),
            encoding,
            stray_nuls: if has_stray_nuls { self.nul_bytes } else { 0 },
            decoding_errors: if encoding == Charset::UTF_8 { self.invalid } else { 0 },
            blank: self.only_blanks,
            is_fortune: !is_wide && self.fortune.is_fortune(),
            is_html,
        })
    }

    /// A byte order mark; else UTF-8, also with a few damaged places; else what a page says of itself. Binary data
    /// has none, but needs none to be guessed.
    fn certain_encoding(&self, is_html: bool) -> Option<Charset> {
        if let Some(encoding) = Charset::of_mark(&self.head) {
            return Some(encoding);
        }
        if let Some(encoding) = Charset::of_wide(&self.head).filter(|_| self.nul_bytes > 0) {
            return Some(encoding);
        }
        if self.has_escapes && self.nul_bytes == 0 && self.is_ascii() {
            return None;
        }
        let is_utf8 = self.invalid * 20 <= self.multibyte;
        if is_utf8 || self.signature.is_some() || (self.nul_bytes > 0 && !self.has_stray_nuls()) {
            return Some(Charset::UTF_8);
        }
        if is_html { declared_encoding(&self.head).map(Charset::Known) } else { None }
    }

    fn is_ascii(&self) -> bool {
        self.invalid == 0 && self.multibyte == 0
    }

    /// ISO-2022 for Korean and Chinese announces its characters so.
    fn unsupported(&self, encoding: Charset) -> Option<&'static str> {
        let announces = |mark: &[u8]| memchr::memmem::find(&self.head, mark).is_some();
        let is_plain = self.has_escapes && encoding == Charset::UTF_8;
        match () {
            () if is_plain && announces(b"\x1b$)C") => Some("text in ISO-2022-KR"),
            () if is_plain && (announces(b"\x1b$)A") || announces(b"\x1b$)G")) => Some("text in ISO-2022-CN"),
            () => None,
        }
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
