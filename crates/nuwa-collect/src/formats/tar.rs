//! tar, also compressed: each member is read like a file of a folder, as the archive streams by.
//!
//! Long names are read here rather than by the tar crate, which would take a name of any length into memory.

use std::io::Read;

use tar::{Archive, EntryType, PaxExtensions};

use crate::reading::{Member, Reading};
use crate::{Error, Result};

/// The longest record of names that is believed, in bytes.
const LONGEST_NAME: u64 = 1 << 16;

/// The documents of all members, in the archive's order.
pub(crate) fn read(reading: &mut Reading, read_member: Member) -> Result<()> {
    let input = reading.input;
    let damage = || Error::read(&input.path);
    let mut archive = Archive::new(reading.content.open().map_err(damage())?);
    let mut long_name = None;
    for entry in archive.entries().map_err(damage())?.raw(true) {
        let mut entry = entry.map_err(damage())?;
        match entry.header().entry_type() {
            EntryType::GNULongName => {
                let name = head(&mut entry).map_err(damage())?;
                long_name = Some(name.split(|byte| *byte == 0).next().unwrap_or_default().to_vec());
            }
            EntryType::XHeader => {
                let head = head(&mut entry).map_err(damage())?;
                long_name = pax_path(&head).or(long_name);
            }
            EntryType::Regular | EntryType::Continuous => {
                let name = long_name.take().unwrap_or_else(|| entry.header().path_bytes().into_owned());
                read_member(reading, &String::from_utf8_lossy(&name), &mut entry)?;
            }
            // A link's target may have a long name too, which is not the name of the next file.
            EntryType::GNULongLink | EntryType::XGlobalHeader => {}
            EntryType::GNUSparse => {
                let name = long_name.take().unwrap_or_else(|| entry.header().path_bytes().into_owned());
                reading.skip_member(&String::from_utf8_lossy(&name), "a sparse file")?;
            }
            _ => long_name = None,
        }
    }
    Ok(())
}

fn head(entry: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(LONGEST_NAME).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn pax_path(head: &[u8]) -> Option<Vec<u8>> {
    let mut extensions = PaxExtensions::new(head).flatten();
    extensions
        .find(|extension| extension.key_bytes() == b"path")
        .map(|extension| extension.value_bytes().to_vec())
}
