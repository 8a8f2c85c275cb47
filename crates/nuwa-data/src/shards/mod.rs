//! Token shards on disk: `train-00000.bin` with `train-00000.idx` beside it, and so on; `val-*` for validation.
//!
//! `.bin` is llm.c's layout: a header of 256 little-endian `i32` (magic 20240520 with version 1 for 16-bit ids,
//! magic 20240801 with version 7 for 32-bit ids; then the token count), then the ids.
//! `.idx` is ours: `NUWAIDX\0`, `u32` version 1, `u32` zero, `u64` document count, then for each document, all
//! little-endian: `u64` where its tokens end in this shard (cumulative), `u64` bytes and `u64` characters of its
//! text. A document is never cut by the end of a shard.

mod format;
mod reader;
mod writer;

use std::path::{Path, PathBuf};

pub use reader::Shards;
pub use writer::{ShardWriter, Written};

/// Which part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// To learn from.
    Train,
    /// Held back.
    Validation,
}

impl Part {
    /// The beginning of its files' names.
    pub fn stem(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "val",
        }
    }

    fn path(self, folder: &Path, index: usize, ending: &str) -> PathBuf {
        folder.join(format!("{}-{index:05}.{ending}", self.stem()))
    }
}

/// How an id is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdWidth {
    /// 16 bits, for vocabularies up to 65,536.
    Two,
    /// 32 bits.
    Four,
}

impl IdWidth {
    /// The narrowest width that holds every id of a vocabulary.
    pub fn for_vocabulary(size: usize) -> Self {
        if size <= 1 << 16 { Self::Two } else { Self::Four }
    }

    /// Bytes an id takes.
    pub fn bytes(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }
}
