//! The words of all items, found again in documents.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use nuwa_text::{is_unspaced, mix};

use super::normal::normal;
use super::pieces::{Kind, Wanted};
use super::units::{ANCHOR, Unit, WORD, Words, length, prefixes, run_hash, units};
use crate::bloom_filter::BloomFilter;

/// When a run of words is too long; a character of a script without blanks is two thirds of a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub words: usize,
    pub short_words: usize,
}

/// Items of fewer words are not looked for, and shorter strings are no place to begin where there is a longer one.
const FEWEST_WORDS: usize = 4;
/// Words between two strings of an item that are no part of it: "Answer:", "(A)".
const BETWEEN: usize = 4;
/// Words of choices that an item does not have, since it only names the right one.
const CHOICES: usize = 40;

/// A string of an item.
#[derive(Debug, Clone)]
struct Passage {
    item: u32,
    units: Range<u32>,
    kind: Kind,
    need: Need,
    /// Only this item of its file has it.
    is_unique: bool,
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
    /// The number of the file; several may be of one name.
    source: usize,
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
    filter: BloomFilter,
    /// The lengths that anchors have.
    lengths: Vec<usize>,
    too_short: usize,
}

/// An item that a text holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub file: &'a str,
    pub place: usize,
    /// The words of the text, in normal form.
    pub said: String,
}

