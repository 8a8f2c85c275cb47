//! Pages as WARC (ISO 28500, <https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/>): a gzip member
//! for each record, in files of a gigabyte, so that cleaning can be done again from what the server sent.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use mail_parser::DateTime;
use xxhash_rust::xxh3::xxh3_128;

use super::journal::Kept;
use crate::Result;

/// After so many bytes the next file begins.
const FILE_BYTES: u64 = 1_000_000_000;
/// Of the gateway's own: what was undone before the body reached us, and lengths that are no more.
const UNDONE: [&str; 3] = ["content-encoding", "transfer-encoding", "content-length"];

/// Takes records.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    number: usize,
    path: PathBuf,
    file: File,
    length: u64,
}

/// A page as the server gave it.
pub(super) struct Answer<'a> {
    pub url: &'a str,
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
}

fn path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("crawl-{number:05}.warc.gz"))
}

impl Store {
    /// Goes on behind the last page that is known to be whole; what follows it is cut off.
    pub fn open(folder: &Path, last: Option<&Kept>) -> Result<Self> {
        let (number, length) = last.map_or((0, 0), |last| (last.file, last.end));
        for later in number + 1.. {
            let later = path(folder, later);
            if !later.exists() {
                break;
            }
            fs::remove_file(&later).map_err(nuwa_files::Error::write(&later))?;
        }
        Self::file(folder, number, length)
    }

    fn file(folder: &Path, number: usize, length: u64) -> Result<Self> {
        let path = path(folder, number);
        let file = nuwa_files::open_for_append(&path)?;
        file.set_len(length).map_err(nuwa_files::Error::write(&path))?;
        let mut store = Self { folder: folder.into(), number, path, file, length };
        if length == 0 {
            store.append(&information())?;
        }
        Ok(store)
    }

