use std::io::Write;
use std::path::{Path, PathBuf};

use nuwa_files::AtomicFile;

use super::format::{Record, header, index_header};
use super::{IdWidth, Part};
use crate::{Error, Result};

/// Writes documents' ids into shards. A shard is held in memory until it is full, so that its header is right
/// from the start; memory is `shard_tokens` ids and one document.
#[derive(Debug)]
pub struct ShardWriter {
    folder: PathBuf,
    part: Part,
    width: IdWidth,
    shard_tokens: u64,
    ids: Vec<u8>,
    records: Vec<Record>,
    shards: usize,
    total: Written,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Documents.
    pub documents: u64,
    /// Tokens.
    pub tokens: u64,
    /// Bytes of text.
    pub bytes: u64,
    /// Characters of text.
    pub characters: u64,
    /// Files.
    pub shards: u64,
}

/// The header counts tokens in an `i32`.
const MOST_TOKENS: u64 = i32::MAX as u64;

impl ShardWriter {
    /// A writer into `folder`; a shard ends with the document that reaches `shard_tokens` tokens.
    pub fn create(folder: &Path, part: Part, width: IdWidth, shard_tokens: u64) -> Self {
        Self {
            folder: folder.to_path_buf(),
            part,
            width,
            shard_tokens: shard_tokens.clamp(1, MOST_TOKENS),
            ids: Vec::new(),
            records: Vec::new(),
            shards: 0,
            total: Written::default(),
        }
    }

    /// Appends a document: its ids, and the text they stand for.
    ///
    /// # Errors
    /// When a file cannot be written, or the document is longer than a shard may be.
    pub fn push(&mut self, ids: &[u32], text: &str) -> Result<()> {
        let before = self.records.last().map_or(0, |record| record.end);
        if before > 0 && before + ids.len() as u64 > MOST_TOKENS {
            self.write_shard()?;
            return self.push(ids, text);
        }
        for &id in ids {
            self.push_id(id)?;
        }
        let record = Record {
            end: before + ids.len() as u64,
            bytes: text.len() as u64,
            characters: text.chars().count() as u64,
        };
        self.records.push(record);
        self.total.documents += 1;
        self.total.tokens += ids.len() as u64;
        self.total.bytes += record.bytes;
        self.total.characters += record.characters;
        if record.end >= self.shard_tokens { self.write_shard() } else { Ok(()) }
    }

    fn push_id(&mut self, id: u32) -> Result<()> {
        match self.width {
            IdWidth::Four => self.ids.extend(id.to_le_bytes()),
            IdWidth::Two => {
                let path = self.part.path(&self.folder, self.shards, "bin");
                let too_large =
                    |_| Error::Shard { path, problem: format!("id {id} does not fit into 16 bits") };
                self.ids.extend(u16::try_from(id).map_err(too_large)?.to_le_bytes());
            }
        }
        Ok(())
    }

    fn write_shard(&mut self) -> Result<()> {
        let path = self.part.path(&self.folder, self.shards, "bin");
        let tokens = self.records.last().map_or(0, |record| record.end);
        let Ok(tokens) = i32::try_from(tokens) else {
            return Err(Error::Shard { path, problem: format!("a document of {tokens} tokens is too long") });
        };
        // The index first: where there is a shard, its index is there too.
        let records: Vec<u8> = self.records.iter().flat_map(|record| record.to_bytes()).collect();
        let index = self.part.path(&self.folder, self.shards, "idx");
        write(&index, &index_header(self.records.len() as u64), &records)?;
        write(&path, &header(self.width, tokens), &self.ids)?;
        self.ids.clear();
        self.records.clear();
        self.shards += 1;
        Ok(())
    }

    /// Writes the last shard (an empty one where there was no document) and removes those of a longer run before.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn finish(mut self) -> Result<Written> {
        if !self.records.is_empty() || self.shards == 0 {
            self.write_shard()?;
        }
        for index in self.shards.. {
            let older = ["bin", "idx"].map(|ending| self.part.path(&self.folder, index, ending));
            if !older.iter().any(|path| path.exists()) {
                break;
            }
            for path in older.iter().filter(|path| path.exists()) {
                std::fs::remove_file(path).map_err(nuwa_files::Error::write(path))?;
            }
        }
        Ok(Written { shards: self.shards as u64, ..self.total })
    }
}

fn write(path: &Path, header: &[u8], content: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    let written = file.write_all(header).and_then(|()| file.write_all(content));
    written.map_err(nuwa_files::Error::write(path))?;
    Ok(file.commit()?)
}
