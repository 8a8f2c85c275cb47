//! Opening files that may be compressed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::{Error, Result};

const BLOCK: usize = 1 << 17;

/// Opens a file, through gzip or Zstandard where its first bytes (not its name) say so.
pub fn open(path: &Path) -> Result<Box<dyn BufRead + Send>> {
    let file = File::open(path).map_err(Error::read(path))?;
    let mut reader = BufReader::with_capacity(BLOCK, file);
    let start = reader.fill_buf().map_err(Error::read(path))?;
    if start.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(BufReader::with_capacity(BLOCK, MultiGzDecoder::new(reader))));
    }
    if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let decoder = zstd::stream::read::Decoder::with_buffer(reader).map_err(Error::read(path))?;
        return Ok(Box::new(BufReader::with_capacity(BLOCK, decoder)));
    }
    Ok(Box::new(reader))
}

/// A file's name without the ending that its compression gave it.
pub fn name_within(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for ending in [".gz", ".zst"] {
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