impl Index {
    /// Of these items.
    pub fn new(items: &[Wanted], rules: Rules) -> Self {
        let mut index = Self {
            rules,
            files: Vec::new(),
            items: Vec::new(),
            passages: Vec::new(),
            units: Vec::new(),
            anchors: Vec::new(),
            filter: BloomFilter::new(0),
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

    /// Takes an item's pieces, each once.
    fn take(&mut self, item: &Wanted) {
        let first = self.passages.len();
        let mut total = 0;
        for piece in &item.pieces {
            let (units, _) = units(&piece.text);
            let is_new = self.passages[first..].iter().all(|other| self.words(other) != units);
            let is_too_short = piece.kind == Kind::Joined && length(&units) < self.rules.words * WORD;
            if units.is_empty() || !is_new || is_too_short {
                continue;
            }
            let reads_like_text =
                piece.text.trim().contains(char::is_whitespace) || piece.text.contains(is_unspaced);
            if reads_like_text && matches!(piece.kind, Kind::Question | Kind::Other) {
                total += length(&units);
            }
            let start = self.units.len() as u32;
            self.units.extend(units);
            self.passages.push(Passage {
                item: self.items.len() as u32,
                units: start..self.units.len() as u32,
                kind: piece.kind,
                need: if reads_like_text { Need::Whole } else { Need::Nothing },
                is_unique: true,
            });
        }
        self.items.push(Source {
            file: self.files.len() as u32 - 1,
            source: item.source,
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
        let repeated = self.repeated(&hashes);
        for (at, hash) in hashes.iter().enumerate() {
            let passage = &self.passages[at];
            let is_unique = !repeated.contains(hash);
            let need = match length(self.words(passage)) {
                _ if passage.need == Need::Nothing => Need::Nothing,
                long if long >= self.rules.words * WORD => Need::Run,
                short if short >= self.rules.short_words * WORD && is_unique => Need::Whole,
                short if short >= FEWEST_WORDS * WORD => Need::Company,
                _ => Need::Nothing,
            };
            (self.passages[at].need, self.passages[at].is_unique) = (need, is_unique);
        }
        (0..self.items.len()).for_each(|item| self.decide_beginning(item));
    }

    /// What several items of one file have. The same set in another file is no other item, and neighbours that share a
    /// string are one question with its answers.
    fn repeated(&self, hashes: &[u64]) -> HashSet<u64> {
        let mut last: HashMap<(usize, u64), u32> = HashMap::new();
        let mut repeated = HashSet::new();
        for (passage, hash) in self.passages.iter().zip(hashes) {
            let source = self.items[passage.item as usize].source;
            let before = last.insert((source, *hash), passage.item);
            if before.is_some_and(|before| before + 1 < passage.item) {
                repeated.insert(*hash);
            }
        }
        repeated
    }

    /// An item of nothing but very short strings begins with the longest of them; where that is a question, choices of one
    /// word belong to its length.
    fn decide_beginning(&mut self, item: usize) {
        let passages = &self.items[item].passages;
        let range = passages.start as usize..passages.end as usize;
        let own = &self.passages[range.clone()];
        if own.iter().any(|passage| passage.need != Need::Nothing) {
            return;
        }
        let fewest = FEWEST_WORDS * WORD;
        if self.items[item].length < fewest && own.iter().any(|passage| passage.kind == Kind::Question) {
            let parts = own.iter().filter(|passage| passage.kind != Kind::Filled);
            self.items[item].length = parts.map(|passage| length(self.words(passage))).sum();
        }
        let longest = range.max_by_key(|at| (length(self.words(&self.passages[*at])), Reverse(*at)));
        match longest.filter(|at| self.passages[*at].units.len() > 1) {
            Some(at) if self.items[item].length >= fewest => self.passages[at].need = Need::Company,
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
        self.filter = BloomFilter::new(anchors.len());
        anchors.iter().for_each(|anchor| self.filter.insert(anchor.hash));
        self.anchors = anchors;
    }

    /// The first item that `text` holds.
    pub fn find(&self, text: &str) -> Option<Found<'_>> {
        if self.anchors.is_empty() {
            return None;
        }
        let text = normal(text);
        let (units, places) = units(&text);
        let prefixes = prefixes(&units);
        let document = Words { text: &text, units: &units, places: &places };
        for at in 0..units.len() {
            for size in self.lengths.iter().take_while(|size| at + **size <= units.len()) {
                let hash = run_hash(&prefixes, at, *size);
                if !self.filter.may_contain(hash) {
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
            said: document.text[document.places[at].start..document.places[at + common - 1].end].into(),
        })
    }

    /// Whether enough of the item stands around what was found of it; a short item must be a sentence of its own, too.
    fn has_company(&self, number: u32, document: &Words, found: Range<usize>) -> bool {
        let passage = &self.passages[number as usize];
        let item = &self.items[passage.item as usize];
        let enough = self.rules.short_words * WORD;
        let is_sentence = document.is_sentence(&found);
        if item.length < enough && !is_sentence {
            return false;
        }
        let others: Vec<&[Unit]> = (item.passages.start..item.passages.end)
            .filter(|other| *other != number)
            .map(|other| &self.passages[other as usize])
            .filter(|other| other.need != Need::Run && matches!(other.kind, Kind::Question | Kind::Other))
            .map(|other| self.words(other))
            .collect();
        let is_asked = passage.kind == Kind::Question && passage.is_unique && is_sentence;
        if is_asked && others.iter().any(|words| document.stand_behind(words, found.end, BETWEEN, CHOICES)) {
            return true;
        }
        let reach = others.iter().map(|words| words.len() + BETWEEN).sum::<usize>() + CHOICES;
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

#[cfg(test)]
mod tests {
    use super::super::items::{Item, Said};
    use super::super::pieces;
    use super::*;

    fn found(items: &[&[&str]], text: &str) -> Option<(usize, String)> {
        let said = |(at, text): (usize, &&str)| Said { field: at.to_string(), text: text.to_string() };
        let item = |(place, strings): (usize, &&[&str])| Item {
            file: "items.jsonl".into(),
            source: 0,
            place,
            strings: strings.iter().enumerate().map(said).collect(),
        };
        let items = pieces::of((1..).zip(items).map(item).collect());
        let index = Index::new(&items, Rules { words: 13, short_words: 8 });
        index.find(text).map(|found| (found.place, found.said))
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
