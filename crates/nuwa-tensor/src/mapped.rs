//! Read-only bytes that many hold together: a file mapped into memory, or a buffer.
//!
//! A mapped file takes no memory of its own: pages come from the file when they are touched, and the system may drop them again. In
//! return the file has to stay as it is while anything holds its bytes. A file that another program cuts short meanwhile ends this
//! one by a signal (SIGBUS), which no `Result` can catch; one that is overwritten gives other numbers. Where a file cannot be
//! trusted to stay, [`Bytes::read`] takes a copy.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::{Deref, Range};
use std::sync::Arc;

use memmap2::Mmap;

/// A part of shared read-only bytes; clones and slices share them.
#[derive(Debug, Clone)]
pub struct Bytes {
    source: Arc<Source>,
    range: Range<usize>,
}

#[derive(Debug)]
enum Source {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Source {
    fn all(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl Bytes {
    /// The whole of `file`, mapped into memory; see the head of this file for what that asks of it.
    ///
    /// # Errors
    /// When the system refuses, as it does for what is no ordinary file.
    pub fn map(file: &File) -> io::Result<Self> {
        if file.metadata()?.len() == 0 {
            return Ok(Self::from(Vec::new()));
        }
        // SAFETY: the map is read-only and private to no writer of this program, which never writes to a file that it has mapped:
        // files appear whole under their name by a rename. What other programs do to the file is the caller's business, told
        // above; a `u8` has no invalid patterns of bits.
        let map = unsafe { Mmap::map(file) }?;
        Ok(Self::whole(Source::Mapped(map)))
    }

    /// The whole of `file`, read into memory.
    ///
    /// # Errors
    /// When it cannot be read, or there is not enough memory for it.
    pub fn read(file: &mut File) -> io::Result<Self> {
        let length = usize::try_from(file.metadata()?.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        file.seek(SeekFrom::Start(0))?;
        // No more than was asked for: a file may grow meanwhile.
        file.take(length as u64).read_to_end(&mut bytes)?;
        Ok(Self::from(bytes))
    }

    fn whole(source: Source) -> Self {
        let range = 0..source.all().len();
        Self { source: Arc::new(source), range }
    }

    /// A part of them; none where they do not reach so far.
    pub fn slice(&self, range: Range<usize>) -> Option<Self> {
        if range.start > range.end || range.end > self.range.len() {
            return None;
        }
        let (start, end) = (self.range.start + range.start, self.range.start + range.end);
        Some(Self { source: Arc::clone(&self.source), range: start..end })
    }

    /// Whether they are those of a mapped file.
    pub fn is_mapped(&self) -> bool {
        matches!(*self.source, Source::Mapped(_))
    }

    /// Lets the system take back the memory of these bytes, where they are those of a mapped file: they are read from it again when
    /// they are next touched. For what has been copied into another form.
    pub fn release(&self) {
        #[cfg(unix)]
        if let Source::Mapped(map) = &*self.source
            && !self.range.is_empty()
        {
            // SAFETY: the map is read-only and of a file, so that dropped pages come back with the same bytes.
            let released = unsafe {
                map.unchecked_advise_range(
                    memmap2::UncheckedAdvice::DontNeed,
                    self.range.start,
                    self.range.len(),
                )
            };
            // Advice that is not taken changes nothing but the use of memory.
            drop(released);
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::whole(Source::Owned(bytes))
    }
}

impl Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.source.all()[self.range.clone()]
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_part_is_within_its_whole() {
        let bytes = Bytes::from((0..10).collect::<Vec<u8>>());
        let part = bytes.slice(2..8).unwrap();
        assert_eq!(*part, [2, 3, 4, 5, 6, 7]);
        assert_eq!(*part.slice(1..3).unwrap(), [3, 4]);
        assert!(part.slice(0..7).is_none(), "beyond the part, though within the whole");
        #[expect(clippy::reversed_empty_ranges, reason = "a range that a damaged file asks for")]
        let reversed = part.slice(3..2);
        assert!(reversed.is_none());
        assert_eq!(part.slice(6..6).unwrap().len(), 0);
    }

    #[cfg(not(miri))]
    #[test]
    fn a_mapped_file_is_what_is_read() {
        let path = std::env::temp_dir().join(format!("nuwa-mapped-{}", std::process::id()));
        let content: Vec<u8> = (0..20_000_u32).map(|i| (i * 7) as u8).collect();
        File::create(&path).unwrap().write_all(&content).unwrap();
        let mut file = File::open(&path).unwrap();
        let (mapped, read) = (Bytes::map(&file).unwrap(), Bytes::read(&mut file).unwrap());
        std::fs::remove_file(&path).unwrap();
        assert!(mapped.is_mapped() && !read.is_mapped());
        assert_eq!(*mapped, content[..]);
        mapped.slice(4096..12_288).unwrap().release();
        assert_eq!(*mapped, *read, "released pages come back");
    }
}
