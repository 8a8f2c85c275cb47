//! `repetition`: rejects documents that repeat themselves, by the rules of Gopher.
//!
//! Why: menus, logs and generated pages repeat lines and phrases far more than people do (Rae et al. 2021,
//! "Scaling Language Models", <https://arxiv.org/abs/2112.11446>, table A1, from which the names and default
//! numbers come).
//! What is counted: lines and paragraphs; and n-grams of words (a character of a script without blanks is a word
//! of its own), as a share of the characters in all words. Repeated n-grams do not overlap: after one the search
//! goes on behind it. Documents shorter than `min_words` are not judged: a refrain is no spam.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::clean::{DocumentStep, Verdict};
use crate::documents::Document;
use crate::text::{Word, mix, words};

/// Shares from which a document is rejected, 0 to 1; 1 switches a rule off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RepetitionSettings {
    /// Documents with fewer words (or characters of scripts without blanks) are not judged.
    pub min_words: usize,
    /// The share of lines that are copies of an earlier line.
    pub duplicate_line_fraction: f64,
    /// The share of paragraphs that are copies of an earlier one.
    pub duplicate_paragraph_fraction: f64,
    /// The share of bytes in copied lines.
    pub duplicate_line_character_fraction: f64,
    /// The share of bytes in copied paragraphs.
    pub duplicate_paragraph_character_fraction: f64,
    /// The share of characters in the most frequent 2-gram, 3-gram and 4-gram.
    pub top_ngram_character_fraction: [f64; 3],
    /// The share of characters in repeated 5-grams, 6-grams, and so on to 10-grams.
    pub duplicate_ngram_character_fraction: [f64; 6],
}

impl Default for RepetitionSettings {
    fn default() -> Self {
        Self {
            min_words: 100,
            duplicate_line_fraction: 0.30,
            duplicate_paragraph_fraction: 0.30,
            duplicate_line_character_fraction: 0.20,
            duplicate_paragraph_character_fraction: 0.20,
            top_ngram_character_fraction: [0.20, 0.18, 0.16],
            duplicate_ngram_character_fraction: [0.15, 0.14, 0.13, 0.12, 0.11, 0.10],
        }
    }
}

/// The step.
#[derive(Debug)]
pub struct Repetition {
    settings: RepetitionSettings,
}

