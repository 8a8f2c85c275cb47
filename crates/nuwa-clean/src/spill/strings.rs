//! Byte strings on disk, each found again by its number.
//!
//! Two files: the strings one after the other, and where each ends (8 bytes a string). Memory: two blocks of 256 KiB.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::Temporary;
use crate::Result;

const BLOCK: usize = 1 << 18;

/// Takes strings in the order of their numbers.
#[derive(Debug)]
pub(crate) struct StringsWriter {
    strings: Half,
    ends: Half,
    end: u64,
}

#[derive(Debug)]
struct Half {
    file: Temporary,
    writer: BufWriter<File>,
}

impl Half {
    fn create(folder: &Path, name: String) -> Result<Self> {
        let (file, handle) = Temporary::create(folder.join(name))?;
        Ok(Self { file, writer: BufWriter::with_capacity(BLOCK, handle) })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.writer.write_all(bytes).map_err(nuwa_files::Error::write(&self.file.0))?)
    }

    fn finish(mut self) -> Result<(Temporary, File)> {
        self.writer.flush().map_err(nuwa_files::Error::write(&self.file.0))?;
        let reader = self.file.open()?;
        Ok((self.file, reader))
    }
}

impl StringsWriter {
    /// Strings in files `STEM` and `STEM-ends` of `folder`.
    pub fn create(folder: &Path, stem: &str) -> Result<Self> {
        let strings = Half::create(folder, stem.to_string())?;
        Ok(Self { strings, ends: Half::create(folder, format!("{stem}-ends"))?, end: 0 })
    }

    /// Takes the next string.
    pub fn push(&mut self, string: &[u8]) -> Result<()> {
        self.strings.write(string)?;
        self.end += string.len() as u64;
        self.ends.write(&self.end.to_le_bytes())
    }

    /// No more strings.
    pub fn finish(self) -> Result<Strings> {
        let (strings_file, strings) = self.strings.finish()?;
        let (ends_file, ends) = self.ends.finish()?;
        Ok(Strings { strings_file, strings, ends_file, ends })
    }
}

/// Gives strings back.
#[derive(Debug)]
pub(crate) struct Strings {
    strings_file: Temporary,
    strings: File,
    ends_file: Temporary,
    ends: File,
}

impl Strings {
    /// Where the string with this number lies.
    fn place(&mut self, number: u64) -> Result<(u64, u64)> {
        let (skipped, wanted) = if number == 0 { (0, 8) } else { (number - 1, 16) };
        let mut bytes = [0; 16];
        let path = &self.ends_file.0;
        self.ends.seek(SeekFrom::Start(skipped * 8)).map_err(nuwa_files::Error::read(path))?;
        self.ends.read_exact(&mut bytes[16 - wanted..]).map_err(nuwa_files::Error::read(path))?;
        let [start, end] =
            [&bytes[..8], &bytes[8..]].map(|half| u64::from_le_bytes(half.try_into().expect("eight bytes")));
        Ok((start, end))
    }

    /// The length of the string with this number, in bytes.
    pub fn length(&mut self, number: u64) -> Result<u64> {
        let (start, end) = self.place(number)?;
        Ok(end - start)
    }

    /// Reads the string with this number.
    pub fn read(&mut self, number: u64) -> Result<Vec<u8>> {
        let (start, end) = self.place(number)?;
        let mut string = vec![0; (end - start) as usize];
        let path = &self.strings_file.0;
        self.strings.seek(SeekFrom::Start(start)).map_err(nuwa_files::Error::read(path))?;
        self.strings.read_exact(&mut string).map_err(nuwa_files::Error::read(path))?;
        Ok(string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_found_by_number() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = StringsWriter::create(&folder.path().join("made"), "ids").unwrap();
        let string = |number: usize| "女娲".repeat(number % 7).into_bytes();
        (0..100).for_each(|number| writer.push(&string(number)).unwrap());
        let mut strings = writer.finish().unwrap();
        for number in [0, 99, 7, 6, 50, 0] {
            assert_eq!(strings.read(number as u64).unwrap(), string(number));
            assert_eq!(strings.length(number as u64).unwrap(), string(number).len() as u64);
        }
        assert!(strings.read(100).is_err());
        drop(strings);
        assert_eq!(std::fs::read_dir(folder.path().join("made")).unwrap().count(), 0);
    }
}
