//! What is counted in the first pass: every word of a language with how often and how it is written, and pairs.
//!
//! Memory: about 80 bytes for each different word, of which there are at most `max_words` (beyond that the rarest are
//! forgotten), and a table of a byte for each of 2^24 places for pairs of neighbours, which share places by chance.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU8, Ordering};

use nuwa_text::mix;
use rayon::prelude::*;

use super::words::{Case, GAP, Word, Words, hash_of};

/// For keys that are hashes already.
#[derive(Default)]
pub(super) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = mix(self.0, u64::from(*byte)));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

pub(super) type ByHash<T> = HashMap<u64, T, BuildHasherDefault<AsIs>>;

/// What is known of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// In lower case.
    pub word: Box<str>,
    /// How often it stands in the corpus.
    pub count: u32,
    /// How often in lower case.
    pub lower: u32,
    /// In how many documents.
    pub documents: u32,
    /// Named by a word list.
    pub listed: bool,
}

const SHARDS: usize = 64;

/// The words of a language.
pub(super) struct Vocabulary {
    shards: Vec<ByHash<Entry>>,
    most_in_shard: usize,
    pairs: Pairs,
    /// Words in all, with repetition.
    pub total: u64,
}

impl Vocabulary {
    pub fn new(max_words: usize) -> Self {
        let shards = (0..SHARDS).map(|_| ByHash::default()).collect();
        Self { shards, most_in_shard: max_words.div_ceil(SHARDS), pairs: Pairs::new(), total: 0 }
    }

    /// Counts the words of documents; the order of the documents decides, not that of the threads.
    pub fn observe(&mut self, documents: &[(&str, Words)]) {
        let tallies: Vec<Tally> =
            documents.par_iter().map(|(text, words)| Tally::of(text, words, &self.pairs)).collect();
        self.total += tallies.iter().map(|tally| tally.total).sum::<u64>();
        let most = self.most_in_shard;
        self.shards.par_iter_mut().enumerate().for_each(|(number, shard)| {
            tallies.iter().for_each(|tally| tally.add_to(shard, number));
            forget_rare(shard, most);
        });
    }

    /// Takes a word of a list for right.
    pub fn list(&mut self, word: &str) {
        let hash = hash_of(word);
        let fresh =
            || Entry { word: word.to_lowercase().into(), count: 0, lower: 0, documents: 0, listed: true };
        self.shards[shard_of(hash)].entry(hash).or_insert_with(fresh).listed = true;
    }

    pub fn get(&self, hash: u64) -> Option<&Entry> {
        self.shards[shard_of(hash)].get(&hash)
    }

    pub fn entries(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.shards.iter().flatten().map(|(hash, entry)| (*hash, entry))
    }

    /// By how much more often the two stand side by side than chance would have it, as a logarithm.
    pub fn attraction(&self, one: u64, other: u64) -> f32 {
        let count = |hash| self.get(hash).map_or(0.0, |entry| entry.count as f32);
        let by_chance = count(one) * count(other) / self.total.max(1) as f32;
        ((self.pairs.count(one, other) as f32 + 0.5) / (by_chance + 0.5)).ln()
    }
}

fn shard_of(hash: u64) -> usize {
    (hash >> 58) as usize
}

/// Words that came once are forgotten first, then those that came twice, and so on, until half is free.
fn forget_rare(shard: &mut ByHash<Entry>, most: usize) {
    let mut least = 1;
    while shard.len() > most {
        shard.retain(|_, entry| entry.count > least || entry.listed);
        if shard.len() <= most / 2 || least == u32::MAX {
            return;
        }
        least = least.saturating_mul(2);
    }
}

/// The words of one document.
struct Tally<'a> {
    text: &'a str,
    shards: Vec<Vec<(u64, Seen)>>,
    total: u64,
}

struct Seen {
    word: Word,
    count: u32,
    lower: u32,
}

impl<'a> Tally<'a> {
    fn of(text: &'a str, words: &Words, pairs: &Pairs) -> Self {
        let mut seen: ByHash<Seen> = ByHash::default();
        let mut total = 0;
        let mut before = GAP;
        for word in &words.all {
            pairs.add(before, *word);
            before = *word;
            if word.case != Case::Other {
                total += 1;
                let seen = seen.entry(word.hash).or_insert(Seen { word: *word, count: 0, lower: 0 });
                seen.count += 1;
                seen.lower += u32::from(word.case == Case::Lower);
            }
        }
        let mut shards: Vec<Vec<(u64, Seen)>> = (0..SHARDS).map(|_| Vec::new()).collect();
        seen.into_iter().for_each(|(hash, seen)| shards[shard_of(hash)].push((hash, seen)));
        Self { text, shards, total }
    }

    fn add_to(&self, shard: &mut ByHash<Entry>, number: usize) {
        for (hash, seen) in &self.shards[number] {
            let fresh = || {
                let word = self.text[seen.word.start..seen.word.end].to_lowercase().into();
                Entry { word, count: 0, lower: 0, documents: 0, listed: false }
            };
            let entry = shard.entry(*hash).or_insert_with(fresh);
            entry.count = entry.count.saturating_add(seen.count);
            entry.lower = entry.lower.saturating_add(seen.lower);
            entry.documents = entry.documents.saturating_add(1);
        }
    }
}

/// How often words stand side by side, up to 255 times.
struct Pairs {
    counts: Vec<AtomicU8>,
}

impl Pairs {
    const BITS: u32 = 24;

    fn new() -> Self {
        Self { counts: (0..1 << Self::BITS).map(|_| AtomicU8::new(0)).collect() }
    }

    fn place(&self, one: u64, other: u64) -> &AtomicU8 {
        &self.counts[(mix(mix(0, one), other) >> (64 - Self::BITS)) as usize]
    }

    fn add(&self, one: Word, other: Word) {
        if one != GAP && other != GAP {
            // Adding commutes, so the order of the threads does not matter.
            let more = |count: u8| count.checked_add(1);
            let _ = self.place(one.hash, other.hash).fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        }
    }

    fn count(&self, one: u64, other: u64) -> u8 {
        self.place(one, other).load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(texts: &[&str], most: usize) -> Vocabulary {
        let mut vocabulary = Vocabulary::new(most);
        let documents: Vec<_> = texts.iter().map(|text| (*text, Words::of(text))).collect();
        vocabulary.observe(&documents);
        vocabulary
    }

    #[test]
    fn words_are_counted_by_case_and_document() {
        let vocabulary = vocabulary(&["The whale, the whale!", "White Whale"], 1000);
        let whale = vocabulary.get(hash_of("whale")).unwrap();
        assert_eq!((whale.count, whale.lower, whale.documents), (3, 2, 2));
        assert_eq!(vocabulary.total, 6);
        assert!(vocabulary.attraction(hash_of("the"), hash_of("whale")) > 0.0);
        assert!(vocabulary.attraction(hash_of("whale"), hash_of("white")) < 0.5);
    }

    #[test]
    fn the_rarest_are_forgotten() {
        let many: String = (0..20_000_u32).map(|number| format!("{} ", spelt(number))).collect();
        let vocabulary = vocabulary(&[&many, "often often", "often"], 6400);
        assert!(vocabulary.entries().count() <= 6400);
        assert_eq!(vocabulary.get(hash_of("often")).unwrap().count, 3);
    }

    fn spelt(mut number: u32) -> String {
        let mut word = String::from("w");
        while number > 0 {
            word.push(char::from(b'a' + (number % 26) as u8));
            number /= 26;
        }
        word
    }
}
