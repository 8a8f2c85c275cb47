//! What does not fit into memory: records sorted on disk, byte strings found again by their number, and numbers by their
//! place.
//!
//! All write into a folder of the one who asks, remove what they wrote when they are dropped, and hold no more memory
//! than they were given.

mod numbers;
mod sort;
mod strings;

pub(crate) use numbers::Numbers;
pub(crate) use sort::{Record, Sorted, Sorter};
pub(crate) use strings::{Strings, StringsWriter};

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::Result;

/// Numbers as [`numbers_of`] reads them.
pub(crate) fn bytes_of(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The numbers that bytes hold, four of them each.
pub(crate) fn numbers_of(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks().0.iter().map(|number| u32::from_le_bytes(*number))
}

/// A file that is gone when this is dropped.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Temporary {
    /// Makes the file, and its folder where it is missing.
    fn create(path: PathBuf) -> Result<(Self, File)> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(nuwa_files::Error::write(folder))?;
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(true);
        let file = options.open(&path).map_err(nuwa_files::Error::write(&path))?;
        Ok((Self(path), file))
    }

    fn open(&self) -> Result<File> {
        Ok(File::open(&self.0).map_err(nuwa_files::Error::read(&self.0))?)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed lies in a hidden folder that the run removes, or the next one writes over.
        let _ = fs::remove_file(&self.0);
    }
}
