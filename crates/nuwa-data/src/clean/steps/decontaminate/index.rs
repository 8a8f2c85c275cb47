//! The words of all items, found again in documents.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

use super::items::Item;
use crate::clean::pieces::ends_sentence;
use crate::clean::sieve::Sieve;
use crate::text::{for_each_word_at, is_unspaced, mix};

/// When a run of words is too long; a character of a script without blanks is two thirds of a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub words: usize,
    pub short_words: usize,
}

/// Words are looked up by runs of so many.
const ANCHOR: usize = 8;
/// Items of fewer words are not looked for, and shorter strings are no place to begin where there is a longer one.
const FEWEST_WORDS: usize = 4;
/// Lengths are counted in thirds of a word.
const WORD: usize = 3;
const CHARACTER: usize = 2;
/// Words between two strings of an item that are no part of it: "Answer:", "(A)".
const BETWEEN: usize = 4;
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// A word as it is compared: its hash, the lowest bit of which tells a character of a script without blanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unit(u64);

impl Unit {
    fn length(self) -> usize {
        if self.0 & 1 == 1 { CHARACTER } else { WORD }
    }
}

fn length(units: &[Unit]) -> usize {
    units.iter().map(|unit| unit.length()).sum()
}

fn units(text: &str) -> (Vec<Unit>, Vec<Range<usize>>) {
    let mut found = (Vec::with_capacity(text.len() / 5), Vec::with_capacity(text.len() / 5));
    for_each_word_at(text, |word, place| {
        found.0.push(Unit((word.hash & !1) | u64::from(word.unspaced)));
        found.1.push(place);
    });
    found
}

/// A string of an item.
#[derive(Debug, Clone)]
struct Passage {
    item: u32,
    units: Range<u32>,
    need: Need,
}

/// What makes a passage count as found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// A run of this length.
    Run,
    /// All of it.
    Whole,
    /// All of it, and others of the item beside it.
    Company,
    /// It is only looked for beside others.
    Nothing,
}

#[derive(Debug)]
struct Source {
    file: u32,
    place: usize,
    passages: Range<u32>,
    /// The length of its passages that read like text.
    length: usize,
}

/// Where a run of words begins in a passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Anchor {
    hash: u64,
    passage: u32,
    offset: u32,
}

/// The index.
#[derive(Debug)]
pub(super) struct Index {
    rules: Rules,
    files: Vec<String>,
    items: Vec<Source>,
    passages: Vec<Passage>,
    units: Vec<Unit>,
    /// In the order of their hashes.
    anchors: Vec<Anchor>,
    sieve: Sieve,
    /// The lengths that anchors have.
    lengths: Vec<usize>,
    too_short: usize,
}

/// An item that a text holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub file: &'a str,
    pub place: usize,
    /// Where in the text.
    pub span: Range<usize>,
}

impl Index {
    /// Of these items.
    pub fn new(items: &[Item], rules: Rules) -> Self {
        let mut index = Self {
            rules,
            files: Vec::new(),
            items: Vec::new(),
            passages: Vec::new(),
            units: Vec::new(),
            anchors: Vec::new(),
            sieve: Sieve::new(0),
            lengths: Vec::new(),
            too_short: 0,
        };
        for item in items {
            if index.files.last() != Some(&item.file) {
                index.files.push(item.file.clone());
            }
            index.take(item);
        }
        index.decide();
        index.anchor();
        index
    }

    /// How many items are looked for, and how many are too short for it.
    pub fn items(&self) -> (usize, usize) {
        (self.items.len() - self.too_short, self.too_short)
    }

