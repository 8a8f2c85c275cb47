//! `repetition`: rejects documents that repeat themselves, by the rules of Gopher.
//!
//! Why: menus, logs and generated pages repeat lines and phrases far more than people do (Rae et al. 2021,
//! "Scaling Language Models", <https://arxiv.org/abs/2112.11446>, table A1, from which the names and default
//! numbers come).
//! What is counted, in the text without its fenced code: lines and paragraphs of some length (who speaks in a play,
//! a brace, a table's border repeat in the best of texts); and n-grams of words, as a share of the characters in all
//! words. In a text mostly of a script without blanks two characters stand for a word. Repeated n-grams do not
//! overlap: after one the search goes on behind it.
//!
//! Gopher's numbers are for pages of the web, of a thousand words and more. A short document that is well made repeats more: an
//! answer takes up the words of its question, a list of comparisons its pattern, an entry the name it is about. So documents
//! shorter than `min_words` are not judged, and up to `full_length_words` the limits of n-grams are wider: of n words, a part
//! (1 - n / `full_length_words`) of the way to `short_document_fraction`. Copied lines and paragraphs have one limit for all.
//!
//! Beside datatrove's filter (`GopherRepetitionFilter`), which has no such room: a share there is of all characters, blanks
//! and marks included, here of those in words, so the same number is a little stricter here; marks are no words here; and
//! blank lines are no lines.

use std::borrow::Cow;
use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::clean::{DocumentStep, Verdict};
use crate::documents::Document;
use crate::text::{Word, is_unspaced, mix, words};

