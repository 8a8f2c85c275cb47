//! Bytes into characters.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use nuwa_files::compressed::{BLOCK, Reader};

use super::charset::{Charset, Decoding};
use super::inspect::Inspection;
use crate::{Error, Result};

/// The characters of a file, as UTF-8.
pub(super) struct Text {
    path: PathBuf,
    pub inspection: Inspection,
    pub reader: BufReader<Utf8Reader>,
}

impl Text {
    pub fn new(path: &Path, bytes: Reader<'static>, inspection: Inspection) -> Self {
        let decoder = Utf8Reader {
            inner: bytes,
            decoding: inspection.encoding.decoder(),
            ended: false,
            drops_nuls: inspection.stray_nuls > 0,
        };
        Self { path: path.into(), inspection, reader: BufReader::with_capacity(BLOCK, decoder) }
    }

    /// Reads until `text` has at least `bytes` bytes; false at the end of the file.
    pub fn fill(&mut self, text: &mut String, bytes: usize) -> Result<bool> {
        while text.len() < bytes {
            let block = self.reader.fill_buf().map_err(Error::read(&self.path))?;
            if block.is_empty() {
                return Ok(false);
            }
            // The decoder never cuts a character, so a block is valid on its own.
            text.push_str(&String::from_utf8_lossy(block));
            let count = block.len();
            self.reader.consume(count);
        }
        Ok(true)
    }

    /// Passes over the rest of a line.
    pub fn skip_line(&mut self) -> Result<()> {
        self.reader.skip_until(b'\n').map_err(Error::read(&self.path))?;
        Ok(())
    }
}

/// All of it as UTF-8; without NUL characters, if they are stray ones.
pub(super) fn decoded(bytes: Reader<'static>, encoding: Charset, drops_nuls: bool) -> io::Result<String> {
    let decoder = Utf8Reader { inner: bytes, decoding: encoding.decoder(), ended: false, drops_nuls };
    let mut reader = BufReader::with_capacity(BLOCK, decoder);
    let mut text = String::new();
    loop {
        let block = reader.fill_buf()?;
        if block.is_empty() {
            return Ok(text);
        }
        text.push_str(&String::from_utf8_lossy(block));
        let count = block.len();
        reader.consume(count);
    }
}

/// Reads any encoding as UTF-8; what cannot be decoded becomes U+FFFD, and a byte order mark disappears.
pub(super) struct Utf8Reader {
    inner: Reader<'static>,
    decoding: Decoding,
    ended: bool,
    /// Leaves NUL characters out.
    drops_nuls: bool,
}

impl Read for Utf8Reader {
    /// Needs a buffer of some bytes: a character is never cut.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.ended {
            let block = self.inner.fill_buf()?;
            let last = block.is_empty();
            let (emptied, read, mut written) = self.decoding.decode(block, out, last);
            self.inner.consume(read);
            self.ended = last && emptied;
            if self.drops_nuls {
                written = without_nuls(&mut out[..written]);
            }
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}

/// Moves what is no NUL byte to the front; how much that is.
fn without_nuls(bytes: &mut [u8]) -> usize {
    let Some(first) = memchr::memchr(0, bytes) else { return bytes.len() };
    let mut end = first;
    for at in first..bytes.len() {
        if bytes[at] != 0 {
            bytes[end] = bytes[at];
            end += 1;
        }
    }
    end
}
