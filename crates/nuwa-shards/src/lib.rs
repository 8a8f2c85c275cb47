//! Token shards on disk: `train-00000.bin` with `train-00000.idx` beside it, and so on; `val-*` for validation,
//! `test-*` for test.
//!
//! `.bin` is llm.c's layout: a header of 256 little-endian `i32` (magic 20240520 with version 1 for 16-bit ids,
//! magic 20240801 with version 7 for 32-bit ids; then the token count), then the ids.
//! `.idx` is ours: `NUWAIDX\0`, `u32` version 1, `u32` zero, `u64` document count, then for each document, all
//! little-endian: `u64` where its tokens end in this shard (cumulative), `u64` bytes and `u64` characters of its
//! text. A document is never cut by the end of a shard.
//!
//! Documents become shards of token ids, a part of which is held out:
//!
//! ```
//! use nuwa_files::Document;
//! use nuwa_files::documents::{LinesWriter, lines_path};
//! use nuwa_shards::tokenize::{TokenizeSettings, tokenize};
//! use nuwa_shards::{Part, Shards};
//! use nuwa_tokenizer::{TrainSettings, train};
//!
//! # let folder = tempfile::tempdir()?;
//! let texts = (0..200).map(|n| format!("The river rose {n} times, and {n} times she dammed it."));
//! let settings = TrainSettings { vocab_size: 300, ..TrainSettings::default() };
//! let tokenizer = train(texts.clone(), &settings, &mut |_| {})?;
//! let mut documents = LinesWriter::new(lines_path(folder.path(), "documents"));
//! let document = |(n, text): (usize, String)| Document { id: n.to_string(), text, ..Document::default() };
//! documents.write(&texts.enumerate().map(document).collect::<Vec<_>>())?;
//! documents.finish()?;
//! let out = folder.path().join("shards");
//! let summary = tokenize(folder.path(), &tokenizer, &out, &TokenizeSettings::default(), &mut |_| {})?;
//! assert_eq!(Shards::open(&out, Part::Train)?.tokens(), summary.train.tokens);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod error;
mod format;
mod languages;
mod reader;
pub mod split;
pub mod tokenize;
mod writer;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use error::{Error, Result};
pub use languages::Languages;
pub use reader::Shards;
pub use writer::{ShardWriter, Written};

/// Which part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// To learn from.
    Train,
    /// Held back, to choose the best model on.
    Validation,
    /// Held back, to report on.
    Test,
}

impl Part {
    /// The beginning of its files' names.
    pub fn stem(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "val",
            Self::Test => "test",
        }
    }

    fn path(self, folder: &Path, index: usize, ending: &str) -> PathBuf {
        folder.join(format!("{}-{index:05}.{ending}", self.stem()))
    }

    /// The numbers of its shards of which there is a file in `folder`, ascending; none where there is no folder.
    fn numbers_in(self, folder: &Path) -> Result<Vec<usize>> {
        let entries = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.map_err(nuwa_files::Error::read(folder))?,
        };
        let mut numbers = BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(nuwa_files::Error::read(folder))?.file_name();
            numbers.extend(self.number_of(&name.to_string_lossy()));
        }
        Ok(numbers.into_iter().collect())
    }

    /// The number in the name of one of its files.
    fn number_of(self, name: &str) -> Option<usize> {
        let (number, ending) = name.strip_prefix(self.stem())?.strip_prefix('-')?.split_once('.')?;
        let is_ours = ["bin", "idx"].contains(&ending) && number.len() >= 5;
        if is_ours { number.parse().ok() } else { None }
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