/// Shares from which a document is rejected, 0 to 1; 1 switches a rule off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RepetitionSettings {
    /// Documents with fewer words (or characters of scripts without blanks) are not judged.
    pub min_words: usize,
    /// Words from which on the limits of n-grams hold as they are; two characters of scripts without blanks are a word.
    /// 0 gives shorter documents no more room.
    pub full_length_words: usize,
    /// The limit of n-grams that the shortest documents come near to, 0 to 1.
    pub short_document_fraction: f64,
    /// Lines and paragraphs with fewer letters and digits are not counted (a Chinese, Japanese or Thai character
    /// counts as three); Gopher's own rule counts all, which is 1.
    pub min_line_letters: usize,
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
            full_length_words: 1000,
            short_document_fraction: 0.5,
            min_line_letters: 20,
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
        let text = &without_code(text);
        let words = words(text);
        if words.len() < self.settings.min_words.max(1) {
            return None;
        }
        self.paragraphs(text).or_else(|| self.lines(text)).or_else(|| self.ngrams(&words))
    }

    fn lines(&self, text: &str) -> Option<Broken> {
        let (count, bytes) = copies(text.lines().map(str::trim).filter(|line| self.is_counted(line)));
        above("duplicate lines", count, self.settings.duplicate_line_fraction).or_else(|| {
            above("duplicate line characters", bytes, self.settings.duplicate_line_character_fraction)
        })
    }

    fn is_counted(&self, part: &str) -> bool {
        let letters = |c: char| if is_unspaced(c) { 3 } else { usize::from(c.is_alphanumeric()) };
        let mut found = 0;
        part.chars().any(|character| {
            found += letters(character);
            found >= self.settings.min_line_letters.max(1)
        })
    }

    fn paragraphs(&self, text: &str) -> Option<Broken> {
        let (count, bytes) = copies(text.split("\n\n").map(str::trim).filter(|part| self.is_counted(part)));
        let limit = self.settings.duplicate_paragraph_character_fraction;
        above("duplicate paragraphs", count, self.settings.duplicate_paragraph_fraction)
            .or_else(|| above("duplicate paragraph characters", bytes, limit))
    }

    fn ngrams(&self, words: &[Word]) -> Option<Broken> {
        let total: u64 = words.iter().map(|word| u64::from(word.characters)).sum();
        let share = |characters: u64| characters as f64 / total as f64;
        let unspaced = words.iter().filter(|word| word.unspaced).count();
        let scale = if unspaced * 2 > words.len() { 2 } else { 1 };
        let tops = self.settings.top_ngram_character_fraction;
        let tops = tops.map(|limit| self.with_room(limit, words.len() / scale));
        let word_share = share(top_ngram_characters(words, 1));
        for (at, n) in (2..=4).enumerate() {
            // An n-gram is no more frequent than its words, so its share is at most n times a word's.
            if (n * scale) as f64 * word_share > tops[at] {
                let found = above(TOP_NAMES[at], share(top_ngram_characters(words, n * scale)), tops[at]);
                if found.is_some() {
                    return found;
                }
            }
        }
        let mut repeated = Repeated::new(words);
        for (at, n) in (5..=10).enumerate() {
            let share = share(repeated.characters(n * scale));
            let limit = self.settings.duplicate_ngram_character_fraction[at];
            let found = above(DUPLICATE_NAMES[at], share, self.with_room(limit, words.len() / scale));
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// The limit for a document of so many words.
    fn with_room(&self, limit: f64, words: usize) -> f64 {
        let missing = (1.0 - words as f64 / self.settings.full_length_words.max(1) as f64).max(0.0);
        limit + missing * (self.settings.short_document_fraction - limit).max(0.0)
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

/// The text without what stands between lines that begin with three backticks.
fn without_code(text: &str) -> Cow<'_, str> {
    if !text.contains("```") {
        return Cow::Borrowed(text);
    }
    let mut fenced = false;
    let is_prose = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    };
    Cow::Owned(text.split_inclusive('\n').filter(is_prose).collect())
}

fn gram_hash(gram: &[Word]) -> u64 {
    gram.iter().fold(0, |hash, word| mix(hash, word.hash))
}

fn gram_characters(gram: &[Word]) -> u64 {
    gram.iter().map(|word| u64::from(word.characters)).sum()
}

/// The characters in all occurrences of the most frequent n-gram (0 where none occurs twice).
fn top_ngram_characters(words: &[Word], n: usize) -> u64 {
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
struct Repeated<'a> {
    words: &'a [Word],
    /// Places whose shorter n-gram occurs elsewhere too, in order; `None` before the first look.
    places: Option<Vec<u32>>,
}

impl<'a> Repeated<'a> {
    fn new(words: &'a [Word]) -> Self {
        Self { words, places: None }
    }

    /// The characters in n-grams that occurred before, without overlaps. To be asked with growing `n`.
    fn characters(&mut self, n: usize) -> u64 {
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
        let lines: String =
            (0..200).map(|at| format!("a line with the number {} in it\n", at % 100)).collect();
        let code = format!("```\n{lines}```\n{}", "├────┤\n".repeat(200));
        assert_ne!(rule(&code), Some("duplicate lines"));
        assert_eq!(rule(&lines), Some("duplicate lines"));
        let (one, other) = (varied(0, 60), varied(100, 60));
        let paragraphs = format!("{one}\n\n{other}\n\n{one}\n");
        assert_eq!(rule(&paragraphs), Some("duplicate paragraphs"));
        assert_eq!(rule(&format!("{}{}", varied(0, 20), "buy now ".repeat(60))), Some("top 2-gram"));
        let (one, other) = (varied(0, 400), varied(1000, 400));
        assert_eq!(rule(&format!("{one}{other}{one}")), Some("duplicate 5-grams"));
    }

    #[test]
    fn the_shorter_a_document_the_more_it_may_repeat() {
        let repeating = |words: u32| format!("{}{}", varied(0, words * 4 / 5), varied(0, words / 5));
        assert_eq!(rule(&repeating(1500)), Some("duplicate 5-grams"));
        assert_eq!(rule(&repeating(500)), None);
        let answers: String = (0..20)
            .map(|at| (at * 31, at * 57))
            .map(|(thing, place)| {
                format!("Question: Where is w{thing} kept? Answer: w{thing} is kept in w{place}.\n")
            })
            .collect();
        assert_eq!(rule(&answers), None);
        let strict = RepetitionSettings { full_length_words: 0, ..RepetitionSettings::default() };
        assert!(Repetition::new(&strict).broken_rule(&answers).is_some());
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
