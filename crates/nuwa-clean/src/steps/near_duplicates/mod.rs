//! `near-duplicates`: of documents that are nearly the same, keeps one.
//!
//! Why: editions, mirrors and templates differ in a few words; no exact hash finds them (Lee et al. 2022,
//! <https://arxiv.org/abs/2107.06499>).
//! How: a document is the set of its shingles, runs of words. MinHash (Broder 1997) with `bands` bands of `rows` rows
//! proposes pairs (locality-sensitive hashing): one of Jaccard similarity s with probability 1 - (1 - s^rows)^bands, with
//! the defaults 0.998 at 0.8 and 0.27 at 0.5. Each proposed pair is then compared by the true similarity of its sets.
//! (They hold hashes of 32 bits: of two documents of 100,000 shingles each about two are wrongly taken for common ones.)
//! Union-find joins the pairs that reach the threshold to clusters, and one document of each cluster is kept.
//! In a bucket of a band a document is compared with those of the first 64 that are not in its cluster yet.
//! A word is a run of letters and digits regardless of case; in scripts without blanks each character is one.
//! Memory: what `clean.memory` allows the sorts, nothing for each document. Disk: `12 x bands` bytes a document, up to eight
//! times as much again for one that shares bands with others, and 4 bytes a word.

mod candidates;
mod clusters;
mod min_hash;

use nuwa_files::Document;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spill::{Numbers, Sorter, Strings, StringsWriter, bytes_of};
use crate::{CorpusStep, Verdict, Workspace};
use crate::{Error, Result};
use candidates::Candidates;
use clusters::{Clusters, similarity};
use min_hash::{Hashers, shingles};

/// What counts as nearly the same, and what is kept of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NearDuplicatesSettings {
    /// Number of LSH bands of the MinHash signature, 1 to 256; more bands find more pairs.
    pub bands: usize,
    /// Number of rows per band, 1 to 64; more rows require higher similarity before two documents
    /// are compared.
    pub rows: usize,
    /// Jaccard similarity of the shingle sets, 0 to 1, from which two documents are duplicates.
    pub threshold: f64,
    /// Shingle size in words (characters, in scripts without spaces), 1 to 32.
    pub shingle_words: usize,
    /// Which document of a cluster to keep: the first, or the longest (the first of equally long
    /// ones).
    pub keep: Keep,
}

/// What is kept of documents that are nearly the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// The first in corpus order.
    #[default]
    First,
    /// The one with the most bytes of text.
    Longest,
}

impl Default for NearDuplicatesSettings {
    fn default() -> Self {
        Self { bands: 20, rows: 6, threshold: 0.75, shingle_words: 5, keep: Keep::First }
    }
}

impl NearDuplicatesSettings {
    fn check(&self) -> Result<()> {
        let wrong = |name, value: String, expected| Err(Error::Setting { name, value, expected });
        if !(1..=256).contains(&self.bands) {
            return wrong("clean.near_duplicates.bands", self.bands.to_string(), "1 to 256");
        }
        if !(1..=64).contains(&self.rows) {
            return wrong("clean.near_duplicates.rows", self.rows.to_string(), "1 to 64");
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return wrong("clean.near_duplicates.threshold", self.threshold.to_string(), "0 to 1");
        }
        if !(1..=32).contains(&self.shingle_words) {
            return wrong("clean.near_duplicates.shingle_words", self.shingle_words.to_string(), "1 to 32");
        }
        Ok(())
    }
}

/// The step.
#[derive(Debug)]
pub struct NearDuplicates {
    settings: NearDuplicatesSettings,
    hashers: Hashers,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing seen yet.
    New,
    Observing(Box<Observed>),
    Judging(Judging),
}

/// What the first pass leaves on disk.
#[derive(Debug)]
struct Observed {
    /// The hash of a band, and the document that has it.
    bands: Sorter<(u64, u32)>,
    /// The shingles of each document as sorted hashes.
    shingles: StringsWriter,
    ids: StringsWriter,
    /// Bytes of text, where they decide what is kept.
    lengths: Option<Numbers>,
    documents: u32,
    workspace: Workspace,
}

#[derive(Debug)]
struct Judging {
    clusters: Clusters,
    ids: Strings,
    judged: u32,
}

impl NearDuplicates {
    /// With these settings.
    ///
    /// # Errors
    /// When a setting is out of its range, or a file that it names cannot be read.
    pub fn new(settings: &NearDuplicatesSettings) -> Result<Self> {
        settings.check()?;
        let hashers = Hashers::new(settings.bands, settings.rows);
        Ok(Self { settings: settings.clone(), hashers, state: State::New })
    }

