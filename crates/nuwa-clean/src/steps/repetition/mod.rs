//! `repetition`: rejects documents that repeat themselves, by the rules of Gopher.
//!
//! Why: menus, logs and generated pages repeat lines and phrases far more than people do (Rae et al. 2021,
//! "Scaling Language Models", <https://arxiv.org/abs/2112.11446>, table A1, from which the names and default
//! numbers come).
//! What is counted, in the prose of a text (`nuwa_text`: no code, no targets of links, no citations): lines and
//! paragraphs of some length (who speaks in a play, a brace, a table's border repeat in the best of texts); and n-grams of
//! words, as a share of the characters in all words. In a text mostly of a script without blanks two or three characters
//! stand for a word. Repeated n-grams do not overlap: after one the search goes on behind it.
//!
//! Gopher's numbers are for pages of the web, of a thousand words and more. A short document that is well made repeats more: an
//! answer takes up the words of its question, a list of comparisons its pattern, an entry the name it is about. So documents
//! shorter than `min_words` are not judged, and up to `full_length_words` the limits of n-grams are wider: of n words, a part
//! (1 - n / `full_length_words`) of the way to `short_document_fraction`. Copied lines and paragraphs have one limit for all.
//!
//! And the longer a text is, the more of its n-grams come back by themselves: of a page two in a hundred, of a long novel more
//! than ten. So repeated n-grams are looked for within windows of `window_words`, whose shares are put together; only the
//! longest are looked for in all of a text, since a passage that comes back far away has those too.
//!
//! Beside datatrove's filter (`GopherRepetitionFilter`), which has no such room: a share there is of all characters, blanks
//! and marks included, here of those in words, so the same number is a little stricter here; marks are no words here; and
//! blank lines are no lines.

mod ngrams;

use nuwa_files::Document;
use nuwa_text::{Word, prose, weight, without_code, words};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{DocumentStep, Verdict};
use ngrams::{Counts, Repeated, top_ngram_characters};

/// Shares from which a document is rejected, 0 to 1; 1 switches a rule off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RepetitionSettings {
    /// Documents with fewer words (or characters, in scripts without spaces) are not checked.
    pub min_words: usize,
    /// Document length, in words, from which the n-gram limits apply unchanged; shorter documents
    /// get looser limits (0: the same limits). Two Chinese or Japanese characters count as a word,
    /// three Thai ones.
    pub full_length_words: usize,
    /// Longer documents are checked in windows of this many words, at least 100; 0 checks them as a
    /// whole.
    pub window_words: usize,
    /// n-gram limit for the shortest documents, 0 to 1.
    pub short_document_fraction: f64,
    /// Ignore lines and paragraphs with fewer letters and digits (a Chinese or Japanese character
    /// counts as three, a Thai one as two). 1 counts all of them, as in Gopher.
    pub min_line_letters: usize,
    /// Maximum share of lines that repeat an earlier line.
    pub duplicate_line_fraction: f64,
    /// Maximum share of paragraphs that repeat an earlier one.
    pub duplicate_paragraph_fraction: f64,
    /// Maximum share of bytes in repeated lines.
    pub duplicate_line_character_fraction: f64,
    /// Maximum share of bytes in repeated paragraphs.
    pub duplicate_paragraph_character_fraction: f64,
    /// Maximum share of characters in the most frequent 2-gram, 3-gram and 4-gram.
    pub top_ngram_character_fraction: [f64; 3],
    /// Maximum share of characters in repeated 5-grams, 6-grams, and so on up to 10-grams.
    pub duplicate_ngram_character_fraction: [f64; 6],
}