    /// Writes the record of a page.
    pub fn page(&mut self, answer: &Answer) -> Result<Kept> {
        self.turn_over()?;
        let header = |name: &str| {
            let found = answer.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        self.record(&response(answer), header("etag"), header("last-modified"))
    }

    /// Takes over the record of a page that has not changed from an earlier crawl.
    pub fn take_over(&mut self, folder: &Path, kept: &Kept) -> Result<Kept> {
        self.turn_over()?;
        let path = path(folder, kept.file);
        let mut file = File::open(&path).map_err(nuwa_files::Error::read(&path))?;
        let mut record = Vec::new();
        file.seek(SeekFrom::Start(kept.start)).map_err(nuwa_files::Error::read(&path))?;
        file.take(kept.end - kept.start).read_to_end(&mut record).map_err(nuwa_files::Error::read(&path))?;
        self.record(&record, kept.etag.clone(), kept.modified.clone())
    }

    /// The content of a page that was stored.
    pub fn read(&self, kept: &Kept) -> Result<Vec<u8>> {
        let path = path(&self.folder, kept.file);
        let mut file = File::open(&path).map_err(nuwa_files::Error::read(&path))?;
        file.seek(SeekFrom::Start(kept.start)).map_err(nuwa_files::Error::read(&path))?;
        let mut record = Vec::new();
        GzDecoder::new(file.take(kept.end - kept.start))
            .read_to_end(&mut record)
            .map_err(nuwa_files::Error::read(&path))?;
        // Behind the header of the record and that of the answer.
        let ends = memchr::memmem::find_iter(&record, b"\r\n\r\n").nth(1).map_or(record.len(), |at| at + 4);
        Ok(record.split_off(ends))
    }

    fn record(&mut self, record: &[u8], etag: Option<String>, modified: Option<String>) -> Result<Kept> {
        let start = self.length;
        self.append(record)?;
        Ok(Kept { file: self.number, start, end: self.length, etag, modified })
    }

    fn turn_over(&mut self) -> Result<()> {
        if self.length >= FILE_BYTES {
            *self = Self::file(&self.folder.clone(), self.number + 1, 0)?;
        }
        Ok(())
    }

    fn append(&mut self, record: &[u8]) -> Result<()> {
        self.file.write_all(record).map_err(nuwa_files::Error::write(&self.path))?;
        self.file.sync_data().map_err(nuwa_files::Error::write(&self.path))?;
        self.length += record.len() as u64;
        Ok(())
    }
}

/// The first record of a file: what made it.
fn information() -> Vec<u8> {
    let block = format!("software: nuwa/{}\r\nformat: WARC File Format 1.1\r\n", env!("CARGO_PKG_VERSION"));
    packed("warcinfo", &[("Content-Type", "application/warc-fields")], block.as_bytes())
}

fn response(answer: &Answer) -> Vec<u8> {
    let mut block = b"HTTP/1.1 200 OK\r\n".to_vec();
    for (name, value) in
        answer.headers.iter().filter(|(name, _)| !UNDONE.contains(&name.to_lowercase().as_str()))
    {
        // A line break within a value would be a header of its own.
        block.extend(format!("{name}: {}\r\n", value.replace(['\r', '\n'], " ")).bytes());
    }
    block.extend(format!("Content-Length: {}\r\n\r\n", answer.body.len()).bytes());
    block.extend(answer.body);
    let fields = [("WARC-Target-URI", answer.url), ("Content-Type", "application/http;msgtype=response")];
    packed("response", &fields, &block)
}

/// A record as a gzip member.
fn packed(kind: &str, fields: &[(&str, &str)], block: &[u8]) -> Vec<u8> {
    let mut record =
        format!("WARC/1.1\r\nWARC-Type: {kind}\r\nWARC-Record-ID: {}\r\nWARC-Date: {}\r\n", id(block), now());
    for (name, value) in fields {
        record += &format!("{name}: {value}\r\n");
    }
    record += &format!("Content-Length: {}\r\n\r\n", block.len());
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    let written = [record.as_bytes(), block, b"\r\n\r\n"].iter().try_for_each(|part| packer.write_all(part));
    written.and_then(|()| packer.finish()).expect("memory takes everything")
}

/// A UUID of version 8 (RFC 9562, section 5.8), made of the content and the time.
fn id(block: &[u8]) -> String {
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let hash = xxh3_128(&[&nanoseconds.to_le_bytes()[..], &xxh3_128(block).to_le_bytes()].concat());
    let hash = hash & !(0xf << 76) & !(0x3 << 62) | (8 << 76) | (2 << 62);
    let digits = format!("{hash:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    format!("<urn:uuid:{}>", parts.join("-"))
}

fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    DateTime::from_timestamp(i64::try_from(seconds).unwrap_or_default()).to_rfc3339()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_the_fields_that_the_standard_demands() {
        let headers = [("Content-Encoding", "gzip"), ("Content-Type", "text/html"), ("X", "a\r\nb: c")];
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_string()));
        let answer = Answer { url: "https://a.org/", headers: &headers, body: b"<p>\n" };
        let mut text = String::new();
        GzDecoder::new(&response(&answer)[..]).read_to_string(&mut text).unwrap();
        let (header, block) = text.split_once("\r\n\r\n").unwrap();
        let lines: Vec<&str> = header.split("\r\n").collect();
        assert_eq!(lines[..2], ["WARC/1.1", "WARC-Type: response"]);
        let id = lines[2].strip_prefix("WARC-Record-ID: <urn:uuid:").unwrap();
        assert_eq!((id.len(), &id[14..15]), (37, "8"));
        assert!(
            lines[3].starts_with("WARC-Date: 20") && lines[3].ends_with('Z') && lines[3].len() == 31,
            "{}",
            lines[3]
        );
        assert_eq!(
            lines[4..6],
            ["WARC-Target-URI: https://a.org/", "Content-Type: application/http;msgtype=response"]
        );
        let block = block.strip_suffix("\r\n\r\n").unwrap();
        assert_eq!(lines[6], format!("Content-Length: {}", block.len()));
        assert_eq!(
            block,
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX: a  b: c\r\nContent-Length: 4\r\n\r\n<p>\n"
        );
    }
}