    /// Takes an item's strings, each once, as they are written and, where that differs, in Unicode normal form C.
    fn take(&mut self, item: &Item) {
        let first = self.passages.len();
        let mut total = 0;
        for string in &item.strings {
            let normal: String = string.nfc().collect();
            let forms = if normal == *string { vec![normal] } else { vec![string.clone(), normal] };
            for (at, form) in forms.iter().enumerate() {
                let (units, _) = units(form);
                let is_new = self.passages[first..].iter().all(|other| self.words(other) != units);
                if units.is_empty() || !is_new {
                    continue;
                }
                let reads_like_text = form.trim().contains(char::is_whitespace) || form.contains(is_unspaced);
                let need = if reads_like_text { Need::Whole } else { Need::Nothing };
                if reads_like_text && at == 0 {
                    total += length(&units);
                }
                let start = self.units.len() as u32;
                self.units.extend(units);
                let units = start..self.units.len() as u32;
                self.passages.push(Passage { item: self.items.len() as u32, units, need });
            }
        }
        self.items.push(Source {
            file: self.files.len() as u32 - 1,
            place: item.place,
            passages: first as u32..self.passages.len() as u32,
            length: total,
        });
    }

    fn words(&self, passage: &Passage) -> &[Unit] {
        &self.units[passage.units.start as usize..passage.units.end as usize]
    }

    /// Says what each passage needs.
    fn decide(&mut self) {
        let hash = |passage: &Passage| self.words(passage).iter().fold(0, |hash, unit| mix(hash, unit.0));
        let hashes: Vec<u64> = self.passages.iter().map(hash).collect();
        let mut occurrences: HashMap<u64, u32> = HashMap::new();
        hashes.iter().for_each(|hash| *occurrences.entry(*hash).or_default() += 1);
        for (at, hash) in hashes.iter().enumerate() {
            let passage = &self.passages[at];
            let need = match length(self.words(passage)) {
                _ if passage.need == Need::Nothing => Need::Nothing,
                long if long >= self.rules.words * WORD => Need::Run,
                short if short >= self.rules.short_words * WORD && occurrences[hash] == 1 => Need::Whole,
                short if short >= FEWEST_WORDS * WORD => Need::Company,
                _ => Need::Nothing,
            };
            self.passages[at].need = need;
        }
        (0..self.items.len()).for_each(|item| self.decide_beginning(item));
    }

    /// An item of nothing but very short strings begins with the longest of them.
    fn decide_beginning(&mut self, item: usize) {
        let Source { passages, length: total, .. } = &self.items[item];
        let range = passages.start as usize..passages.end as usize;
        if self.passages[range.clone()].iter().any(|passage| passage.need != Need::Nothing) {
            return;
        }
        let longest = range.max_by_key(|at| (length(self.words(&self.passages[*at])), Reverse(*at)));
        match longest.filter(|at| self.passages[*at].units.len() > 1) {
            Some(at) if *total >= FEWEST_WORDS * WORD => self.passages[at].need = Need::Company,
            _ => self.too_short += 1,
        }
    }

    fn anchor(&mut self) {
        let mut anchors = Vec::new();
        for (number, passage) in (0..).zip(&self.passages) {
            let words = self.words(passage);
            let size = words.len().min(ANCHOR);
            let offsets = match passage.need {
                Need::Nothing => 0,
                Need::Run => beginnings(words, self.rules.words * WORD),
                Need::Whole | Need::Company => 1,
            };
            let prefixes = prefixes(words);
            let anchor = |offset: usize| Anchor {
                hash: run_hash(&prefixes, offset, size),
                passage: number,
                offset: offset as u32,
            };
            anchors.extend((0..offsets).map(anchor));
            if offsets > 0 && !self.lengths.contains(&size) {
                self.lengths.push(size);
            }
        }
        anchors.sort_unstable();
        self.lengths.sort_unstable();
        self.sieve = Sieve::new(anchors.len());
        anchors.iter().for_each(|anchor| self.sieve.insert(anchor.hash));
        self.anchors = anchors;
    }

