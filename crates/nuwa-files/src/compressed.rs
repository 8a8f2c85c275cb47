//! Opening files that may be compressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;

use crate::{Error, Result};

/// Bytes that are read at a time.
pub const BLOCK: usize = 1 << 17;
/// What decoding one xz file may take, in KiB: `xz -9` needs 65 MiB.
const XZ_MEMORY: u32 = 1 << 18;

/// Bytes to read, whatever they come from.
pub type Reader<'a> = Box<dyn BufRead + Send + 'a>;

/// Opens a file, through gzip, Zstandard, bzip2 or xz where its first bytes (not its name) say so.
///
/// # Errors
/// When the file cannot be opened, or its first bytes not be read.
pub fn open(path: &Path) -> Result<Box<dyn BufRead + Send>> {
    let file = File::open(path).map_err(Error::read(path))?;
    let reader = Box::new(BufReader::with_capacity(BLOCK, file));
    Ok(expand(reader).map_err(Error::read(path))?.into_reader())
}

/// A file that is read whole may become so many times as long when it is decompressed, and always this many bytes.
const LARGEST_EXPANSION: u64 = 100;
const ALWAYS_ALLOWED: u64 = 1 << 28;

/// Reads a whole file that may be compressed.
///
/// # Errors
/// When it cannot be read, or expands without measure.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let length = std::fs::metadata(path).map_err(Error::read(path))?.len();
    let limit = length.saturating_mul(LARGEST_EXPANSION).max(ALWAYS_ALLOWED);
    let mut bytes = Vec::new();
    let read =
        open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(Error::read(path))?;
    if read as u64 > limit { Err(Error::Expanded { path: path.to_path_buf(), limit }) } else { Ok(bytes) }
}

/// A stream, and whether it had to be decompressed.
pub enum Expanded<'a> {
    /// It was not compressed.
    Plain(Reader<'a>),
    /// It was.
    Decompressed(Reader<'a>),
}

impl<'a> Expanded<'a> {
    /// The stream, however it came about.
    pub fn into_reader(self) -> Reader<'a> {
        match self {
            Self::Plain(reader) | Self::Decompressed(reader) => reader,
        }
    }
}

/// Decompresses `reader` where its first bytes say that it is compressed; one layer of it.
///
/// # Errors
/// When the first bytes cannot be read, or are no beginning of the form that they announce.
pub fn expand(reader: Reader<'_>) -> io::Result<Expanded<'_>> {
    expand_telling(reader, Arc::default())
}

/// The same; tells whether bytes that mean nothing stand behind the end, once it is reached.
///
/// # Errors
/// As [`expand`].
pub fn expand_telling(mut reader: Reader<'_>, has_rest: Arc<AtomicBool>) -> io::Result<Expanded<'_>> {
    let start = reader.fill_buf()?;
    let decoder: Box<dyn Read + Send> = if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(GzMembers { decoder: Some(GzDecoder::new(reader)), has_rest })
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(zstd::stream::read::Decoder::with_buffer(reader)?)
    } else if is_bzip2(start) {
        Box::new(MultiBzDecoder::new(reader))
    } else if start.starts_with(b"\xfd7zXZ\0") {
        Box::new(XzReader::new_mem_limit(reader, true, XZ_MEMORY))
    } else {
        return Ok(Expanded::Plain(reader));
    };
    Ok(Expanded::Decompressed(Box::new(BufReader::with_capacity(BLOCK, decoder))))
}

/// The members of a gzip file. What stands behind the last one (blocks of tapes are filled up with zeros) is passed over, as gzip
/// itself does.
struct GzMembers<R> {
    decoder: Option<GzDecoder<R>>,
    has_rest: Arc<AtomicBool>,
}

impl<R: BufRead> Read for GzMembers<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !out.is_empty()
            && let Some(decoder) = &mut self.decoder
        {
            let count = decoder.read(out)?;
            if count > 0 {
                return Ok(count);
            }
            let mut rest = self.decoder.take().expect("it was there just now").into_inner();
            // The second byte of the mark may lie in the next block.
            match rest.fill_buf()?.first() {
                Some(0x1f) => self.decoder = Some(GzDecoder::new(rest)),
                Some(1..) => self.has_rest.store(true, Ordering::Relaxed),
                Some(0) | None => {}
            }
        }
        Ok(0)
    }
}

/// "BZh", the size of the blocks, then pi (the first block) or the root of pi (an empty file); "BZh" alone may begin a text.
fn is_bzip2(start: &[u8]) -> bool {
    let [b'B', b'Z', b'h', b'1'..=b'9', block @ ..] = start else { return false };
    block.starts_with(b"1AY&SY") || block.starts_with(b"\x17rE8P\x90")
}

/// A file's name without the ending that its compression gave it.
pub fn name_within(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for ending in [".gz", ".zst", ".bz2", ".xz"] {
        if let Some(inner) = strip_ending(&name, ending) {
            return inner.to_string();
        }
    }
    name.into_owned()
}

fn strip_ending<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    let at = name.len().checked_sub(ending.len())?;
    (name.is_char_boundary(at) && name[at..].eq_ignore_ascii_case(ending)).then(|| &name[..at])
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_that_expands_without_measure_is_not_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl.gz");
        let packed = |bytes: &[u8], times: usize| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            (0..times).for_each(|_| encoder.write_all(bytes).unwrap());
            std::fs::write(&path, encoder.finish().unwrap()).unwrap();
        };
        packed(b"{\"text\": \"a\"}\n", 3);
        assert_eq!(read(&path).unwrap().len(), 42);
        packed(&[b' '; 1 << 20], 260);
        assert!(matches!(read(&path), Err(Error::Expanded { limit: ALWAYS_ALLOWED, .. })));
    }
}
