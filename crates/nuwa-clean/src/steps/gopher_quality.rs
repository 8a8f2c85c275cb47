//! `gopher-quality`: rejects documents that do not read like prose, by the rules of Gopher.
//!
//! Why: lists of links, tables, price lists and text for machines differ from prose in how long words are, how many are
//! no words, and in that they lack the commonest words (Rae et al. 2021, "Scaling Language Models",
//! <https://arxiv.org/abs/2112.11446>, section A.1.1, from which the rules and numbers come).
//! What is counted, in the prose of a text (`nuwa_text`): words as in datatrove's filter of this name, where marks stand
//! apart from words and count as pieces of their own for the share of signs. Unlike there, a run of `#` or of points is one
//! sign, blank lines are no lines, and stop words are found in any case. And, as in the paper, what must hold letters is what
//! stands between blanks: the comma behind a word is no word, or a third of good articles with dates and figures would go.
//! Chinese and Japanese: two characters are a word of six letters; Thai, Lao, Khmer, Burmese: three with their signs. So the
//! rule of mean word length says nothing about them; their punctuation is no piece; and the commonest characters stand for
//! stop words. Stop words of a language that has none in the settings are not asked for; a document without a language is
//! taken for Chinese, Japanese or English by its script.
//! It is for pages of the web: it rejects poems, notes and short answers, since they have fewer than 50 words.

use std::collections::{BTreeMap, HashSet};

use nuwa_files::Document;
use nuwa_text::prose;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pieces::{Amounts, Piece, pieces};
use crate::{DocumentStep, Verdict};

/// The limits of the rules; a value of 0 (for most shares: 1) switches a rule off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GopherQualitySettings {
    /// Minimum number of words (two Chinese or Japanese characters count as one, three Thai ones).
    pub min_words: usize,
    /// Maximum number of words; 0 for no limit.
    pub max_words: usize,
    /// Minimum mean word length, in letters.
    pub min_mean_word_length: f64,
    /// Maximum mean word length, in letters; 0 for no limit.
    pub max_mean_word_length: f64,
    /// Maximum ratio of `#` signs, and of ellipses, to words and punctuation marks, 0 to 1.
    pub max_symbol_share: f64,
    /// Maximum share of lines that begin with a bullet, 0 to 1.
    pub max_bullet_line_share: f64,
    /// Maximum share of lines that end with an ellipsis, 0 to 1.
    pub max_ellipsis_line_share: f64,
    /// Minimum share of whitespace-separated words that contain a letter, 0 to 1.
    pub min_lettered_share: f64,
    /// Minimum number of distinct stop words.
    pub min_stop_words: usize,
    /// Stop words by language, such as "en"; the rule is skipped for other languages.
    pub stop_words: BTreeMap<String, Vec<String>>,
}

impl Default for GopherQualitySettings {
    fn default() -> Self {
        Self {
            min_words: 50,
            max_words: 100_000,
            min_mean_word_length: 3.0,
            max_mean_word_length: 10.0,
            max_symbol_share: 0.1,
            max_bullet_line_share: 0.9,
            max_ellipsis_line_share: 0.3,
            min_lettered_share: 0.8,
            min_stop_words: 2,
            stop_words: stop_words(),
        }
    }
}

/// Gopher's eight words; for Chinese the commonest characters of modern and of classical prose, for Japanese particles.
fn stop_words() -> BTreeMap<String, Vec<String>> {
    let split = |text: &str| text.split(' ').map(str::to_string).collect();
    BTreeMap::from([
        ("en".into(), split("the be to of and that have with")),
        ("zh".into(), split("的 是 不 了 在 有 和 这 之 而 以 其 为 也 无 者")),
        ("ja".into(), split("の は に を が と で も")),
    ])
}

/// The step.
#[derive(Debug)]
pub struct GopherQuality {
    settings: GopherQualitySettings,
    /// In lower case.
    stop_words: BTreeMap<String, HashSet<String>>,
}