    /// The first item that `text` holds.
    pub fn find(&self, text: &str) -> Option<Found<'_>> {
        if self.anchors.is_empty() {
            return None;
        }
        let (units, places) = units(text);
        let prefixes = prefixes(&units);
        let document = Words { text, units: &units, places: &places };
        for at in 0..units.len() {
            for size in self.lengths.iter().take_while(|size| at + **size <= units.len()) {
                let hash = run_hash(&prefixes, at, *size);
                if !self.sieve.may_contain(hash) {
                    continue;
                }
                let start = self.anchors.partition_point(|anchor| anchor.hash < hash);
                let mut same = self.anchors[start..].iter().take_while(|anchor| anchor.hash == hash);
                if let Some(found) = same.find_map(|anchor| self.check(anchor, &document, at)) {
                    return Some(found);
                }
            }
        }
        None
    }

    fn check(&self, anchor: &Anchor, document: &Words, at: usize) -> Option<Found<'_>> {
        let passage = &self.passages[anchor.passage as usize];
        let words = &self.words(passage)[anchor.offset as usize..];
        let common = words.iter().zip(&document.units[at..]).take_while(|(one, other)| one == other).count();
        let is_whole = common == words.len();
        let holds = match passage.need {
            Need::Run => length(&words[..common]) >= self.rules.words * WORD,
            Need::Whole => is_whole,
            Need::Company => is_whole && self.has_company(anchor.passage, document, at..at + common),
            Need::Nothing => false,
        };
        let item = &self.items[passage.item as usize];
        holds.then(|| Found {
            file: &self.files[item.file as usize],
            place: item.place,
            span: document.places[at].start..document.places[at + common - 1].end,
        })
    }

    /// Whether enough of the item stands around what was found of it; a short item must be a sentence of its own, too.
    fn has_company(&self, passage: u32, document: &Words, found: Range<usize>) -> bool {
        let item = &self.items[self.passages[passage as usize].item as usize];
        let enough = self.rules.short_words * WORD;
        if item.length < enough && !document.is_sentence(&found) {
            return false;
        }
        let others: Vec<&[Unit]> = (item.passages.start..item.passages.end)
            .filter(|other| *other != passage)
            .map(|other| self.words(&self.passages[other as usize]))
            .collect();
        let reach = others.iter().map(|words| words.len() + BETWEEN).sum::<usize>();
        let before = &document.units[found.start.saturating_sub(reach)..found.start];
        let behind = &document.units[found.end..document.units.len().min(found.end + reach)];
        let stands = |words: &&&[Unit]| {
            [before, behind].iter().any(|around| around.windows(words.len()).any(|run| run == **words))
        };
        let own = length(&document.units[found]);
        let company: usize = others.iter().filter(stands).map(|words| length(words)).sum();
        own + company >= enough.min(item.length)
    }
}

/// At how many places of `words` a run of this length begins.
fn beginnings(words: &[Unit], wanted: usize) -> usize {
    let (mut count, mut left) = (0, length(words));
    while left >= wanted && count < words.len() {
        left -= words[count].length();
        count += 1;
    }
    count
}

/// Polynomial hashes of all beginnings, from which that of any run follows (Rabin and Karp 1987).
fn prefixes(units: &[Unit]) -> Vec<u64> {
    let mut prefixes = Vec::with_capacity(units.len() + 1);
    prefixes.push(0);
    let mut hash = 0u64;
    for unit in units {
        hash = hash.wrapping_mul(BASE).wrapping_add(unit.0);
        prefixes.push(hash);
    }
    prefixes
}

fn run_hash(prefixes: &[u64], start: usize, size: usize) -> u64 {
    let power = POWERS[size];
    prefixes[start + size].wrapping_sub(prefixes[start].wrapping_mul(power))
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
struct Words<'a> {
    text: &'a str,
    units: &'a [Unit],
    places: &'a [Range<usize>],
}

