use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::format::{
    HEADER_BYTES, INDEX_HEADER_BYTES, RECORD_BYTES, Record, parse_header, parse_index_header,
};
use super::{IdWidth, Part};
use crate::{Error, Result};

/// The shards of one part, read as one long row of tokens. Many threads may read at once.
///
/// Memory: 8 bytes for every 512 documents; all else is read where it is needed.
#[derive(Debug)]
pub struct Shards {
    files: Vec<Shard>,
    tokens: u64,
    documents: u64,
    bytes: u64,
    characters: u64,
}

#[derive(Debug)]
struct Shard {
    path: PathBuf,
    file: File,
    index_path: PathBuf,
    index: File,
    width: IdWidth,
    /// The number of its first token among those of all shards.
    start: u64,
    tokens: u64,
    documents: u64,
    bytes: u64,
    characters: u64,
    /// The last token end of each block of [`BLOCK`] documents.
    block_ends: Vec<u64>,
}

/// Documents between two remembered ends.
const BLOCK: usize = 512;

impl Shards {
    /// Opens all shards of a part and checks magic, version and length of each file, and that none between them is missing.
    ///
    /// # Errors
    /// When there is none, or one is missing or damaged.
    pub fn open(folder: &Path, part: Part) -> Result<Self> {
        match Self::open_if_any(folder, part)? {
            Some(shards) => Ok(shards),
            None if folder.exists() => {
                let problem = "there is no such shard".into();
                Err(Error::Shard { path: part.path(folder, 0, "bin"), problem })
            }
            None => Err(nuwa_files::Error::Missing { path: folder.to_path_buf() }.into()),
        }
    }

    /// As [`Shards::open`], but none where the folder has no file of this part: absent is not damaged.
    ///
    /// # Errors
    /// When a shard is missing between others, or damaged.
    pub fn open_if_any(folder: &Path, part: Part) -> Result<Option<Self>> {
        let mut shards = Self { files: Vec::new(), tokens: 0, documents: 0, bytes: 0, characters: 0 };
        let numbers = part.numbers_in(folder)?;
        for (index, &number) in numbers.iter().enumerate() {
            let path = part.path(folder, index, "bin");
            if number != index || !path.exists() {
                let last = numbers[numbers.len() - 1];
                let problem = format!("it is missing, though there are files of shards up to number {last}");
                return Err(Error::Shard { path, problem });
            }
            shards.add(Shard::open(path, part.path(folder, index, "idx"))?);
        }
        Ok((!numbers.is_empty()).then_some(shards))
    }

    fn add(&mut self, mut shard: Shard) {
        shard.start = self.tokens;
        self.tokens += shard.tokens;
        self.documents += shard.documents;
        self.bytes += shard.bytes;
        self.characters += shard.characters;
        self.files.push(shard);
    }

    /// Tokens in all shards, the end-of-text tokens with them.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Documents in all shards.
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// Bytes of the text that the tokens stand for.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Characters of the text that the tokens stand for.
    pub fn characters(&self) -> u64 {
        self.characters
    }

    /// Reads the ids from token `start` on, over the ends of shards.
    ///
    /// # Errors
    /// When a file cannot be read, or the ids go beyond the last one.
    pub fn read(&self, start: u64, ids: &mut [u32]) -> Result<()> {
        let end = start.saturating_add(ids.len() as u64);
        if end > self.tokens {
            return Err(Error::OutOfRange { start, end, tokens: self.tokens });
        }
        let mut start = start;
        let mut rest = ids;
        while !rest.is_empty() {
            let shard = self.shard_of(start);
            let count = rest.len().min((shard.start + shard.tokens - start) as usize);
            let (now, later) = rest.split_at_mut(count);
            shard.read(start - shard.start, now)?;
            start += count as u64;
            rest = later;
        }
        Ok(())
    }

    /// The shard that holds a token; empty shards hold none.
    fn shard_of(&self, token: u64) -> &Shard {
        let after = self.files.partition_point(|shard| shard.start + shard.tokens <= token);
        &self.files[after]
    }

    /// Where documents end: the positions p with `start < p <= end` such that token p - 1 is a document's last.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn ends_in(&self, start: u64, end: u64) -> Result<impl Iterator<Item = u64> + use<>> {
        let mut ends = Vec::new();
        for shard in &self.files {
            if shard.start + shard.tokens > start && shard.start < end {
                shard.ends_in(start, end, &mut ends)?;
            }
        }
        Ok(ends.into_iter())
    }
}

