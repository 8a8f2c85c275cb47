//! What several rooms need to know about text: words in any script, good places to cut, prose without markup, its language,
//! a classifier that learns from examples, and search by words.
//!
//! What is absent here: documents, files of other programs, and anything that changes a text.
//!
//! ```
//! use nuwa_text::{language, words};
//!
//! // A character of a script without blanks is a word of its own.
//! assert_eq!(words("She made people of clay.").len(), 5);
//! assert_eq!(words("女娲造人").len(), 4);
//! let text = "In the beginning there were no people, and so she made them out of yellow clay.";
//! assert_eq!(language::identify(text, 20, 0.5), Some("en"));
//! ```
#![forbid(unsafe_code)]

pub mod classify;
mod error;
pub mod language;
mod letters;
mod prose;
pub mod search;

use std::ops::Range;

pub use error::{Error, Result};
pub use letters::{
    Role, is_needed, is_of_word, is_unspaced, role, stacks, unspaced_a_word, unspaced_weight, weight,
};
pub use prose::{prose, without_code};

/// A word: a run of letters and digits with their signs, or one character of a script without blanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// Equal for words that differ only in case.
    pub hash: u64,
    /// Letters, digits and signs.
    pub characters: u32,
    /// A character of a script without blanks.
    pub unspaced: bool,
    /// How many such words say about as much as a word of English: 1, of scripts without blanks 2 or 3.
    pub parts: u8,
}

const NOTHING: Word = Word { hash: 0, characters: 0, unspaced: false, parts: 1 };
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes `value` into `hash`; the order matters.
pub fn mix(hash: u64, value: u64) -> u64 {
    let mixed = (hash.rotate_left(5) ^ value).wrapping_mul(MULTIPLIER);
    mixed ^ (mixed >> 29)
}

/// Calls `word` for each word of `text`, in order.
pub fn for_each_word(text: &str, mut word: impl FnMut(Word)) {
    for_each_word_at(text, |found, _| word(found));
}

/// [`for_each_word`], with the place of each in `text`.
pub fn for_each_word_at(text: &str, word: impl FnMut(Word, Range<usize>)) {
    let mut open = Open { word, current: NOTHING, place: 0..0, stacks: false };
    for (at, character) in text.char_indices() {
        if character.is_ascii_alphanumeric() {
            open.add(at, character, character.to_ascii_lowercase() as u64);
        } else if !character.is_ascii() {
            open.foreign(at, character);
        } else if character != '\'' {
            open.close();
        }
    }
    open.close();
}

/// A word while its characters come.
struct Open<F> {
    word: F,
    current: Word,
    place: Range<usize>,
    /// The next character stands below this one.
    stacks: bool,
}

impl<F: FnMut(Word, Range<usize>)> Open<F> {
    fn add(&mut self, at: usize, character: char, lower: u64) {
        if self.current.unspaced {
            self.close();
        }
        if self.current.characters == 0 {
            self.place.start = at;
        }
        self.grow(at, character, lower);
    }

    fn grow(&mut self, at: usize, character: char, lower: u64) {
        self.place.end = at + character.len_utf8();
        self.current.hash = mix(self.current.hash, lower);
        self.current.characters += 1;
    }

    fn foreign(&mut self, at: usize, character: char) {
        match role(character) {
            Role::Letter => self.letter(at, character),
            Role::Unspaced if self.stacks => self.sign(at, character),
            Role::Unspaced => {
                self.close();
                let parts = unspaced_a_word(character) as u8;
                self.current = Word { unspaced: true, parts, ..NOTHING };
                self.place.start = at;
                self.grow(at, character, character as u64);
            }
            Role::Sign => self.sign(at, character),
            Role::Other if !is_apostrophe(character) => self.close(),
            Role::Joiner | Role::Other => {}
        }
    }

    fn letter(&mut self, at: usize, character: char) {
        let mut lower = character.to_lowercase();
        let first = lower.next().unwrap_or(character);
        self.add(at, character, first as u64);
        for other in lower {
            self.current.hash = mix(self.current.hash, other as u64);
        }
    }

    fn sign(&mut self, at: usize, character: char) {
        if self.current.characters > 0 {
            self.grow(at, character, character as u64);
            self.stacks = stacks(character);
        }
    }

    fn close(&mut self) {
        self.stacks = false;
        if self.current.characters > 0 {
            (self.word)(std::mem::replace(&mut self.current, NOTHING), self.place.clone());
        }
    }
}

/// Marks within a word that are no letters: of English and French, of Hebrew.
pub fn is_apostrophe(character: char) -> bool {
    matches!(character, '\'' | '’' | '׳' | '״')
}

/// All words of `text`.
pub fn words(text: &str) -> Vec<Word> {
    let mut all = Vec::with_capacity(text.len() / 6);
    for_each_word(text, |word| all.push(word));
    all
}

