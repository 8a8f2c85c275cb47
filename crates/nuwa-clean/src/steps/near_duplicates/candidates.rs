//! Which documents are to be compared: those that share a band, by the order of the corpus.

use std::iter::Peekable;

use crate::Result;
use crate::Workspace;
use crate::spill::{Sorted, Sorter, Strings, StringsWriter, bytes_of, numbers_of};

/// Documents of a bucket that the later ones of it are compared with.
const MOST_COMPARED: usize = 64;
/// So many documents of a bucket name those before them; later ones name the bucket, which takes less room.
const NAMING: usize = 16;
/// From here on a number stands for a bucket, below it for a document.
const BUCKETS: u64 = 1 << 32;

/// Their buffer lies beside the blocks of the bands, which are merged meanwhile: together no more than the bands' own buffer.
const LARGEST_BUFFER: usize = 1 << 24;

/// Documents that share a band with an earlier one.
///
/// On disk: for each of them and each band 12 bytes, times the number of the documents before it for the first 16 of a
/// bucket; and 4 bytes for each of the first 64 documents of a bucket of more than 16.
#[derive(Debug)]
pub(super) struct Candidates {
    /// A document, and an earlier one or the bucket with earlier ones.
    sorted: Peekable<Sorted<(u32, u64)>>,
    buckets: Strings,
}

/// Takes the documents of one bucket after the other.
struct Writer {
    pairs: Sorter<(u32, u64)>,
    buckets: StringsWriter,
    buckets_written: u64,
    /// The first documents of this bucket, and how many it has.
    first: Vec<u32>,
    members: usize,
}

impl Candidates {
    /// Of the bands that documents have; holds `memory` bytes while they are gone through.
    pub fn new(bands: Sorter<(u64, u32)>, workspace: &Workspace) -> Result<Self> {
        let Workspace { folder, memory } = workspace;
        let mut writer = Writer {
            pairs: Sorter::new(folder, "pairs", LARGEST_BUFFER.min(*memory)),
            buckets: StringsWriter::create(folder, "buckets")?,
            buckets_written: 0,
            first: Vec::new(),
            members: 0,
        };
        let mut current = None;
        for entry in bands.finish()? {
            let (key, document) = entry?;
            if current.replace(key) != Some(key) {
                writer.end_bucket()?;
            }
            writer.push(document)?;
        }
        writer.end_bucket()?;
        Ok(Self { sorted: writer.pairs.finish()?.peekable(), buckets: writer.buckets.finish()? })
    }

    /// The next document that shares a band with earlier ones, and these, each once and in order.
    pub fn next(&mut self) -> Result<Option<(u32, Vec<u32>)>> {
        let Some((document, first)) = self.sorted.next().transpose()? else { return Ok(None) };
        let mut earlier = Vec::new();
        let mut following = Some(first);
        while let Some(what) = following {
            match u32::try_from(what) {
                Ok(other) => earlier.push(other),
                Err(_) => self.look_up(what - BUCKETS, document, &mut earlier)?,
            }
            let same =
                |entry: &Result<(u32, u64)>| entry.as_ref().map_or(true, |(other, _)| *other == document);
            following = self.sorted.next_if(same).transpose()?.map(|(_, what)| what);
        }
        earlier.sort_unstable();
        earlier.dedup();
        Ok(Some((document, earlier)))
    }

    fn look_up(&mut self, bucket: u64, document: u32, earlier: &mut Vec<u32>) -> Result<()> {
        let members = self.buckets.read(bucket)?;
        earlier.extend(numbers_of(&members).filter(|member| *member < document));
        Ok(())
    }
}

impl Writer {
    fn push(&mut self, document: u32) -> Result<()> {
        if self.members < NAMING {
            for other in &self.first {
                self.pairs.push((document, u64::from(*other)))?;
            }
        } else {
            self.pairs.push((document, BUCKETS + self.buckets_written))?;
        }
        if self.members < MOST_COMPARED {
            self.first.push(document);
        }
        self.members += 1;
        Ok(())
    }

    fn end_bucket(&mut self) -> Result<()> {
        if self.members > NAMING {
            self.buckets.push(&bytes_of(&self.first))?;
            self.buckets_written += 1;
        }
        self.first.clear();
        self.members = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use nuwa_text::mix;

    use super::*;

    #[test]
    fn each_document_is_compared_with_the_first_of_its_buckets() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace { folder: folder.path().into(), memory: 0 };
        let mut bands = Sorter::new(folder.path(), "bands", 0);
        let mut buckets: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for document in 0..3000 {
            // Buckets of one document, of a few, of dozens and of hundreds.
            for width in [1, 100, 300, 3000] {
                let key = width * 10_000 + mix(width, document.into()) % width.min(1000);
                bands.push((key, document)).unwrap();
                buckets.entry(key).or_default().push(document);
            }
        }
        let mut expected: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for members in buckets.values() {
            for (position, document) in members.iter().enumerate().skip(1) {
                expected.entry(*document).or_default().extend(&members[..position.min(MOST_COMPARED)]);
            }
        }
        let mut candidates = Candidates::new(bands, &workspace).unwrap();
        for (document, earlier) in expected {
            assert_eq!(candidates.next().unwrap(), Some((document, earlier.into_iter().collect())));
        }
        assert_eq!(candidates.next().unwrap(), None);
    }
}
