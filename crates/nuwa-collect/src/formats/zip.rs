//! zip: each member is read like a file of a folder, unless the members together are a document.
//!
//! The list of members stands at the archive's end and is held in memory, some hundred bytes a member.

use std::io::{BufReader, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::office;
use super::zip_errors::{as_io, failure, unreadable};
use crate::reading::{Member, Reading};
use crate::{Error, Result};

/// The documents of all members, in the archive's order.
///
/// The name of the format where it is one document.
pub(crate) fn read(reading: &mut Reading, read_member: Member) -> Result<Option<&'static str>> {
    let input = reading.input;
    let bytes = BufReader::new(reading.seekable()?);
    let mut archive = ZipArchive::new(bytes).map_err(|error| no_archive(reading, error))?;
    if let Some(kind) = office::Kind::of(&archive) {
        return office::read(reading, archive, kind).map(|()| Some(kind.format()));
    }
    for index in 0..archive.len() {
        // The name first, from the list: a member that cannot be opened is still named.
        let name = match archive.by_index_data(index) {
            Ok(entry) if entry.is_dir() => continue,
            Ok(entry) => String::from_utf8_lossy(entry.name_raw()).into_owned(),
            Err(error) => return Err(Error::read(&input.path)(as_io(error))),
        };
        match archive.by_index(index) {
            Ok(mut member) => {
                let budget = reading.content.budget();
                read_member(reading, &name, &mut budget.counted(&mut member))?;
            }
            Err(error) => reading.skip_member(&name, unreadable(&error))?,
        }
    }
    Ok(None)
}

/// Office documents with a password, and those of old programs, begin so, whatever their names are.
const COMPOUND_FILE: &[u8] = b"\xd0\xcf\x11\xe0";

fn no_archive(reading: &Reading, error: ZipError) -> Error {
    let path = &reading.input.path;
    let mut start = Vec::new();
    if let Ok(bytes) = reading.content.open() {
        let _ = bytes.take(4).read_to_end(&mut start);
    }
    match start == COMPOUND_FILE {
        true => {
            let what = "an old Office document, or one with a password,".into();
            Error::Unsupported { path: path.clone(), what }
        }
        false => failure(path, error),
    }
}
