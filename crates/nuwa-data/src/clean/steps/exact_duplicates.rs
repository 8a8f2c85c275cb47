//! `exact-duplicates`: rejects a document whose text is, byte for byte, that of an earlier one.
//!
//! Why: copies teach a model to recite, and carry test text into the training part (Lee et al. 2022,
//! "Deduplicating Training Data Makes Language Models Better", <https://arxiv.org/abs/2107.06499>).
//! Memory: 16 bytes (a 128-bit hash) and the table's slack, about 32 bytes, for each different document.

use std::collections::HashSet;

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

use crate::Result;
use crate::clean::{CorpusStep, Verdict};
use crate::documents::Document;

/// The step; it has no settings.
#[derive(Debug, Default)]
pub struct ExactDuplicates {
    seen: HashSet<u128>,
}

impl CorpusStep for ExactDuplicates {
    fn name(&self) -> &'static str {
        "exact-duplicates"
    }

    fn needs_whole_corpus(&self) -> bool {
        false
    }

    fn judge(&mut self, batch: &[&Document]) -> Result<Vec<Verdict>> {
        let hashes: Vec<u128> = batch.par_iter().map(|document| xxh3_128(document.text.as_bytes())).collect();
        let judge = |hash| match self.seen.insert(hash) {
            true => Verdict::Kept,
            false => Verdict::rejected("same text as an earlier document", ""),
        };
        Ok(hashes.into_iter().map(judge).collect())
    }
}
