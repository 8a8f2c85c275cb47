//! External merge sort (Knuth, The Art of Computer Programming 3, section 5.4): records fill a buffer; each full buffer is
//! sorted and written as a run; in the end all runs are merged while they are read.
//!
//! Memory: what was given, at most 32 MiB, for the buffer while records come in and for the blocks of the runs while they are merged.
//! Disk: [`Record::BYTES`] a record, twice that for a moment where there are more runs than are merged at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::Temporary;
use crate::Result;

/// Something of a fixed size that can be sorted on disk.
pub(crate) trait Record: Ord + Copy + Send {
    /// Its size on disk.
    const BYTES: usize;
    /// Writes it into a slice of that size.
    fn store(&self, bytes: &mut [u8]);
    /// Reads it from a slice of that size.
    fn load(bytes: &[u8]) -> Self;
}

impl Record for u64 {
    const BYTES: usize = 8;

    fn store(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.to_le_bytes());
    }

    fn load(bytes: &[u8]) -> Self {
        Self::from_le_bytes(bytes.try_into().expect("eight bytes"))
    }
}

impl Record for u32 {
    const BYTES: usize = 4;

    fn store(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.to_le_bytes());
    }

    fn load(bytes: &[u8]) -> Self {
        Self::from_le_bytes(bytes.try_into().expect("four bytes"))
    }
}

impl<A: Record, B: Record> Record for (A, B) {
    const BYTES: usize = A::BYTES + B::BYTES;

    fn store(&self, bytes: &mut [u8]) {
        self.0.store(&mut bytes[..A::BYTES]);
        self.1.store(&mut bytes[A::BYTES..]);
    }

    fn load(bytes: &[u8]) -> Self {
        (A::load(&bytes[..A::BYTES]), B::load(&bytes[A::BYTES..]))
    }
}

/// Runs that are merged at a time: fewer than the files that a process may open.
const MERGED_AT_ONCE: usize = 128;
const SMALLEST_BUFFER: usize = 1 << 16;
/// Up to 4 GiB of records a larger buffer would save no merge.
const LARGEST_BUFFER: usize = 1 << 25;
const LARGEST_BLOCK: usize = 1 << 18;

/// Takes records in any order.
#[derive(Debug)]
pub(crate) struct Sorter<R> {
    folder: PathBuf,
    stem: &'static str,
    memory: usize,
    buffer: Vec<R>,
    runs: Vec<Run>,
    runs_made: usize,
}

#[derive(Debug)]
struct Run {
    file: Temporary,
    records: u64,
}

impl<R: Record> Sorter<R> {
    /// A sorter whose runs are files `STEM-N` of `folder`, which holds about `memory` bytes, at most 32 MiB.
    pub fn new(folder: &Path, stem: &'static str, memory: usize) -> Self {
        let memory = memory.clamp(SMALLEST_BUFFER, LARGEST_BUFFER);
        Self { folder: folder.into(), stem, memory, buffer: Vec::new(), runs: Vec::new(), runs_made: 0 }
    }

    /// Takes a record.
    pub fn push(&mut self, record: R) -> Result<()> {
        if self.buffer.len() >= self.memory / size_of::<R>() {
            self.spill()?;
        }
        if self.buffer.len() == self.buffer.capacity() {
            // Doubling would overshoot what was given.
            let most = self.memory / size_of::<R>() - self.buffer.len();
            self.buffer.reserve_exact(self.buffer.len().max(1024).min(most));
        }
        self.buffer.push(record);
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        self.buffer.par_sort_unstable();
        let records = std::mem::take(&mut self.buffer);
        self.write_run(records.iter().map(|record| Ok(*record)))?;
        self.buffer = records;
        self.buffer.clear();
        Ok(())
    }

    fn write_run(&mut self, records: impl Iterator<Item = Result<R>>) -> Result<()> {
        let (file, handle) =
            Temporary::create(self.folder.join(format!("{}-{}", self.stem, self.runs_made)))?;
        self.runs_made += 1;
        let mut writer = BufWriter::with_capacity(LARGEST_BLOCK, handle);
        let mut bytes = vec![0; R::BYTES];
        let mut count = 0;
        for record in records {
            record?.store(&mut bytes);
            writer.write_all(&bytes).map_err(nuwa_files::Error::write(&file.0))?;
            count += 1;
        }
        writer.flush().map_err(nuwa_files::Error::write(&file.0))?;
        self.runs.push(Run { file, records: count });
        Ok(())
    }