impl Words<'_> {
    /// Whether these words are a sentence or a line of their own.
    fn is_sentence(&self, words: &Range<usize>) -> bool {
        let (start, end) = (self.places[words.start].start, self.places[words.end - 1].end);
        let parts = |mark: &char| *mark == '\n' || ends_sentence(*mark);
        let is_between = |mark: &char| !mark.is_alphanumeric();
        let begins = start == 0 || {
            let before = || self.text[..start].chars().rev().take_while(is_between);
            before().any(|mark| parts(&mark)) || before().map(char::len_utf8).sum::<usize>() == start
        };
        let rest = &self.text[end..];
        let behind = || rest.chars().take_while(is_between);
        begins
            && (behind().any(|mark| parts(&mark))
                || behind().map(char::len_utf8).sum::<usize>() == rest.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(items: &[&[&str]], text: &str) -> Option<(usize, String)> {
        let item = |(place, strings): (usize, &&[&str])| Item {
            file: "items.jsonl".into(),
            place,
            strings: strings.iter().map(|string| string.to_string()).collect(),
        };
        let items: Vec<Item> = (1..).zip(items).map(item).collect();
        let index = Index::new(&items, Rules { words: 13, short_words: 8 });
        index.find(text).map(|found| (found.place, text[found.span].to_string()))
    }

    const LONG: &str =
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen";

    #[test]
    fn thirteen_words_in_a_row_are_too_many() {
        let items: &[&[&str]] = &[&["what else"], &[LONG, "yes"]];
        let run = "TWO, three; four five six seven eight nine ten eleven twelve thirteen fourteen";
        assert_eq!(found(items, &format!("They say: {run} or so.")), Some((2, run.into())));
        let shorter = &run[5..];
        assert_eq!(found(items, &format!("They say: {shorter} or so.")), None);
        assert_eq!(found(items, &LONG.replace("eight", "ate")), None);
        assert_eq!(found(&[], LONG), None);
    }

    #[test]
    fn characters_are_two_thirds_of_a_word() {
        let question = "下列关于世界贸易组织的表述正确的是，它是囊括当今世界经济各领域的体制";
        let characters: Vec<char> = question.chars().filter(|character| *character != '，').collect();
        let part = |count: usize| characters[3..3 + count].iter().collect::<String>();
        assert_eq!(found(&[&[question]], &format!("甲{}乙", part(20))), Some((1, part(20))));
        assert_eq!(found(&[&[question]], &format!("甲{}乙", part(19))), None);
    }

    #[test]
    fn short_questions_need_their_choices_or_to_be_long_enough() {
        let items: &[&[&str]] = &[
            &["Which of the following is true?", "Clay is wet", "Clay is dry"],
            &["Which of the following is true?", "Stones are soft", "Stones are hard"],
            &["The cyclic group of eighteen has the order", "4", "8"],
            &["plastic bag", "can carry foil", "can carry pole"],
        ];
        assert_eq!(found(items, "Plastic bag\nA. can carry foil\nB. can carry pole").unwrap().0, 4);
        assert_eq!(found(items, "A plastic bag can carry pole and wood, said the potter."), None);
        let quiz = "Which of the following is true?\nA. Stones are soft\nB. Stones are hard";
        assert_eq!(found(items, quiz).unwrap().0, 2);
        assert_eq!(found(items, "Which of the following is true? Nobody knows, said the potter."), None);
        assert_eq!(found(items, "So the cyclic group of eighteen has the order 4.").unwrap().0, 3);
        assert_eq!(found(items, "So the cyclic group of eighteen has an order."), None);
    }

    #[test]
    fn the_shortest_items_must_stand_alone() {
        let items: &[&[&str]] =
            &[&["unflinchingly bleak and desperate "], &["a gem"], &["床前明月光"], &["知足者常乐也"]];
        assert_eq!(found(items, "- Unflinchingly bleak and desperate.\nMore").unwrap().0, 1);
        assert_eq!(found(items, "It was unflinchingly bleak and desperate."), None);
        assert_eq!(found(items, "a gem"), None);
        assert_eq!(found(items, "床前明月光。"), None);
        assert_eq!(found(items, "子曰。“知足者常乐也。”").unwrap().0, 4);
    }
}
