//! `toxicity`: takes out abuse, by lists of words and by a classifier that was trained on examples.
//!
//! Why: a model says what it has read. A list of words finds what is certain and is explained easily, but takes quotations
//! and medicine along (C4 lost much that way: Dodge et al. 2021, <https://arxiv.org/abs/2104.08758>); a classifier
//! judges the whole text ([`nuwa_text::classify`]). Nuwa ships neither: whoever cleans says what is abuse.
//! A listed word or phrase counts where it stands as a word of its own; in scripts without blanks wherever it stands. Case
//! does not matter. A list in a file named after a language (`en.txt`, `zh`) holds for documents of that language and those
//! whose language is not known; a list of another name for all.

use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use nuwa_files::Document;
use nuwa_text::classify::Classifier;
use nuwa_text::is_of_word;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DocumentStep, Verdict};
use crate::{Error, Result};

/// What is abuse, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ToxicitySettings {
    /// Files of words and phrases, one per line. A file named after a language (en.txt, zh) applies
    /// to that language.
    pub word_lists: Vec<PathBuf>,
    /// Number of listed words that are tolerated per document, or per line with remove = "line".
    pub allowed_words: u64,
    /// A classifier trained by `nuwa classifier` with toxic text as positive examples; if unset,
    /// only word lists are used. It judges by words, topics and tone, not by meaning: text that
    /// quotes abuse is removed too, and abuse unlike the examples stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classifier: Option<PathBuf>,
    /// Probability, 0 to 1, from which text is removed; if unset, the threshold suggested by
    /// training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// What to remove: the whole document or the line.
    pub remove: Removal,
}

/// How much is removed for abuse in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Removal {
    /// The whole document.
    Document,
    /// The line; documents that become empty are removed.
    Line,
}

impl Default for ToxicitySettings {
    fn default() -> Self {
        Self {
            word_lists: Vec::new(),
            allowed_words: 0,
            classifier: None,
            threshold: None,
            remove: Removal::Document,
        }
    }
}

/// Letters that a line must have for the classifier to judge it by itself.
const LINE_LETTERS: usize = 20;

/// The step.
pub struct Toxicity {
    lists: Vec<WordList>,
    allowed_words: u64,
    classifier: Option<(Classifier, f32)>,
    remove: Removal,
}

impl Toxicity {
    /// With these settings; reads the lists and the classifier.
    ///
    /// # Errors
    /// When a setting is out of its range, or a file that it names cannot be read.
    pub fn new(settings: &ToxicitySettings) -> Result<Self> {
        if settings.word_lists.is_empty() && settings.classifier.is_none() {
            let expected =
                "a list of words, or clean.toxicity.classifier; with neither the step finds nothing";
            return Err(Error::Setting { name: "clean.toxicity.word_lists", value: "[]".into(), expected });
        }
        if let Some(threshold) = settings.threshold.filter(|threshold| !(0.0..=1.0).contains(threshold)) {
            let value = threshold.to_string();
            return Err(Error::Setting { name: "clean.toxicity.threshold", value, expected: "0 to 1" });
        }
        let load = |path: &PathBuf| {
            let classifier = Classifier::load(path)?;
            let threshold = settings.threshold.unwrap_or(classifier.threshold());
            Ok::<_, Error>((classifier, threshold))
        };
        Ok(Self {
            lists: settings.word_lists.iter().map(|path| WordList::read(path)).collect::<Result<_>>()?,
            allowed_words: settings.allowed_words,
            classifier: settings.classifier.as_ref().map(load).transpose()?,
            remove: settings.remove,
        })
    }

    fn abuse(&self, text: &str, language: Option<&str>) -> Option<Abuse> {
        let lists = self.lists.iter().filter(|list| list.holds_for(language));
        let words: Vec<&str> = lists.flat_map(|list| list.words_in(text, self.allowed_words)).collect();
        if words.len() as u64 > self.allowed_words {
            return Some(Abuse::Word(words.first().map(|word| word.to_string()).unwrap_or_default()));
        }
        let (classifier, threshold) = self.classifier.as_ref()?;
        let probability = classifier.probability(text);
        (probability >= *threshold).then_some(Abuse::Probability(probability))
    }