impl Default for RepetitionSettings {
    fn default() -> Self {
        Self {
            min_words: 100,
            full_length_words: 1000,
            window_words: 5000,
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
        self.broken_by(&prose(text)).unwrap_or_else(|| self.broken_by(&without_code(text)).flatten())
    }

    /// The rule that this text breaks; `None` where it is too short to judge, as the prose of a list of addresses is.
    fn broken_by(&self, text: &str) -> Option<Option<Broken>> {
        let words = Words::new(words(text));
        (words.all.len() >= self.settings.min_words.max(1))
            .then(|| self.paragraphs(text).or_else(|| self.lines(text)).or_else(|| self.ngrams(&words)))
    }

    fn lines(&self, text: &str) -> Option<Broken> {
        let (count, bytes) = copies(text.lines().map(str::trim).filter(|line| self.is_counted(line)));
        above("duplicate lines", count, self.settings.duplicate_line_fraction).or_else(|| {
            above("duplicate line characters", bytes, self.settings.duplicate_line_character_fraction)
        })
    }

    fn is_counted(&self, part: &str) -> bool {
        let mut found = 0;
        part.chars().any(|character| {
            found += weight(character);
            found >= self.settings.min_line_letters.max(1)
        })
    }

    fn paragraphs(&self, text: &str) -> Option<Broken> {
        let (count, bytes) = copies(text.split("\n\n").map(str::trim).filter(|part| self.is_counted(part)));
        let limit = self.settings.duplicate_paragraph_character_fraction;
        above("duplicate paragraphs", count, self.settings.duplicate_paragraph_fraction)
            .or_else(|| above("duplicate paragraph characters", bytes, limit))
    }

    fn ngrams(&self, words: &Words) -> Option<Broken> {
        self.most_frequent(words).or_else(|| self.repeated(words))
    }

    fn most_frequent(&self, words: &Words) -> Option<Broken> {
        let share = |n: usize| words.share(top_ngram_characters(&words.all, n));
        let word_share = share(1);
        let limits = self.settings.top_ngram_character_fraction;
        (2..=4).zip(limits).zip(TOP_NAMES).find_map(|((n, limit), name)| {
            let (n, limit) = (n * words.parts, self.with_room(limit, words.count()));
            // An n-gram is no more frequent than its words, so its share is at most n times a word's.
            if n as f64 * word_share > limit { above(name, share(n), limit) } else { None }
        })
    }

    fn repeated(&self, words: &Words) -> Option<Broken> {
        let mut windows: Vec<Repeated> =
            words.windows(self.settings.window_words).map(Repeated::new).collect();
        let limits = self.settings.duplicate_ngram_character_fraction;
        let of_windows = (5..=10).zip(limits).zip(DUPLICATE_NAMES).find_map(|((n, limit), name)| {
            let characters = windows.iter_mut().map(|window| window.characters(n * words.parts)).sum();
            above(name, words.share(characters), self.with_room(limit, words.count()))
        });
        of_windows.or_else(|| {
            let everywhere = || Repeated::new(&words.all).characters(10 * words.parts);
            let characters = if windows.len() > 1 { everywhere() } else { 0 };
            above(DUPLICATE_NAMES[5], words.share(characters), limits[5])
        })
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

/// The words of a text, and what they count for.
struct Words {
    all: Vec<Word>,
    /// So many of `all` say about as much as a word of English.
    parts: usize,
    characters: u64,
}

impl Words {
    fn new(all: Vec<Word>) -> Self {
        let unspaced = all.iter().filter(|word| word.unspaced);
        let (count, sum) =
            unspaced.fold((0, 0), |(count, sum), word| (count + 1, sum + usize::from(word.parts)));
        let parts = if count * 2 > all.len() { (sum + count / 2) / count } else { 1 };
        let characters = all.iter().map(|word| u64::from(word.characters)).sum();
        Self { all, parts, characters }
    }

    /// Words of English that would say as much.
    fn count(&self) -> usize {
        self.all.len() / self.parts
    }

    fn share(&self, characters: u64) -> f64 {
        characters as f64 / self.characters.max(1) as f64
    }

    /// The words in windows of equal length, each about `length` words of English long.
    fn windows(&self, length: usize) -> impl Iterator<Item = &[Word]> {
        let count = if length == 0 { 1 } else { self.count().div_ceil(length.max(100)).max(1) };
        self.all.chunks(self.all.len().div_ceil(count).max(1))
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
    fn long_texts_are_judged_in_windows() {
        let part = |at: u32| format!("{}{}", varied(at * 12, 12), varied(300_000 + at % 600 * 6, 6));
        let long: String = (0..2000).map(part).collect();
        let whole = RepetitionSettings { window_words: 0, ..RepetitionSettings::default() };
        assert!(Repetition::new(&whole).broken_rule(&long).is_some());
        assert_eq!(rule(&long), None);
    }

    #[test]
    fn what_comes_back_far_away_is_found() {
        let one = varied(0, 20_000);
        assert_eq!(rule(&format!("{one}{one}")), Some("duplicate 10-grams"));
    }

    #[test]
    fn markup_is_not_counted() {
        let link = |at: u32| {
            let name = varied(at * 7, 1);
            let name = name.trim();
            format!(
                "{}[{name}](/wiki/{name}_of_the_old_town \"{name} of the old town\")[[{at}]](#cite_note-{at}) ",
                varied(at * 11 + 5000, 4)
            )
        };
        let page: String = (0..300).map(link).collect();
        assert_eq!(rule(&page), None);
        assert!(rule(&page.replace(['[', ']', '(', ')'], " ")).is_some());
        let addresses = "<https://example.org/one/and/the/same/page/again>\n".repeat(100);
        assert!(rule(&addresses).is_some());
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
