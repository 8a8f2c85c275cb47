//! `near-duplicates`: of documents that are nearly the same, keeps the first.
//!
//! Why: editions, mirrors and templates differ in a few words; no exact hash finds them (Lee et al. 2022,
//! <https://arxiv.org/abs/2107.06499>).
//! How: MinHash (Broder 1997) over shingles of words; locality-sensitive hashing with `bands` bands of `rows`
//! rows proposes pairs, the signatures' estimate of the Jaccard similarity confirms them, and union-find joins
//! what is connected. A pair of similarity s is proposed with probability 1 - (1 - s^rows)^bands: with the
//! defaults 0.997 at 0.8 and 0.23 at 0.46.
//! A word is a run of letters and digits regardless of case; in scripts without blanks each character is one.
//! Memory: `4 x bands x rows` bytes a document (480 with the defaults) and 28 more while the bands are compared.

use std::collections::HashMap;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clean::{CorpusStep, Verdict};
use crate::documents::Document;
use crate::text::{mix, words};
use crate::{Error, Result};

/// What counts as nearly the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NearDuplicatesSettings {
    /// Bands of the signature, 1 to 256: more find more pairs.
    pub bands: usize,
    /// Rows of a band, 1 to 64: more demand more likeness. Memory is 4 x bands x rows bytes a document.
    pub rows: usize,
    /// The Jaccard similarity of the shingle sets, 0 to 1, from which two documents are the same.
    pub threshold: f64,
    /// Words (characters in scripts without blanks) in a shingle, 1 to 32.
    pub shingle_words: usize,
}

impl Default for NearDuplicatesSettings {
    fn default() -> Self {
        Self { bands: 20, rows: 6, threshold: 0.75, shingle_words: 5 }
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
    /// The signatures of all documents, one after the other.
    signatures: Vec<u32>,
    /// After the first pass: the first document of each document's cluster.
    first_of: Vec<u32>,
    is_first_of_many: Vec<bool>,
    judged: usize,
    /// The ids of clusters' first documents, to say what a rejected one repeats.
    ids: HashMap<u32, String>,
}

impl NearDuplicates {
    /// With these settings.
    pub fn new(settings: &NearDuplicatesSettings) -> Result<Self> {
        settings.check()?;
        Ok(Self {
            settings: settings.clone(),
            hashers: Hashers::new(settings.bands * settings.rows),
            signatures: Vec::new(),
            first_of: Vec::new(),
            is_first_of_many: Vec::new(),
            judged: 0,
            ids: HashMap::new(),
        })
    }

    fn signature(&self, document: u32) -> &[u32] {
        let length = self.hashers.len();
        &self.signatures[document as usize * length..][..length]
    }

    /// The share of equal values: an unbiased estimate of the Jaccard similarity.
    fn similarity(&self, one: u32, other: u32) -> f64 {
        let pairs = self.signature(one).iter().zip(self.signature(other));
        let equal = pairs.filter(|(a, b)| a == b).count();
        equal as f64 / self.hashers.len() as f64
    }

    fn documents(&self) -> u32 {
        u32::try_from(self.signatures.len() / self.hashers.len()).expect("fewer than 4 billion documents")
    }

    /// Documents with the same values in a band, next to each other.
    fn sorted_band(&self, band: usize) -> Vec<(u64, u32)> {
        let rows = self.settings.rows;
        let key = |document| {
            let values = &self.signature(document)[band * rows..][..rows];
            values.iter().fold(band as u64, |hash, value| mix(hash, u64::from(*value)))
        };
        let has_words = |document: &u32| self.signature(*document)[0] != u32::MAX;
        let mut keys: Vec<(u64, u32)> = (0..self.documents())
            .into_par_iter()
            .filter(has_words)
            .map(|document| (key(document), document))
            .collect();
        keys.par_sort_unstable();
        keys
    }