/// A rule that was broken: its name and the share found.
type Broken = (&'static str, f64);

const TOP_NAMES: [&str; 3] = ["top 2-gram", "top 3-gram", "top 4-gram"];
const DUPLICATE_NAMES: [&str; 6] = [
    "duplicate 5-grams",
    "duplicate 6-grams",
    "duplicate 7-grams",
    "duplicate 8-grams",
    "duplicate 9-grams",
    "duplicate 10-grams",
];

impl Repetition {
    /// With these settings.
    pub fn new(settings: &RepetitionSettings) -> Self {
        Self { settings: settings.clone() }
    }

    fn broken_rule(&self, text: &str) -> Option<Broken> {
        let words = words(text);
        if words.len() < self.settings.min_words.max(1) {
            return None;
        }
        self.lines(text).or_else(|| self.paragraphs(text)).or_else(|| self.ngrams(&words))
    }

    fn lines(&self, text: &str) -> Option<Broken> {
        let (count, bytes) = copies(text.lines().map(str::trim).filter(|line| !line.is_empty()));
        above("duplicate lines", count, self.settings.duplicate_line_fraction).or_else(|| {
            above("duplicate line characters", bytes, self.settings.duplicate_line_character_fraction)
        })
    }

    fn paragraphs(&self, text: &str) -> Option<Broken> {
        let (count, bytes) = copies(text.split("\n\n").map(str::trim).filter(|part| !part.is_empty()));
        let limit = self.settings.duplicate_paragraph_character_fraction;
        above("duplicate paragraphs", count, self.settings.duplicate_paragraph_fraction)
            .or_else(|| above("duplicate paragraph characters", bytes, limit))
    }

    fn ngrams(&self, words: &[Word]) -> Option<Broken> {
        let total: u64 = words.iter().map(|word| u64::from(word.characters)).sum();
        let share = |characters: u64| characters as f64 / total as f64;
        let tops = self.settings.top_ngram_character_fraction;
        let word_share = share(top_ngram_characters(words, 1));
        for (at, n) in (2..=4).enumerate() {
            // An n-gram is no more frequent than its words, so its share is at most n times a word's.
            if n as f64 * word_share > tops[at] {
                let found = above(TOP_NAMES[at], share(top_ngram_characters(words, n)), tops[at]);
                if found.is_some() {
                    return found;
                }
            }
        }
        let mut repeated = Repeated::new(words);
        for (at, n) in (5..=10).enumerate() {
            let share = share(repeated.characters(n));
            let found =
                above(DUPLICATE_NAMES[at], share, self.settings.duplicate_ngram_character_fraction[at]);
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

impl DocumentStep for Repetition {
    fn name(&self) -> &'static str {
        "repetition"
    }

    fn apply(&self, document: &mut Document) -> Verdict {
        match self.broken_rule(&document.text) {
            Some((rule, share)) => Verdict::rejected(rule, format!("{:.1} % of the document", share * 100.0)),
            None => Verdict::Kept,
        }
    }
}

fn above(rule: &'static str, share: f64, limit: f64) -> Option<Broken> {
    (share > limit).then_some((rule, share))
}

/// The share of parts that are copies of an earlier part, and the share of their bytes.
fn copies<'a>(parts: impl Iterator<Item = &'a str>) -> (f64, f64) {
    let mut seen = Counts::with_capacity(256);
    let (mut all, mut copied, mut bytes, mut copied_bytes) = (0_u64, 0_u64, 0_u64, 0_u64);
    for part in parts {
        all += 1;
        bytes += part.len() as u64;
        if seen.add(xxh3_64(part.as_bytes())) > 1 {
            copied += 1;
            copied_bytes += part.len() as u64;
        }
    }
    (copied as f64 / all.max(1) as f64, copied_bytes as f64 / bytes.max(1) as f64)
}

/// The characters in all occurrences of the most frequent n-gram (0 where none occurs twice).
fn top_ngram_characters(words: &[Word], n: usize) -> u64 {
    let mut counts = Counts::with_capacity(words.len().min(1 << 16));
    let mut best = 0;
    for gram in words.windows(n) {
        let count = u64::from(counts.add(gram.iter().fold(0, |hash, word| mix(hash, word.hash))));
        if count > 1 {
            best = best.max(count * gram.iter().map(|word| u64::from(word.characters)).sum::<u64>());
        }
    }
    best
}

/// Which n-grams come back. An n-gram can only come back where its first n-1 words do, so each length looks only
/// at the places that the length before has left.
struct Repeated<'a> {
    words: &'a [Word],
    /// Places whose (n-1)-gram occurs elsewhere too, in order; `None` before the first look.
    places: Option<Vec<u32>>,
}

impl<'a> Repeated<'a> {
    fn new(words: &'a [Word]) -> Self {
        Self { words, places: None }
    }

    /// The characters in n-grams that occurred before, without overlaps. To be asked with growing `n`.
    fn characters(&mut self, n: usize) -> u64 {
        let ends = self.words.len().saturating_sub(n - 1) as u32;
        let candidates: Vec<u32> = match self.places.take() {
            Some(places) => places.into_iter().filter(|&place| place < ends).collect(),
            None => (0..ends).collect(),
        };
        let gram = |place: u32| &self.words[place as usize..][..n];
        let hash = |place: u32| gram(place).iter().fold(0, |hash, word| mix(hash, word.hash));
        let mut counts = Counts::with_capacity(candidates.len());
        let hashes: Vec<u64> = candidates.iter().map(|&place| hash(place)).collect();
        let mut characters = 0;
        let mut free_from = 0;
        for (&place, &hash) in candidates.iter().zip(&hashes) {
            if place >= free_from && counts.add(hash) > 1 {
                characters += gram(place).iter().map(|word| u64::from(word.characters)).sum::<u64>();
                free_from = place + n as u32;
            } else if place < free_from {
                counts.add(hash);
            }
        }
        let again = candidates.into_iter().zip(hashes).filter(|(_, hash)| counts.get(*hash) > 1);
        self.places = Some(again.map(|(place, _)| place).collect());
        characters
    }
}

/// Counts hashes that are already well mixed.
struct Counts(HashMap<u64, u32, Mixed>);

impl Counts {
    fn with_capacity(capacity: usize) -> Self {
        Self(HashMap::with_capacity_and_hasher(capacity, Mixed))
    }

    fn add(&mut self, hash: u64) -> u32 {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Option<&'static str> {
        Repetition::new(&RepetitionSettings::default()).broken_rule(text).map(|broken| broken.0)
    }

    fn varied(from: u32, count: u32) -> String {
        (from..from + count).map(|number| format!("w{} ", number * 7919)).collect()
    }

    #[test]
    fn each_rule_finds_its_kind_of_repetition() {
        let lines: String = (0..200).map(|at| format!("line {} here\n", at % 100)).collect();
        assert_eq!(rule(&lines), Some("duplicate lines"));
        let (one, other) = (varied(0, 60), varied(100, 60));
        let paragraphs = format!("{one}\n\n{other}\n\n{one}\n");
        assert_eq!(rule(&paragraphs), Some("duplicate lines"));
        assert_eq!(rule(&format!("{}{}", varied(0, 20), "buy now ".repeat(60))), Some("top 2-gram"));
        assert_eq!(rule(&format!("{one}{other}{one}")), Some("duplicate 5-grams"));
    }

    #[test]
    fn chinese_is_counted_by_characters() {
        let menu = "点击进入官网".repeat(30);
        assert!(rule(&menu).is_some());
        let varied: String = (0..300).map(|at| char::from_u32(0x4e00 + at * 37).unwrap()).collect();
        assert_eq!(rule(&varied), None);
    }

    #[test]
    fn short_and_ordinary_texts_pass() {
        assert_eq!(rule("la la la la la la la la"), None);
        assert_eq!(rule(&varied(0, 500)), None);
    }
}
