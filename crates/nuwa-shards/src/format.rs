//! The bytes of headers and index records.

use std::path::Path;

use super::IdWidth;
use crate::{Error, Result};

pub(super) const HEADER_BYTES: usize = 256 * 4;
pub(super) const INDEX_HEADER_BYTES: usize = 24;
pub(super) const RECORD_BYTES: usize = 24;
const INDEX_MAGIC: &[u8; 8] = b"NUWAIDX\0";
const INDEX_VERSION: u32 = 1;

/// Magic and version for each width.
const KINDS: [(IdWidth, i32, i32); 2] = [(IdWidth::Two, 20240520, 1), (IdWidth::Four, 20240801, 7)];

pub(super) fn header(width: IdWidth, tokens: i32) -> Vec<u8> {
    let (_, magic, version) = KINDS[usize::from(width == IdWidth::Four)];
    let mut bytes = vec![0; HEADER_BYTES];
    for (at, value) in [magic, version, tokens].into_iter().enumerate() {
        bytes[at * 4..][..4].copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

/// The width and the token count of a shard whose file has `file_bytes` bytes.
pub(super) fn parse_header(path: &Path, header: &[u8], file_bytes: u64) -> Result<(IdWidth, u64)> {
    let wrong = |problem: String| Err(Error::Shard { path: path.to_path_buf(), problem });
    if header.len() < HEADER_BYTES {
        return wrong(format!("{} bytes, too short for a header of {HEADER_BYTES}", header.len()));
    }
    let value = |at: usize| i32::from_le_bytes(header[at * 4..][..4].try_into().expect("four bytes"));
    let Some((width, _, version)) = KINDS.into_iter().find(|kind| kind.1 == value(0)) else {
        return wrong(format!("magic {}, expected 20240520 or 20240801", value(0)));
    };
    if value(1) != version {
        return wrong(format!("version {}, expected {version}", value(1)));
    }
    let Ok(tokens) = u64::try_from(value(2)) else {
        return wrong(format!("a token count of {}", value(2)));
    };
    let expected = HEADER_BYTES as u64 + tokens * width.bytes() as u64;
    match file_bytes == expected {
        true => Ok((width, tokens)),
        false => wrong(format!("{file_bytes} bytes, expected {expected} for {tokens} tokens")),
    }
}

/// A document in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    /// Where its tokens end in its shard.
    pub end: u64,
    pub bytes: u64,
    pub characters: u64,
}

impl Record {
    pub fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        for (at, value) in [self.end, self.bytes, self.characters].into_iter().enumerate() {
            bytes[at * 8..][..8].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Self {
        let value = |at: usize| u64::from_le_bytes(bytes[at * 8..][..8].try_into().expect("eight bytes"));
        Self { end: value(0), bytes: value(1), characters: value(2) }
    }
}

pub(super) fn index_header(documents: u64) -> Vec<u8> {
    let mut bytes = INDEX_MAGIC.to_vec();
    bytes.extend(INDEX_VERSION.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(documents.to_le_bytes());
    bytes
}

/// The document count of an index whose file has `file_bytes` bytes.
pub(super) fn parse_index_header(path: &Path, header: &[u8], file_bytes: u64) -> Result<u64> {
    let wrong = |problem: String| Err(Error::Shard { path: path.to_path_buf(), problem });
    if header.len() < INDEX_HEADER_BYTES || &header[..8] != INDEX_MAGIC {
        return wrong("not an index of documents (no NUWAIDX at its start)".into());
    }
    let version = u32::from_le_bytes(header[8..12].try_into().expect("four bytes"));
    if version != INDEX_VERSION {
        return wrong(format!("version {version}, expected {INDEX_VERSION}"));
    }
    let documents = u64::from_le_bytes(header[16..24].try_into().expect("eight bytes"));
    let expected =
        documents.checked_mul(RECORD_BYTES as u64).and_then(|n| n.checked_add(INDEX_HEADER_BYTES as u64));
    match expected == Some(file_bytes) {
        true => Ok(documents),
        false => wrong(format!("{file_bytes} bytes do not fit its {documents} documents")),
    }
}
