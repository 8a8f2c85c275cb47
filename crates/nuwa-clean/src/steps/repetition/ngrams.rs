//! n-grams of words that come more than once.

use std::collections::HashMap;

use nuwa_text::{Word, mix};

fn gram_hash(gram: &[Word]) -> u64 {
    gram.iter().fold(0, |hash, word| mix(hash, word.hash))
}

fn gram_characters(gram: &[Word]) -> u64 {
    gram.iter().map(|word| u64::from(word.characters)).sum()
}

/// The characters in all occurrences of the most frequent n-gram (0 where none occurs twice).
pub(super) fn top_ngram_characters(words: &[Word], n: usize) -> u64 {
    let hashes: Vec<u64> = words.windows(n).map(gram_hash).collect();
    let again = perhaps_again(&hashes);
    let mut counts = Counts::with_capacity(1024);
    let mut best = 0;
    for (gram, hash) in words.windows(n).zip(hashes).filter(|(_, hash)| again(*hash)) {
        let count = u64::from(counts.add(hash));
        if count > 1 {
            best = best.max(count * gram_characters(gram));
        }
    }
    best
}

/// True for every hash that occurs twice, and for few others: two bitmaps that fit into the cache spare the
/// table most of its entries.
fn perhaps_again(hashes: &[u64]) -> impl Fn(u64) -> bool + use<> {
    let bits = (hashes.len() * 8).next_power_of_two().max(64);
    let place = move |hash: u64| {
        let bit = hash as usize & (bits - 1);
        (bit / 64, 1_u64 << (bit % 64))
    };
    let (mut once, mut again) = (vec![0_u64; bits / 64], vec![0_u64; bits / 64]);
    for &hash in hashes {
        let (word, bit) = place(hash);
        again[word] |= once[word] & bit;
        once[word] |= bit;
    }
    move |hash| {
        let (word, bit) = place(hash);
        again[word] & bit != 0
    }
}

/// Which n-grams come back. An n-gram can only come back where its first words do, so each length looks only at
/// the places that the length before has left.
pub(super) struct Repeated<'a> {
    words: &'a [Word],
    /// Places whose shorter n-gram occurs elsewhere too, in order; `None` before the first look.
    places: Option<Vec<u32>>,
}

impl<'a> Repeated<'a> {
    pub fn new(words: &'a [Word]) -> Self {
        Self { words, places: None }
    }

    /// The characters in n-grams that occurred before, without overlaps. To be asked with growing `n`.
    pub fn characters(&mut self, n: usize) -> u64 {
        let mut candidates = self.candidates(n);
        let mut counts = Counts::with_capacity(candidates.len());
        let mut characters = 0;
        let mut free_from = 0;
        for &(place, hash) in &candidates {
            if counts.add(hash) > 1 && place >= free_from {
                characters += gram_characters(&self.words[place as usize..][..n]);
                free_from = place + n as u32;
            }
        }
        candidates.retain(|(_, hash)| counts.get(*hash) > 1);
        self.places = Some(candidates.into_iter().map(|(place, _)| place).collect());
        characters
    }

    /// Places where an n-gram begins that may occur twice, with its hash.
    fn candidates(&mut self, n: usize) -> Vec<(u32, u64)> {
        let ends = (self.words.len() + 1).saturating_sub(n) as u32;
        let with_hash = |place: u32| (place, gram_hash(&self.words[place as usize..][..n]));
        match self.places.take() {
            Some(places) => places.into_iter().filter(|&place| place < ends).map(with_hash).collect(),
            None => {
                let hashes: Vec<u64> = self.words.windows(n).map(gram_hash).collect();
                let again = perhaps_again(&hashes);
                (0..ends).zip(hashes).filter(|(_, hash)| again(*hash)).collect()
            }
        }
    }
}

/// Counts hashes that are already well mixed.
pub(super) struct Counts(HashMap<u64, u32, Mixed>);

impl Counts {
    pub fn with_capacity(capacity: usize) -> Self {
        Self(HashMap::with_capacity_and_hasher(capacity, Mixed))
    }

    pub fn add(&mut self, hash: u64) -> u32 {
        let count = self.0.entry(hash).or_default();
        *count += 1;
        *count
    }

    fn get(&self, hash: u64) -> u32 {
        self.0.get(&hash).copied().unwrap_or(0)
    }
}

/// Takes a `u64` as its own hash, but for one multiplication that fills the high bits.
#[derive(Clone, Copy, Default)]
struct Mixed;

impl std::hash::BuildHasher for Mixed {
    type Hasher = MixedHasher;

    fn build_hasher(&self) -> MixedHasher {
        MixedHasher(0)
    }
}

struct MixedHasher(u64);

impl std::hash::Hasher for MixedHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| mix(hash, u64::from(*byte)));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
