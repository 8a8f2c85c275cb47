//! A file of lines that is only added to: resumable, mended where the last line was cut off, and written by one program at a time.

use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Error, Result};

/// The most bytes of a line.
const LONGEST_LINE: u64 = 16 << 20;

/// How often a lock is tried again: what is just being started by this program holds it for a moment.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// Lines of one kind, one after the other. Each is flushed to the disk before the next is taken.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    length: u64,
    is_mended: bool,
    /// Whether there was no such file before.
    is_new: bool,
}

/// A line that was found.
#[derive(Debug, Clone, Copy)]
pub struct JournalLine<'a> {
    /// Counted from 1.
    pub number: u64,
    /// Where it begins, in bytes.
    pub begin: u64,
    /// Its bytes, without the end of the line.
    pub bytes: &'a [u8],
    /// Whether it has an end. Only the last one may lack it, as when a program is ended while it writes.
    pub is_ended: bool,
}

impl JournalLine<'_> {
    /// Whether it may be a line that begins with `beginning` and was not written to its end. One of another file, which would be
    /// lost, is not.
    pub fn is_begun(&self, beginning: &[u8]) -> bool {
        !self.is_ended && (self.bytes.starts_with(beginning) || beginning.starts_with(self.bytes))
    }
}

impl Journal {
    /// Opens a file to go on in, or begins one, and hands its lines to `take`, which says up to which byte they are good: `None` for
    /// all of it. What lies behind is cut off.
    ///
    /// # Errors
    /// When it cannot be read or written, another program has it open ([`Error::InUse`]), a line is too long, or `take` fails.
    pub fn open<E: From<Error>>(
        path: &Path,
        mut take: impl FnMut(JournalLine<'_>) -> Result<Option<u64>, E>,
    ) -> Result<Self, E> {
        let is_new = !path.exists();
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(Error::write(path))?;
        lock(&file, path)?;
        let mut journal = Self { path: path.into(), file, length: 0, is_mended: false, is_new };
        let lacks_end = journal.read(&mut take)?;
        journal.mend(lacks_end)?;
        Ok(journal)
    }

    /// Whether something that was not whole was cut off when it was opened.
    pub fn is_mended(&self) -> bool {
        self.is_mended
    }

    /// Bytes of whole lines.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Adds lines with their ends, which are on the disk when this returns.
    ///
    /// # Errors
    /// When they cannot be written; then the file is as before.
    pub fn add(&mut self, lines: &str) -> Result<()> {
        if let Err(error) = self.write(lines.as_bytes()) {
            // What was written of it would be cut off the next time anyway.
            let _ = self.file.set_len(self.length);
            return Err(Error::write(&self.path)(error));
        }
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Keeps only the first bytes.
    ///
    /// # Errors
    /// When the file cannot be cut.
    pub fn cut(&mut self, length: u64) -> Result<()> {
        let cut = self.file.set_len(length).and_then(|()| self.file.sync_data());
        cut.map_err(Error::write(&self.path))?;
        self.length = length;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(bytes)?;
        self.file.sync_data()
    }

    /// Reads up to what is not good; whether the last good line lacks its end.
    fn read<E: From<Error>>(
        &mut self,
        take: &mut impl FnMut(JournalLine<'_>) -> Result<Option<u64>, E>,
    ) -> Result<bool, E> {
        let mut reader = BufReader::new(self.file.try_clone().map_err(Error::read(&self.path))?);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let mut limited = reader.by_ref().take(LONGEST_LINE);
            limited.read_until(b'\n', &mut line).map_err(Error::read(&self.path))?;
            if line.is_empty() {
                break;
            }
            if line.len() as u64 == LONGEST_LINE {
                return Err(
                    Error::LongLine { path: self.path.clone(), line: number, limit: LONGEST_LINE }.into()
                );
            }
            let bytes = line.strip_suffix(b"\n").unwrap_or(&line);
            let is_ended = bytes.len() < line.len();
            if let Some(good) = take(JournalLine { number, begin: self.length, bytes, is_ended })? {
                self.length = good;
                return Ok(false);
            }
            self.length += line.len() as u64;
            if !is_ended {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Cuts off what is not good, and ends a last line that lacks its end.
    fn mend(&mut self, lacks_end: bool) -> Result<()> {
        let found = self.file.metadata().map_err(Error::read(&self.path))?.len();
        self.is_mended = found > self.length;
        if self.is_mended {
            return self.cut(self.length);
        }
        if lacks_end {
            self.write(b"\n").map_err(Error::write(&self.path))?;
            self.length += 1;
        }
        Ok(())
    }
}

/// A new file that nothing was added to is not left behind.
impl Drop for Journal {
    fn drop(&mut self) {
        if self.is_new && self.length == 0 {
            // It does no harm where it stays.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn lock(file: &File, path: &Path) -> Result<()> {
    for _ in 0..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN_TRIES),
            // On a file system without locks two programs at once are the user's to avoid.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(()),
        }
    }
    Err(Error::InUse { path: path.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens a file of lines that begin with `a`; the lines.
    fn opened(path: &Path) -> Result<(Journal, Vec<String>)> {
        let mut lines = Vec::new();
        let journal = Journal::open(path, |line| {
            let text = String::from_utf8_lossy(line.bytes).into_owned();
            match text.ends_with('.') {
                true => lines.push(text),
                false if line.is_begun(b"a") => return Ok(Some(line.begin)),
                false => return Err(Error::damage(path, format!("line {}", line.number))),
            }
            Ok(None)
        })?;
        Ok((journal, lines))
    }

    #[test]
    fn lines_are_kept_and_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        drop(opened(&path).unwrap());
        assert!(!path.exists(), "nothing was added");
        let (mut journal, _) = opened(&path).unwrap();
        journal.add("a1.\n").unwrap();
        journal.add("a2.\na3.\n").unwrap();
        assert!(matches!(opened(&path), Err(Error::InUse { .. })));
        journal.cut(4).unwrap();
        drop(journal);
        let (journal, lines) = opened(&path).unwrap();
        assert_eq!((lines, journal.is_mended(), journal.length()), (vec!["a1.".to_string()], false, 4));
    }

    #[test]
    fn a_line_that_was_cut_off_is_removed_and_an_end_that_is_missing_is_added() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, "a1.\na2").unwrap();
        assert!(opened(&path).unwrap().0.is_mended());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a1.\n");
        std::fs::write(&path, "a1.").unwrap();
        let (mut journal, lines) = opened(&path).unwrap();
        assert_eq!((lines.len(), journal.is_mended()), (1, false));
        journal.add("a2.\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a1.\na2.\n");
    }

    #[test]
    fn a_file_of_something_else_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        for other in ["a1.\nb\n", "b", "a1.\na\na2.\n"] {
            std::fs::write(&path, other).unwrap();
            assert!(opened(&path).is_err(), "{other}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
        }
    }
}
