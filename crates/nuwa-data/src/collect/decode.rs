use std::io::{self, BufRead, Read};

use encoding_rs::{CoderResult, Decoder, Encoding};

/// Reads any encoding as UTF-8; what cannot be decoded becomes U+FFFD, and a byte order mark disappears.
pub(super) struct Utf8Reader {
    inner: Box<dyn BufRead + Send>,
    decoder: Decoder,
    ended: bool,
}

impl Utf8Reader {
    pub fn new(inner: Box<dyn BufRead + Send>, encoding: &'static Encoding) -> Self {
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