    fn join_band(&self, band: usize, clusters: &mut Clusters) {
        let keys = self.sorted_band(band);
        for alike in keys.chunk_by(|a, b| a.0 == b.0) {
            // Compared with one document of each cluster in the bucket, and with no more than a few of them.
            let mut heads: Vec<u32> = Vec::new();
            for &(_, document) in alike {
                let root = clusters.root(document);
                if heads.iter().any(|&head| clusters.root(head) == root) {
                    continue;
                }
                match heads.iter().find(|&&head| self.similarity(head, document) >= self.settings.threshold) {
                    Some(&head) => clusters.join(head, document),
                    None if heads.len() < MOST_HEADS => heads.push(document),
                    None => {}
                }
            }
        }
    }
}

const MOST_HEADS: usize = 64;

impl CorpusStep for NearDuplicates {
    fn name(&self) -> &'static str {
        "near-duplicates"
    }

    fn needs_whole_corpus(&self) -> bool {
        true
    }

    fn observe(&mut self, batch: &[&Document]) -> Result<()> {
        let sign = |document: &&Document| self.hashers.signature(&document.text, self.settings.shingle_words);
        let signatures: Vec<Vec<u32>> = batch.par_iter().map(sign).collect();
        signatures.iter().for_each(|signature| self.signatures.extend_from_slice(signature));
        Ok(())
    }

    fn conclude(&mut self) -> Result<()> {
        let mut clusters = Clusters::new(self.documents());
        for band in 0..self.settings.bands {
            self.join_band(band, &mut clusters);
        }
        self.first_of = (0..self.documents()).map(|document| clusters.root(document)).collect();
        self.is_first_of_many = vec![false; self.first_of.len()];
        for (document, &first) in self.first_of.iter().enumerate() {
            self.is_first_of_many[first as usize] |= first as usize != document;
        }
        self.signatures = Vec::new();
        Ok(())
    }

    fn judge(&mut self, batch: &[&Document]) -> Result<Vec<Verdict>> {
        let mut verdicts = Vec::with_capacity(batch.len());
        for document in batch {
            let number = self.judged as u32;
            self.judged += 1;
            let first = self.first_of[number as usize];
            if first != number {
                let original = self.ids.get(&first).cloned().unwrap_or_default();
                verdicts.push(Verdict::rejected("nearly the same as an earlier document", original));
                continue;
            }
            if self.is_first_of_many[number as usize] {
                self.ids.insert(number, document.id.clone());
            }
            verdicts.push(Verdict::Kept);
        }
        Ok(verdicts)
    }
}

/// Union-find whose root is always the smallest number, which is the first document.
struct Clusters {
    parents: Vec<u32>,
}

impl Clusters {
    fn new(count: u32) -> Self {
        Self { parents: (0..count).collect() }
    }

    fn root(&mut self, mut number: u32) -> u32 {
        while self.parents[number as usize] != number {
            let grandparent = self.parents[self.parents[number as usize] as usize];
            self.parents[number as usize] = grandparent;
            number = grandparent;
        }
        number
    }

    fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.root(one), self.root(other));
        self.parents[one.max(other) as usize] = one.min(other);
    }
}

/// A family of hash functions: each mixes the shingle's hash with two constants of its own.
#[derive(Debug)]
struct Hashers {
    masks: Vec<u32>,
    multipliers: Vec<u32>,
}

impl Hashers {
    fn new(count: usize) -> Self {
        let constant = |kind: u64| (1..=count as u64).map(move |at| mix(mix(kind, at), at) >> 16);
        Self {
            masks: constant(1).map(|value| value as u32).collect(),
            multipliers: constant(2).map(|value| value as u32 | 1).collect(),
        }
    }

    fn len(&self) -> usize {
        self.masks.len()
    }

    /// The smallest value of each function over all shingles; `u32::MAX` everywhere for a text without words.
    fn signature(&self, text: &str, shingle_words: usize) -> Vec<u32> {
        let mut smallest = vec![u32::MAX; self.len()];
        let words = words(text);
        for shingle in words.windows(shingle_words.min(words.len()).max(1)) {
            let hash = shingle.iter().fold(0, |hash, word| mix(hash, word.hash));
            self.lower(&mut smallest, (hash >> 32) as u32 ^ hash as u32);
        }
        smallest
    }

    fn lower(&self, smallest: &mut [u32], hash: u32) {
        for ((least, mask), multiplier) in smallest.iter_mut().zip(&self.masks).zip(&self.multipliers) {
            let value = (hash ^ mask).wrapping_mul(*multiplier);
            *least = (value ^ (value >> 15)).min(*least);
        }
    }
}