    fn without_lines(&self, document: &mut Document) -> Verdict {
        let language = document.lang.as_deref();
        let is_long =
            |line: &str| line.chars().filter(|character| character.is_alphabetic()).count() >= LINE_LETTERS;
        let stays = |line: &&str| match self.abuse(line, language) {
            None => true,
            Some(Abuse::Probability(_)) => !is_long(line),
            Some(Abuse::Word(_)) => false,
        };
        let kept: String = document.text.split_inclusive('\n').filter(stays).collect();
        if kept.trim().is_empty() && !document.text.trim().is_empty() {
            return Verdict::rejected("nothing left", "each of its lines has abuse in it");
        }
        let changed = kept.len() < document.text.len();
        document.text = kept;
        Verdict::changed(changed)
    }
}

enum Abuse {
    Word(String),
    Probability(f32),
}

impl DocumentStep for Toxicity {
    fn name(&self) -> &'static str {
        "toxicity"
    }

    fn apply(&self, document: &mut Document) -> Verdict {
        if self.remove == Removal::Line {
            return self.without_lines(document);
        }
        match self.abuse(&document.text, document.lang.as_deref()) {
            None => Verdict::Kept,
            Some(Abuse::Word(word)) => Verdict::rejected("listed words", word),
            Some(Abuse::Probability(probability)) => {
                Verdict::rejected("classifier", format!("probability {probability:.3}"))
            }
        }
    }
}

/// The words of one file.
struct WordList {
    language: Option<String>,
    automaton: AhoCorasick,
}

impl WordList {
    fn read(path: &Path) -> Result<Self> {
        let text = nuwa_files::read_to_string(path)?;
        let words = text.lines().map(str::trim).filter(|word| !word.is_empty());
        let spellings: Vec<String> = words.flat_map(spellings).collect();
        if spellings.is_empty() {
            return Err(Error::EmptyFile { path: path.to_path_buf() });
        }
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(spellings);
        let automaton =
            automaton.map_err(|error| Error::WordList { path: path.into(), problem: error.to_string() })?;
        Ok(Self { language: language_of(path), automaton })
    }

    fn holds_for(&self, language: Option<&str>) -> bool {
        match (&self.language, language) {
            (Some(own), Some(language)) => language.split('-').next() == Some(own),
            _ => true,
        }
    }

    /// The listed words of the text, at most one more than `allowed`.
    fn words_in<'a>(&'a self, text: &'a str, allowed: u64) -> impl Iterator<Item = &'a str> {
        let found = self.automaton.find_overlapping_iter(text).map(|found| found.range());
        found
            .filter(|range| is_word(text, range.start, range.end))
            .map(|range| &text[range])
            .take(usize::try_from(allowed.saturating_add(1)).unwrap_or(usize::MAX))
    }
}

/// A word as it is written within a sentence, at its beginning, and in capitals; of ASCII one form does.
fn spellings(word: &str) -> Vec<String> {
    if word.is_ascii() {
        return vec![word.into()];
    }
    let lower = word.to_lowercase();
    let mut letters = lower.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let mut all = vec![format!("{first}{}", letters.as_str()), word.to_uppercase(), lower];
    all.sort();
    all.dedup();
    all
}

/// `en` of `lists/en.txt`, `fr` of `fr-CA`.
fn language_of(path: &Path) -> Option<String> {
    let name = path.file_stem()?.to_string_lossy().to_lowercase();
    let code = name.split(['-', '_']).next()?;
    let is_code = (2..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase());
    is_code.then(|| code.into())
}

