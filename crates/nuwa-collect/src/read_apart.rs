//! What the process does that reads one file apart.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Cursor, Read, Write};

use super::apart::{Limits, PDF};
use super::content::Seekable;
use super::formats::{parquet, pdf};

/// Reads the file `input` (or, where it is no file, what comes from there) and writes what it gives to `output`; `limit` is told what
/// it may take, before it is parsed.
///
/// # Errors
/// When the input cannot be read, or the output not be written.
pub fn read_apart(
    arguments: &[OsString],
    mut input: File,
    output: &mut dyn Write,
    limit: impl FnOnce(Limits),
) -> io::Result<()> {
    let metadata = input.metadata()?;
    let source = match metadata.is_file() {
        true => Seekable::File(input),
        false => {
            let mut bytes = Vec::new();
            input.read_to_end(&mut bytes)?;
            Seekable::Memory(Cursor::new(bytes.into()))
        }
    };
    let size = match &source {
        Seekable::File(_) => metadata.len(),
        Seekable::Memory(bytes) => bytes.get_ref().len() as u64,
    };
    let [kind, effort, field] = arguments else { return Err(io::ErrorKind::InvalidInput.into()) };
    let effort = effort.to_string_lossy().parse().map_err(|_| io::ErrorKind::InvalidInput)?;
    limit(Limits::of_file(size, effort));
    let mut output = BufWriter::new(output);
    match kind == PDF {
        true => pdf::write(source, effort, &mut output)?,
        false => parquet::write(source, &field.to_string_lossy(), &mut output)?,
    }
    output.flush()
}
