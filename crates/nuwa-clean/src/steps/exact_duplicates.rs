//! `exact-duplicates`: rejects a document whose text is, byte for byte, that of an earlier one.
//!
//! Why: copies teach a model to recite, and carry test text into the training part (Lee et al. 2022,
//! "Deduplicating Training Data Makes Language Models Better", <https://arxiv.org/abs/2107.06499>).
//! How: hashes of 128 bits are sorted with the numbers of their documents; of equal ones all but the first go.
//! Memory: what `clean.memory` allows the sort, nothing for each document. Disk: 24 bytes a document.

use std::iter::Peekable;

use nuwa_files::Document;
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

use crate::Result;
use crate::spill::{Sorted, Sorter};
use crate::{CorpusStep, Verdict, Workspace};

/// The step; it has no settings.
#[derive(Debug, Default)]
pub struct ExactDuplicates {
    state: State,
}

/// The halves of a hash, and the document that has it.
type Hashed = ((u64, u64), u64);

#[derive(Debug, Default)]
enum State {
    /// Nothing seen yet.
    #[default]
    New,
    Observing {
        hashes: Sorter<Hashed>,
        copies: Sorter<u64>,
        documents: u64,
    },
    Applying {
        copies: Peekable<Sorted<u64>>,
        applied: u64,
    },
}

impl CorpusStep for ExactDuplicates {
    fn name(&self) -> &'static str {
        "exact-duplicates"
    }

    fn begin(&mut self, workspace: &Workspace) -> Result<()> {
        // Both sorts work at once for a moment, when the hashes are merged.
        let half = workspace.memory / 2;
        self.state = State::Observing {
            hashes: Sorter::new(&workspace.folder, "hashes", half),
            copies: Sorter::new(&workspace.folder, "copies", half),
            documents: 0,
        };
        Ok(())
    }

    fn observe(&mut self, batch: &[&Document]) -> Result<()> {
        let State::Observing { hashes, documents, .. } = &mut self.state else {
            unreachable!("the step was begun")
        };
        let found: Vec<u128> = batch.par_iter().map(|document| xxh3_128(document.text.as_bytes())).collect();
        for hash in found {
            hashes.push((((hash >> 64) as u64, hash as u64), *documents))?;
            *documents += 1;
        }
        Ok(())
    }

    fn conclude(&mut self) -> Result<()> {
        let State::Observing { hashes, mut copies, .. } = std::mem::take(&mut self.state) else {
            unreachable!("the step was begun")
        };
        let mut before = None;
        for record in hashes.finish()? {
            let (hash, document) = record?;
            if before.replace(hash) == Some(hash) {
                copies.push(document)?;
            }
        }
        self.state = State::Applying { copies: copies.finish()?.peekable(), applied: 0 };
        Ok(())
    }

    fn apply(&mut self, batch: &mut [&mut Document]) -> Result<Vec<Verdict>> {
        let State::Applying { copies, applied } = &mut self.state else {
            unreachable!("the first pass is over")
        };
        let mut verdict = || {
            let number = *applied;
            *applied += 1;
            match copies.next_if(|copy| copy.as_ref().map_or(true, |copy| *copy == number)).transpose()? {
                None => Ok(Verdict::Kept),
                Some(_) => Ok(Verdict::rejected("same text as an earlier document", "")),
            }
        };
        batch.iter().map(|_| verdict()).collect()
    }
}