    /// Joins a document with the earlier ones that it is like.
    fn join(
        &self,
        document: u32,
        earlier: &[u32],
        sets: &mut Strings,
        clusters: &mut Clusters,
    ) -> Result<()> {
        let mut own = None;
        for &other in earlier {
            if clusters.root(other)? == clusters.root(document)? {
                continue;
            }
            let own = match &mut own {
                Some(own) => own,
                None => own.insert(sets.read(document.into())?),
            };
            if self.can_reach(own.len() as u64, sets.length(other.into())?)
                && similarity(own, &sets.read(other.into())?) >= self.settings.threshold
            {
                clusters.join(document, other)?;
            }
        }
        Ok(())
    }

    /// Whether sets of these sizes can be similar enough: the smaller one is at most all that they share.
    fn can_reach(&self, one: u64, other: u64) -> bool {
        one.min(other) as f64 >= self.settings.threshold * one.max(other) as f64
    }
}

impl CorpusStep for NearDuplicates {
    fn name(&self) -> &'static str {
        "near-duplicates"
    }

    fn begin(&mut self, workspace: &Workspace) -> Result<()> {
        // Both sorts work at once when bands become candidates.
        let workspace = Workspace { memory: workspace.memory / 2, ..workspace.clone() };
        let Workspace { folder, memory } = &workspace;
        let keeps_longest = self.settings.keep == Keep::Longest;
        self.state = State::Observing(Box::new(Observed {
            bands: Sorter::new(folder, "bands", *memory),
            shingles: StringsWriter::create(folder, "shingles")?,
            ids: StringsWriter::create(folder, "ids")?,
            lengths: keeps_longest.then(|| Numbers::create(folder, "lengths")).transpose()?,
            documents: 0,
            workspace,
        }));
        Ok(())
    }

    fn observe(&mut self, batch: &[&Document]) -> Result<()> {
        let State::Observing(observed) = &mut self.state else { unreachable!("the step was begun") };
        let look = |document: &&Document| {
            let shingles = shingles(&document.text, self.settings.shingle_words);
            (self.hashers.bands(&shingles), shingles)
        };
        let seen: Vec<(Vec<u64>, Vec<u32>)> = batch.par_iter().map(look).collect();
        for (document, (bands, shingles)) in batch.iter().zip(seen) {
            for band in bands {
                observed.bands.push((band, observed.documents))?;
            }
            observed.shingles.push(&bytes_of(&shingles))?;
            observed.ids.push(document.id.as_bytes())?;
            if let Some(lengths) = &mut observed.lengths {
                lengths.push(u32::try_from(document.text.len()).unwrap_or(u32::MAX))?;
            }
            observed.documents = observed.documents.checked_add(1).expect("fewer than 4 billion documents");
        }
        Ok(())
    }

    fn conclude(&mut self) -> Result<()> {
        let State::Observing(observed) = std::mem::replace(&mut self.state, State::New) else {
            unreachable!("the step was begun")
        };
        let Observed { bands, shingles, ids, lengths, documents, workspace } = *observed;
        let mut sets = shingles.finish()?;
        let mut candidates = Candidates::new(bands, &workspace)?;
        let mut clusters = Clusters::new(&workspace.folder, documents, lengths)?;
        while let Some((document, earlier)) = candidates.next()? {
            self.join(document, &earlier, &mut sets, &mut clusters)?;
        }
        let judging = Judging { clusters, ids: ids.finish()?, judged: 0 };
        self.state = State::Judging(judging);
        Ok(())
    }

    fn apply(&mut self, batch: &mut [&mut Document]) -> Result<Vec<Verdict>> {
        let State::Judging(judging) = &mut self.state else { unreachable!("the first pass is over") };
        batch.iter().map(|_| judging.next()).collect()
    }
}

/// The id of the document that was kept, out of the detail of a rejection by this step.
pub fn kept_of(detail: &str) -> Option<&str> {
    detail.strip_prefix("cluster ")?.split_once(", kept ").map(|(_, id)| id)
}

impl Judging {
    /// About the next document in the order of the corpus.
    fn next(&mut self) -> Result<Verdict> {
        let number = self.judged;
        self.judged += 1;
        let kept = self.clusters.root(number)?;
        if kept == number {
            return Ok(Verdict::Kept);
        }
        let id = self.ids.read(kept.into())?;
        // Clusters are numbered by the document that they leave, counted from 1.
        let detail = format!("cluster {}, kept {}", u64::from(kept) + 1, String::from_utf8_lossy(&id));
        Ok(Verdict::rejected("nearly the same as another document", detail))
    }
}
