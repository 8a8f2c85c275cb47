//! zip: each member is read like a file of a folder.
//!
//! The list of members stands at the archive's end and is held in memory, some hundred bytes a member.

use std::io::{self, BufReader};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::collect::read::Reading;
use crate::{Error, Result};

/// The documents of all members, in the archive's order.
pub(in crate::collect) fn read(reading: &mut Reading) -> Result<()> {
    let input = reading.input;
    let bytes = BufReader::new(reading.seekable()?);
    let mut archive = ZipArchive::new(bytes).map_err(|error| Error::read(&input.path)(as_io(error)))?;
    for index in 0..archive.len() {
        // The name first, from the list: a member that cannot be opened is still named.
        let name = match archive.by_index_data(index) {
            Ok(entry) if entry.is_dir() => continue,
            Ok(entry) => String::from_utf8_lossy(entry.name_raw()).into_owned(),
            Err(error) => return Err(Error::read(&input.path)(as_io(error))),
        };
        match archive.by_index(index) {
            Ok(mut member) => reading.compressed_member(&name, &mut member)?,
            Err(error) => reading.skip_member(&name, unreadable(&error))?,
        }
    }
    Ok(())
}

fn unreadable(error: &ZipError) -> &'static str {
    match error {
        ZipError::UnsupportedArchive(word) if *word == ZipError::PASSWORD_REQUIRED => "encrypted",
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => {
            "compressed in a way that is not read"
        }
        _ => "damaged or cut short",
    }
}

fn as_io(error: ZipError) -> io::Error {
    match error {
        ZipError::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}