    /// All records, in order.
    pub fn finish(mut self) -> Result<Sorted<R>> {
        if self.runs.is_empty() {
            self.buffer.par_sort_unstable();
            return Ok(Sorted { memory: self.buffer.into_iter(), merge: Merge::default() });
        }
        self.spill()?;
        self.buffer = Vec::new();
        while self.runs.len() > MERGED_AT_ONCE {
            let first: Vec<Run> = self.runs.drain(..MERGED_AT_ONCE).collect();
            let merge = Merge::of(first, self.memory)?;
            self.write_run(merge)?;
        }
        let merge = Merge::of(std::mem::take(&mut self.runs), self.memory)?;
        Ok(Sorted { memory: Vec::new().into_iter(), merge })
    }
}

/// Records in order.
#[derive(Debug)]
pub(crate) struct Sorted<R> {
    memory: std::vec::IntoIter<R>,
    merge: Merge<R>,
}

impl<R: Record> Iterator for Sorted<R> {
    type Item = Result<R>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.memory.next() {
            Some(record) => Some(Ok(record)),
            None => self.merge.next(),
        }
    }
}

/// The smallest record of each run, and what follows it.
#[derive(Debug)]
struct Merge<R> {
    heads: BinaryHeap<Reverse<(R, usize)>>,
    runs: Vec<RunReader>,
}

impl<R: Ord> Default for Merge<R> {
    fn default() -> Self {
        Self { heads: BinaryHeap::new(), runs: Vec::new() }
    }
}

#[derive(Debug)]
struct RunReader {
    reader: BufReader<File>,
    left: u64,
    file: Temporary,
    bytes: Vec<u8>,
}

impl<R: Record> Merge<R> {
    fn of(runs: Vec<Run>, memory: usize) -> Result<Self> {
        let block = (memory / runs.len().max(1)).clamp(R::BYTES, LARGEST_BLOCK);
        let mut merge = Self::default();
        for run in runs {
            let reader = BufReader::with_capacity(block, run.file.open()?);
            merge.runs.push(RunReader {
                reader,
                left: run.records,
                file: run.file,
                bytes: vec![0; R::BYTES],
            });
            merge.advance(merge.runs.len() - 1)?;
        }
        Ok(merge)
    }

    fn advance(&mut self, run: usize) -> Result<()> {
        if let Some(record) = self.runs[run].next()? {
            self.heads.push(Reverse((record, run)));
        }
        Ok(())
    }
}

impl<R: Record> Iterator for Merge<R> {
    type Item = Result<R>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((record, run)) = self.heads.pop()?;
        Some(self.advance(run).map(|()| record))
    }
}

impl RunReader {
    fn next<R: Record>(&mut self) -> Result<Option<R>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.reader.read_exact(&mut self.bytes).map_err(nuwa_files::Error::read(&self.file.0))?;
        Ok(Some(R::load(&self.bytes)))
    }
}

#[cfg(test)]
mod tests {
    use nuwa_text::mix;

    use super::*;

    type Records = Vec<(u64, u32)>;

    /// What comes back, what should, and how many runs there were.
    fn sorted(count: u64, memory: usize) -> (Records, Records, usize) {
        let folder = tempfile::tempdir().unwrap();
        let records: Records = (0..count).map(|at| (mix(1, at) % 5000, at as u32)).collect();
        let mut sorter = Sorter::new(folder.path(), "test", memory);
        records.iter().for_each(|record| sorter.push(*record).unwrap());
        let sorted = sorter.finish().unwrap();
        let files = std::fs::read_dir(folder.path()).unwrap().count();
        let found: Records = sorted.map(Result::unwrap).collect();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "files are left");
        let mut expected = records;
        expected.sort_unstable();
        (found, expected, files)
    }

    #[test]
    fn records_come_back_in_order_from_memory_and_from_disk() {
        let (found, expected, files) = sorted(1000, 1 << 20);
        assert!(found == expected && files == 0);
        let (found, expected, files) = sorted(50_000, 1 << 16);
        assert!(found == expected && files == 13, "{files} runs");
        let (found, expected, files) = sorted(700_000, 1 << 16);
        assert!(found == expected && files <= MERGED_AT_ONCE && files > 1, "{files} runs");
        assert_eq!(sorted(0, 1 << 16).0, []);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let mut sorter = Sorter::<u64>::new(&file.join("below"), "test", 0);
        let failed = (0..20_000).find_map(|number| sorter.push(number).err()).unwrap();
        assert!(failed.to_string().contains("below"), "{failed}");
    }
}