/// The best place to cut `text` near byte `at`: after a blank line, else after a line, else after a sentence,
/// else at a blank, looking at most `within` bytes back; else exactly there, between two characters.
pub fn cut_near(text: &str, at: usize, within: usize) -> usize {
    let at = text.floor_char_boundary(at);
    let from = text.floor_char_boundary(at.saturating_sub(within));
    let window = &text[from..at];
    let after = |found: Option<Range<usize>>| found.map(|range| from + range.end);
    after(rfind(window, "\n\n"))
        .or_else(|| after(rfind(window, "\n")))
        .or_else(|| {
            after(["。", "！", "？", ". "].iter().filter_map(|end| rfind(window, end)).max_by_key(|r| r.end))
        })
        .or_else(|| after(rfind(window, " ")))
        .unwrap_or(at)
}

fn rfind(text: &str, pattern: &str) -> Option<Range<usize>> {
    text.rfind(pattern).map(|start| start..start + pattern.len())
}

/// `text` cut to at most `characters` characters, with an ellipsis where something is missing.
pub fn clip(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

/// Where `text` is code by Markdown's marks: fenced blocks, and what stands between backticks within a line.
pub fn code_spans(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut fence: Option<(usize, &str)> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let mark = line.trim_start().get(..3).filter(|mark| ["```", "~~~"].contains(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some((start, mark)),
            (None, None) => spans.extend(inline_code(line, start)),
            (Some((from, open)), Some(mark)) if open == mark => {
                spans.push(from..start + line.len());
                fence = None;
            }
            (Some(_), _) => {}
        }
        start += line.len();
    }
    spans.extend(fence.map(|(from, _)| from..text.len()));
    spans
}

/// Spans between runs of equally many backticks.
fn inline_code(line: &str, offset: usize) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut from = 0;
    while let Some(open) = line[from..].find('`').map(|at| from + at) {
        let ticks = line[open..].bytes().take_while(|byte| *byte == b'`').count();
        let inside = open + ticks;
        let close = line[inside..].find(&line[open..inside]).map(|at| inside + at + ticks);
        spans.extend(close.map(|end| offset + open..offset + end));
        from = close.unwrap_or(inside);
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_or_single_characters() {
        let count = |text: &str| words(text).len();
        assert_eq!(count("Don't stop, Æthelred!"), 3);
        assert_eq!(count("静以修身，GPT 2"), 6);
        assert_eq!(words("Word"), words("wORD"));
    }

    /// The words of `text` as they are written.
    fn written(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        for_each_word_at(text, |_, place| found.push(&text[place]));
        found
    }

    #[test]
    fn signs_and_joiners_belong_to_words() {
        let hindi = "क्षेत्र में विद्यार्थी, संस्कृत।";
        assert_eq!(written(hindi), ["क्षेत्र", "में", "विद्यार्थी", "संस्कृत"]);
        for text in [
            "বাংলা ভাষায় ক্ষুদ্র",
            "தமிழ் மொழி ஆகும்",
            "తెలుగు భాష దక్షిణ",
            "മലയാളം ഭാഷ അവൻ",
            "සිංහල ශ්\u{200d}රී ලංකා",
            "नेपाली भाषा र्\u{200d}याल",
            "می\u{200c}خواهم کتاب\u{200c}ها مُحَمَّد",
            "ti\u{302}e\u{323}ng Vie\u{323}\u{302}t na\u{301}ure",
        ] {
            let blanks: Vec<&str> = text.split(' ').collect();
            assert_eq!(written(text), blanks);
        }
        assert_eq!(words("می\u{200c}خواهم"), words("میخواهم"));
    }

    #[test]
    fn characters_without_blanks_keep_their_signs() {
        assert_eq!(written("ที่นี่ GPT"), ["ที่", "นี่", "GPT"]);
        assert_eq!(written("ខ្ញុំ\u{200b}ស្រី។"), ["ខ្ញុំ", "ស្រី"]);
        assert_eq!(written("မြန်မာ"), ["မြ", "န်", "မာ"]);
        assert_eq!(written("が火か\u{3099}"), ["が", "火", "か\u{3099}"]);
    }

    #[test]
    fn words_know_their_places() {
        let text = "“Don't” ÆSIR: 女娲, x9";
        let mut found = Vec::new();
        for_each_word_at(text, |_, place| found.push(&text[place]));
        assert_eq!(found, ["Don't", "ÆSIR", "女", "娲", "x9"]);
    }

    #[test]
    fn cuts_prefer_paragraphs_then_lines_then_sentences() {
        assert_eq!(cut_near("one\n\ntwo\nthree", 11, 11), 5);
        assert_eq!(cut_near("one two\nthree", 11, 11), 8);
        assert_eq!(cut_near("子曰。学而时习之", 16, 16), 9);
        assert_eq!(cut_near("学而时习之", 7, 2), 6);
    }

    #[test]
    fn code_is_fenced_or_between_backticks() {
        let text = "a `b` c\n```rust\nd `e\n```\n``f ` g`` h ` i\n~~~\nj";
        let spans: Vec<&str> = code_spans(text).into_iter().map(|span| &text[span]).collect();
        assert_eq!(spans, ["`b`", "```rust\nd `e\n```\n", "``f ` g``", "~~~\nj"]);
    }
}