/// Whether no letter, digit or sign touches it, but for scripts without blanks.
fn is_word(text: &str, start: usize, end: usize) -> bool {
    let part_of_one = |inner: Option<char>, outer: Option<char>| {
        let joins = |character: Option<char>| character.is_some_and(is_of_word);
        joins(inner) && joins(outer)
    };
    let found = &text[start..end];
    !part_of_one(found.chars().next(), text[..start].chars().next_back())
        && !part_of_one(found.chars().next_back(), text[end..].chars().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(files: &[(&str, &str)], remove: Removal, allowed_words: u64) -> Toxicity {
        let folder = tempfile::tempdir().unwrap();
        let path = |(name, words): &(&str, &str)| {
            let path = folder.path().join(name);
            std::fs::write(&path, words).unwrap();
            path
        };
        let word_lists = files.iter().map(path).collect();
        Toxicity::new(&ToxicitySettings { word_lists, remove, allowed_words, ..Default::default() }).unwrap()
    }

    fn document(text: &str, lang: Option<&str>) -> Document {
        Document { text: text.into(), lang: lang.map(String::from), ..Default::default() }
    }

    #[test]
    fn words_count_as_words_of_their_language() {
        let step = step(
            &[("en.txt", "snarvet\nround pillock"), ("zh", "呆瓜佬"), ("hi", "गधा\nहर")],
            Removal::Document,
            0,
        );
        let verdict = |text: &str, lang| step.apply(&mut document(text, lang));
        assert_eq!(verdict("You Snarvet!", Some("en")), Verdict::rejected("listed words", "Snarvet"));
        assert_eq!(verdict("a ROUND pillock", None), Verdict::rejected("listed words", "ROUND pillock"));
        assert_eq!(verdict("snarvets and a snarvetry of pillocks", Some("en")), Verdict::Kept);
        assert_eq!(verdict("你这个呆瓜佬啊", Some("zh")), Verdict::rejected("listed words", "呆瓜佬"));
        assert_eq!(verdict("snarvet", Some("zh")), Verdict::Kept);
        assert_eq!(verdict("静以修身", Some("zh")), Verdict::Kept);
        assert_eq!(verdict("वह गधा है", Some("hi")), Verdict::rejected("listed words", "गधा"));
        assert_eq!(verdict("हर्ष की बात", Some("hi")), Verdict::Kept);
    }

    #[test]
    fn lines_go_alone() {
        let step = step(&[("slurs.txt", "Ärgling")], Removal::Line, 0);
        let mut mixed = document("Good day.\nDu ärgling!\nÄRGLING ist er.\nAnd good night.", None);
        assert_eq!(step.apply(&mut mixed), Verdict::Changed);
        assert_eq!(mixed.text, "Good day.\nAnd good night.");
        let nothing = step.apply(&mut document("ärgling", Some("de")));
        assert_eq!(nothing, Verdict::rejected("nothing left", "each of its lines has abuse in it"));
        assert_eq!(step.apply(&mut document("", None)), Verdict::Kept);
    }

    #[test]
    fn some_may_be_allowed() {
        let step = step(&[("list", "drubbish")], Removal::Document, 2);
        assert_eq!(step.apply(&mut document("drubbish, drubbish", None)), Verdict::Kept);
        let verdict = step.apply(&mut document("drubbish, drubbish, drubbish", None));
        assert!(matches!(verdict, Verdict::Rejected { .. }));
    }

    #[test]
    fn nothing_to_go_by_is_an_error() {
        let error = Toxicity::new(&ToxicitySettings::default()).err().unwrap();
        assert!(error.to_string().starts_with("clean.toxicity.word_lists = []: expected a list"), "{error}");
    }

    #[test]
    fn languages_are_read_off_file_names() {
        let of = |name: &str| language_of(Path::new(name));
        assert_eq!(
            (of("lists/en.txt"), of("fr-CA-u"), of("zh")),
            (Some("en".into()), Some("fr".into()), Some("zh".into()))
        );
        assert_eq!((of("slurs.txt"), of("l33.txt")), (None, None));
    }
}