impl Shard {
    fn open(path: PathBuf, index_path: PathBuf) -> Result<Self> {
        let (file, header, length) = open(&path, HEADER_BYTES)?;
        let (width, tokens) = parse_header(&path, &header, length)?;
        let (index, header, length) = open(&index_path, INDEX_HEADER_BYTES)?;
        let documents = parse_index_header(&index_path, &header, length)?;
        let mut shard = Self {
            path,
            file,
            index_path,
            index,
            width,
            start: 0,
            tokens,
            documents,
            bytes: 0,
            characters: 0,
            block_ends: Vec::new(),
        };
        shard.scan_index()?;
        Ok(shard)
    }

    /// One pass over the index: sums, sparse ends, and whether it fits the tokens.
    fn scan_index(&mut self) -> Result<()> {
        let wrong = |problem: String| Error::Shard { path: self.index_path.clone(), problem };
        let failed = |source| nuwa_files::Error::Read { path: self.index_path.clone(), source };
        // The file stands behind its header, where `open` has left it.
        let mut reader = BufReader::with_capacity(BLOCK * RECORD_BYTES, &self.index);
        let mut last = 0;
        for number in 0..self.documents {
            let mut bytes = [0; RECORD_BYTES];
            reader.read_exact(&mut bytes).map_err(failed)?;
            let record = Record::from_bytes(&bytes);
            if record.end < last {
                return Err(wrong(format!("document {number} ends before the one before it")));
            }
            last = record.end;
            self.bytes = self.bytes.saturating_add(record.bytes);
            self.characters = self.characters.saturating_add(record.characters);
            if (number + 1) % BLOCK as u64 == 0 || number + 1 == self.documents {
                self.block_ends.push(last);
            }
        }
        match last == self.tokens {
            true => Ok(()),
            false => Err(wrong(format!("documents end at token {last}, but the shard has {}", self.tokens))),
        }
    }

    fn read(&self, start: u64, ids: &mut [u32]) -> Result<()> {
        let width = self.width.bytes();
        let mut bytes = vec![0; ids.len() * width];
        let at = HEADER_BYTES as u64 + start * width as u64;
        read_exact_at(&self.file, &mut bytes, at).map_err(nuwa_files::Error::read(&self.path))?;
        match self.width {
            IdWidth::Two => {
                let pairs = ids.iter_mut().zip(bytes.chunks_exact(2));
                pairs.for_each(|(id, bytes)| *id = u32::from(u16::from_le_bytes([bytes[0], bytes[1]])));
            }
            IdWidth::Four => {
                let fours = ids.iter_mut().zip(bytes.chunks_exact(4));
                fours.for_each(|(id, b)| *id = u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            }
        }
        Ok(())
    }

    fn ends_in(&self, start: u64, end: u64, ends: &mut Vec<u64>) -> Result<()> {
        let first = self.block_ends.partition_point(|&last| self.start + last <= start);
        for block in first..self.block_ends.len() {
            let from = block * BLOCK;
            let count = BLOCK.min(self.documents as usize - from);
            let mut bytes = vec![0; count * RECORD_BYTES];
            let at = (INDEX_HEADER_BYTES + from * RECORD_BYTES) as u64;
            read_exact_at(&self.index, &mut bytes, at).map_err(nuwa_files::Error::read(&self.index_path))?;
            for record in bytes.chunks_exact(RECORD_BYTES).map(Record::from_bytes) {
                let position = self.start + record.end;
                if position > end {
                    return Ok(());
                }
                if position > start {
                    ends.push(position);
                }
            }
        }
        Ok(())
    }
}

/// A file, its first bytes (up to `header`), and its length.
fn open(path: &Path, header: usize) -> Result<(File, Vec<u8>, u64)> {
    let mut file = File::open(path).map_err(nuwa_files::Error::read(path))?;
    let length = file.metadata().map_err(nuwa_files::Error::read(path))?.len();
    let mut bytes = vec![0; header.min(length as usize)];
    file.read_exact(&mut bytes).map_err(nuwa_files::Error::read(path))?;
    Ok((file, bytes, length))
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_read(file, bytes, at)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[count..];
        at += count as u64;
    }
    Ok(())
}
