//! Words as they are compared: hashes, of which a run of any length has one too.

use std::ops::Range;

use nuwa_text::for_each_word_at;

use crate::pieces::ends_sentence;

/// The longest run of words that is looked up.
pub(super) const ANCHOR: usize = 8;
/// Lengths are counted in thirds of a word.
pub(super) const WORD: usize = 3;
const CHARACTER: usize = 2;
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// A word: its hash, the lowest bit of which tells a character of a script without blanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit(pub u64);

impl Unit {
    pub fn length(self) -> usize {
        if self.0 & 1 == 1 { CHARACTER } else { WORD }
    }
}

pub(super) fn length(units: &[Unit]) -> usize {
    units.iter().map(|unit| unit.length()).sum()
}

/// The words of a text with their places.
pub(super) fn units(text: &str) -> (Vec<Unit>, Vec<Range<usize>>) {
    let mut found = (Vec::with_capacity(text.len() / 5), Vec::with_capacity(text.len() / 5));
    for_each_word_at(text, |word, place| {
        found.0.push(Unit((word.hash & !1) | u64::from(word.unspaced)));
        found.1.push(place);
    });
    found
}

/// Polynomial hashes of all beginnings, from which that of any run follows (Rabin and Karp 1987).
pub(super) fn prefixes(units: &[Unit]) -> Vec<u64> {
    let mut prefixes = Vec::with_capacity(units.len() + 1);
    prefixes.push(0);
    let mut hash = 0u64;
    for unit in units {
        hash = hash.wrapping_mul(BASE).wrapping_add(unit.0);
        prefixes.push(hash);
    }
    prefixes
}

pub(super) fn run_hash(prefixes: &[u64], start: usize, size: usize) -> u64 {
    prefixes[start + size].wrapping_sub(prefixes[start].wrapping_mul(POWERS[size]))
}

/// The powers of the base.
const POWERS: [u64; ANCHOR + 1] = {
    let mut powers = [1u64; ANCHOR + 1];
    let mut at = 1;
    while at <= ANCHOR {
        powers[at] = powers[at - 1].wrapping_mul(BASE);
        at += 1;
    }
    powers
};

/// A text as words with their places.
pub(super) struct Words<'a> {
    pub text: &'a str,
    pub units: &'a [Unit],
    pub places: &'a [Range<usize>],
}

impl Words<'_> {
    /// Whether these words are a sentence or a line of their own.
    pub fn is_sentence(&self, words: &Range<usize>) -> bool {
        self.begins(words.start) && self.ends(words.end)
    }

    /// Whether `words` stand behind the word `end`: at most `between` words later, or, as a line or a sentence of their own, at
    /// most `reach` words later.
    pub fn stand_behind(&self, words: &[Unit], end: usize, between: usize, reach: usize) -> bool {
        let stand = |start: &usize| self.units.get(*start..start + words.len()) == Some(words);
        let alone = |start: usize| self.is_sentence(&(start..start + words.len()));
        (end..=end + reach).filter(stand).any(|start| start <= end + between || alone(start))
    }

    /// Whether a sentence or a line begins with this word.
    pub fn begins(&self, word: usize) -> bool {
        let start = self.places[word].start;
        let before = || self.text[..start].chars().rev().take_while(is_between);
        // Labels end with a colon or a bracket: "Q:", "(A)".
        let is_bound = |mark: char| parts(mark) || matches!(mark, ':' | ')' | '|' | '\t');
        before().any(is_bound) || before().map(char::len_utf8).sum::<usize>() == start
    }

    /// Whether a sentence or a line ends before this word.
    pub fn ends(&self, word: usize) -> bool {
        let rest = &self.text[self.places[word - 1].end..];
        let behind = || rest.chars().take_while(is_between);
        behind().any(|mark| parts(mark) || matches!(mark, '|' | '\t'))
            || behind().map(char::len_utf8).sum::<usize>() == rest.len()
    }
}

fn is_between(mark: &char) -> bool {
    !mark.is_alphanumeric()
}

fn parts(mark: char) -> bool {
    mark == '\n' || ends_sentence(mark)
}