/// A rule that was broken: its name and what was found.
type Broken = (&'static str, String);

impl GopherQuality {
    /// With these settings.
    pub fn new(settings: &GopherQualitySettings) -> Self {
        let lower = |(language, words): (&String, &Vec<String>)| {
            (language.clone(), words.iter().map(|word| word.to_lowercase()).collect())
        };
        Self { settings: settings.clone(), stop_words: settings.stop_words.iter().map(lower).collect() }
    }

    fn broken_rule(&self, document: &Document) -> Option<Broken> {
        let prose = prose(&document.text);
        let amounts = Amounts::of(&prose);
        self.length(&amounts)
            .or_else(|| self.signs(&amounts))
            .or_else(|| self.lines(&prose))
            .or_else(|| self.letters(&prose, &amounts))
            .or_else(|| self.commonest(document, &prose, &amounts))
    }

    fn length(&self, amounts: &Amounts) -> Option<Broken> {
        let settings = &self.settings;
        let words = amounts.words();
        let shown = format!("{words:.0} words");
        if words < settings.min_words as f64 {
            return Some(("too few words", shown));
        }
        if settings.max_words > 0 && words > settings.max_words as f64 {
            return Some(("too many words", shown));
        }
        let mean = (amounts.letters + amounts.unspaced_letters) as f64 / words.max(1.0);
        let shown = format!("{mean:.1} letters a word");
        if mean < settings.min_mean_word_length {
            return Some(("words too short", shown));
        }
        let too_long = settings.max_mean_word_length > 0.0 && mean > settings.max_mean_word_length;
        too_long.then_some(("words too long", shown))
    }

    fn signs(&self, amounts: &Amounts) -> Option<Broken> {
        let (pieces, limit) = (amounts.pieces().max(1.0), self.settings.max_symbol_share);
        above("too many hash signs", amounts.hashes as f64 / pieces, limit)
            .or_else(|| above("too many ellipses", amounts.ellipses as f64 / pieces, limit))
    }

    fn lines(&self, text: &str) -> Option<Broken> {
        let (mut lines, mut bullets, mut ellipses) = (0_u32, 0_u32, 0_u32);
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            lines += 1;
            bullets += u32::from(line.starts_with(['•', '-', '*', '‣', '●', '▪', '◦', '·', '・']));
            ellipses += u32::from(line.ends_with('…') || line.ends_with("..."));
        }
        let share = |count: u32| f64::from(count) / f64::from(lines.max(1));
        above("too many bullets", share(bullets), self.settings.max_bullet_line_share).or_else(|| {
            above("too many lines end in an ellipsis", share(ellipses), self.settings.max_ellipsis_line_share)
        })
    }

    fn letters(&self, text: &str, amounts: &Amounts) -> Option<Broken> {
        let lettered = amounts.words() - amounts.numbers as f64;
        let share = lettered / (lettered + bare(text) as f64).max(1.0);
        let shown = format!("{:.1} % of words", share * 100.0);
        (share < self.settings.min_lettered_share).then_some(("too few words with letters", shown))
    }

    fn commonest(&self, document: &Document, prose: &str, amounts: &Amounts) -> Option<Broken> {
        let language = language(document, amounts);
        let stop_words = self.stop_words.get(language)?;
        let found = stop_words_in(prose, stop_words, self.settings.min_stop_words);
        let shown = format!("{found} of the stop words of `{language}`");
        (found < self.settings.min_stop_words).then_some(("too few stop words", shown))
    }
}

/// What stands between blanks and holds no letter: numbers, marks that stand alone.
fn bare(text: &str) -> usize {
    text.split_whitespace().filter(|part| !part.contains(char::is_alphabetic)).count()
}

/// The document's language without its region; where it is not known, by the script.
fn language<'a>(document: &'a Document, amounts: &Amounts) -> &'a str {
    let is_kana = |character: &char| ('\u{3040}'..='\u{30ff}').contains(character);
    match &document.lang {
        Some(language) => language.split('-').next().unwrap_or(language),
        None if !amounts.is_unspaced() => "en",
        None if document.text.chars().filter(is_kana).count() * 10 > amounts.unspaced => "ja",
        None => "zh",
    }
}

