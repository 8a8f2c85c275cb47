//! Bytes into characters.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use encoding_rs::{CoderResult, Decoder, Encoding};

use super::inspect::Inspection;
use crate::compressed::{BLOCK, Reader};
use crate::{Error, Result};

/// The characters of a file, as UTF-8.
pub(super) struct Text {
    path: PathBuf,
    pub inspection: Inspection,
    pub reader: BufReader<Utf8Reader>,
}

impl Text {
    pub fn new(path: &Path, bytes: Reader<'static>, inspection: Inspection) -> Self {
        let decoder = Utf8Reader::new(bytes, inspection.encoding);
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

/// Reads any encoding as UTF-8; what cannot be decoded becomes U+FFFD, and a byte order mark disappears.
pub(super) struct Utf8Reader {
    inner: Reader<'static>,
    decoder: Decoder,
    ended: bool,
}

impl Utf8Reader {
    pub fn new(inner: Reader<'static>, encoding: &'static Encoding) -> Self {
        Self { inner, decoder: encoding.new_decoder_with_bom_removal(), ended: false }
    }
}

impl Read for Utf8Reader {
    /// Needs a buffer of some bytes: a character is never cut.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.ended {
            let block = self.inner.fill_buf()?;
            let last = block.is_empty();
            let (result, read, written, _) = self.decoder.decode_to_utf8(block, out, last);
            self.inner.consume(read);
            self.ended = last && result == CoderResult::InputEmpty;
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}