/// How many different ones of `stop_words` are in `text`; counted no further than to `enough`.
fn stop_words_in(text: &str, stop_words: &HashSet<String>, enough: usize) -> usize {
    let longest = stop_words.iter().map(String::len).max().unwrap_or(0);
    let mut found = HashSet::new();
    for piece in pieces(text) {
        if found.len() >= enough {
            break;
        }
        let word = match piece {
            Piece::Word { text, .. } if text.len() <= longest => text.to_lowercase(),
            Piece::Unspaced(character) => character.to_string(),
            _ => continue,
        };
        if stop_words.contains(&word) {
            found.insert(word);
        }
    }
    found.len()
}

fn above(rule: &'static str, share: f64, limit: f64) -> Option<Broken> {
    (share > limit).then(|| (rule, format!("{:.1} %", share * 100.0)))
}

impl DocumentStep for GopherQuality {
    fn name(&self) -> &'static str {
        "gopher-quality"
    }

    fn apply(&self, document: &mut Document) -> Verdict {
        match self.broken_rule(document) {
            Some((rule, shown)) => Verdict::rejected(rule, shown),
            None => Verdict::Kept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule_in(lang: Option<&str>, text: &str) -> Option<&'static str> {
        let document = Document { text: text.into(), lang: lang.map(str::to_string), ..Document::default() };
        GopherQuality::new(&GopherQualitySettings::default()).broken_rule(&document).map(|broken| broken.0)
    }

    fn rule(text: &str) -> Option<&'static str> {
        rule_in(None, text)
    }

    const PROSE: &str = "The potter went down to the river with a basket, and when she came back that evening \
        there was more clay in it than two people could have carried. ";
    const CHINESE: &str = "俗说天地开辟，未有人民，女娲抟黄土作人。剧务，力不暇供，乃引绳于泥中，举以为人。";

    #[test]
    fn prose_passes_in_either_script() {
        assert_eq!(rule(&PROSE.repeat(3)), None);
        assert_eq!(rule(&CHINESE.repeat(4)), None);
        assert_eq!(rule(PROSE), Some("too few words"));
        assert_eq!(rule(CHINESE), Some("too few words"));
    }

    #[test]
    fn each_rule_finds_its_kind() {
        assert_eq!(rule(&PROSE.repeat(4000)), Some("too many words"));
        assert_eq!(rule(&"a b c d e f ".repeat(20)), Some("words too short"));
        assert_eq!(rule(&"incomprehensibilities the ".repeat(40)), Some("words too long"));
        assert_eq!(rule(&PROSE.replace(' ', " #").repeat(2)), Some("too many hash signs"));
        assert_eq!(rule(&PROSE.replace(' ', "... ").repeat(2)), Some("too many ellipses"));
        assert_eq!(rule(&format!("- {PROSE}\n").repeat(4)), Some("too many bullets"));
        let lines = format!("{}...\n", PROSE.trim_end_matches(". "));
        assert_eq!(rule(&lines.repeat(4)), Some("too many lines end in an ellipsis"));
        assert_eq!(rule(&format!("{PROSE} 12345 | 99991 | ").repeat(8)), None);
        assert_eq!(rule(&"price 12345 | 99991 | ".repeat(30)), Some("too few words with letters"));
        assert_eq!(rule(&"cheap flights hotels rental cars ".repeat(20)), Some("too few stop words"));
        assert_eq!(rule(&"特价机票酒店预订".repeat(20)), Some("too few stop words"));
    }

    #[test]
    fn stop_words_are_those_of_the_language() {
        let german = "Der Töpfer ging hinunter zum Fluss, und als er am Abend wiederkam, war mehr Lehm im Korb, \
            als zwei Menschen hätten tragen können. ";
        assert_eq!(rule_in(Some("de"), &german.repeat(3)), None);
        assert_eq!(rule_in(None, &german.repeat(3)), Some("too few stop words"));
        assert_eq!(rule_in(Some("zh-Hant"), &CHINESE.repeat(4)), None);
    }
}
