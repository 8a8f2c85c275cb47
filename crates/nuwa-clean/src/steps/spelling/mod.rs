//! `spelling`: writes misspelt words as they were meant.
//!
//! Why: a slip splits into other tokens than the word, and a small model learns the word more slowly for it.
//! How: the first pass counts the words of the corpus (`vocabulary`). A word that occurs more than once or in a given
//! list is right. The second pass looks at the others: what word lies one certain slip away from it (`channel`), how
//! frequent that is, which words stand beside it (`lexicon`). The step rather misses slips than alters right words: a
//! corpus does not tell rare words from wrong ones otherwise.
//! Left alone: whatever is not plain prose in the Latin script (Chinese, numbers, addresses, code, words with
//! apostrophes or inner capitals), words with a capital, rare words made from known ones or with other forms in the
//! corpus (`derived`), words among other unknown words or among words with apostrophes (a foreign passage, dialect),
//! words of fewer than six letters. Each language of the documents has its own vocabulary; the rules for forms of words are
//! those of English.
//! Every change is written into the document's `meta.spelling` and counted in the summary.
//! Memory: for each language up to 80 bytes x `max_words`, 13 MB for candidates and 16 MB for pairs of words.

mod channel;
mod derived;
mod lexicon;
mod variants;
mod vocabulary;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use nuwa_files::Document;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{DocumentStep, LearningStep, Replacement, Verdict};
use crate::{Error, Result};
use lexicon::{Lexicon, Rules, Suspect};
use vocabulary::Vocabulary;
use words::{Case, GAP, Word, Words};

/// What counts as a slip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpellingSettings {
    /// Files of correctly spelled words, one per line, in addition to the corpus's own.
    pub word_lists: Vec<PathBuf>,
    /// Words that occur at least this often in the corpus are considered correct; at least 2.
    pub known_count: u32,
    /// Words that occur in at least this many documents are considered correct; at least 2.
    pub known_documents: u32,
    /// How many of the 12 words before and the 12 after may be unknown as well, 0 to 24. Low values
    /// leave foreign passages and dialect alone; high values repair text with many typos.
    pub unknown_around: usize,
    /// Minimum log-probability ratio of a correction; higher is more conservative.
    pub threshold: f32,
    /// Maximum number of distinct words counted, at least 1000; about 80 bytes each.
    pub max_words: usize,
}

impl Default for SpellingSettings {
    fn default() -> Self {
        Self {
            word_lists: Vec::new(),
            known_count: 2,
            known_documents: 4,
            unknown_around: 1,
            threshold: 0.7,
            max_words: 1_000_000,
        }
    }
}

impl SpellingSettings {
    fn check(&self) -> Result<()> {
        let wrong = |name, value: String, expected| Err(Error::Setting { name, value, expected });
        if self.known_count < 2 {
            return wrong("clean.spelling.known_count", self.known_count.to_string(), "2 or more");
        }
        if self.known_documents < 2 {
            return wrong("clean.spelling.known_documents", self.known_documents.to_string(), "2 or more");
        }
        if self.unknown_around > 2 * AROUND {
            return wrong("clean.spelling.unknown_around", self.unknown_around.to_string(), "0 to 24");
        }
        if !self.threshold.is_finite() {
            return wrong("clean.spelling.threshold", self.threshold.to_string(), "a number");
        }
        if self.max_words < 1000 {
            return wrong("clean.spelling.max_words", self.max_words.to_string(), "at least 1000");
        }
        Ok(())
    }
}

/// The step.
pub struct Spelling {
    settings: SpellingSettings,
    listed: Vec<String>,
    /// By language, the empty one where it is not known.
    vocabularies: BTreeMap<String, Vocabulary>,
    lexicons: BTreeMap<String, Lexicon>,
    replacements: Mutex<BTreeMap<(String, String), u64>>,
}

/// Languages with a vocabulary of their own; further ones are left alone.
const MOST_LANGUAGES: usize = 16;
/// Words looked at on either side.
const AROUND: usize = 12;
/// How many of them may have an apostrophe: speech written as it sounds has many.
const APOSTROPHES: usize = 1;

impl Spelling {
    /// With these settings; reads the word lists.
    ///
    /// # Errors
    /// When a setting is out of its range, or a file that it names cannot be read.
    pub fn new(settings: &SpellingSettings) -> Result<Self> {
        settings.check()?;
        let mut listed = Vec::new();
        for path in &settings.word_lists {
            let text = nuwa_files::read_to_string(path)?;
            listed.extend(text.lines().map(str::trim).filter(|word| !word.is_empty()).map(str::to_string));
        }
        Ok(Self {
            settings: settings.clone(),
            listed,
            vocabularies: BTreeMap::new(),
            lexicons: BTreeMap::new(),
            replacements: Mutex::default(),
        })
    }

    fn rules(&self, language: &str) -> Rules {
        let SpellingSettings { known_count, known_documents, threshold, .. } = self.settings;
        Rules { known_count, known_documents, threshold, english: matches!(language, "" | "en") }
    }

    /// What is to be written in which place, in the order of the text.
    fn repairs(&self, document: &Document) -> Vec<Repair> {
        let Some(lexicon) = self.lexicons.get(language_of(document)) else { return Vec::new() };
        let words = Words::of(&document.text);
        if !words.are_latin() {
            return Vec::new();
        }
        let is_unknown = |word: &Word| word.case != Case::Other && lexicon.is_suspect(word.hash);
        let unknown: Vec<bool> = words.all.iter().map(is_unknown).collect();
        let spoken: Vec<bool> = words.all.iter().map(|word| has_apostrophe(&document.text, word)).collect();
        let at_fault = |at: &usize| {
            unknown[*at]
                && words.all[*at].case == Case::Lower
                && around(&unknown, *at) - 1 <= self.settings.unknown_around
                && around(&spoken, *at) <= APOSTROPHES
        };
        let places = (0..words.all.len()).filter(at_fault);
        places.filter_map(|at| repair(lexicon, &document.text, &words.all, at)).collect()
    }

    fn count(&self, repairs: &[Repair], text: &str) {
        let mut counts = self.replacements.lock().unwrap_or_else(PoisonError::into_inner);
        for repair in repairs {
            let wrong = text[repair.word.start..repair.word.end].to_string();
            *counts.entry((wrong, repair.meant.clone())).or_default() += 1;
        }
    }
}

struct Repair {
    word: Word,
    meant: String,
}

fn language_of(document: &Document) -> &str {
    document.lang.as_deref().unwrap_or_default()
}

/// How many words are marked at a place and around it.
fn around(marked: &[bool], at: usize) -> usize {
    let around = &marked[at.saturating_sub(AROUND)..marked.len().min(at + AROUND + 1)];
    around.iter().filter(|marked| **marked).count()
}

fn has_apostrophe(text: &str, word: &Word) -> bool {
    word.case == Case::Other && text[word.start..word.end].contains(['\'', '’'])
}

fn repair(lexicon: &Lexicon, text: &str, words: &[Word], at: usize) -> Option<Repair> {
    let word = words[at];
    let neighbour = |at: Option<usize>| {
        at.and_then(|at| words.get(at)).filter(|word| **word != GAP).map(|word| word.hash)
    };
    let meant = lexicon.meant(&Suspect {
        word: &text[word.start..word.end],
        before: neighbour(at.checked_sub(1)),
        after: neighbour(at.checked_add(1)),
    })?;
    Some(Repair { word, meant: meant.to_string() })
}

fn repaired(text: &str, repairs: &[Repair]) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut done = 0;
    for repair in repairs {
        out.push_str(&text[done..repair.word.start]);
        out.push_str(&repair.meant);
        done = repair.word.end;
    }
    out.push_str(&text[done..]);
    out
}

impl DocumentStep for Spelling {
    fn name(&self) -> &'static str {
        "spelling"
    }

    fn apply(&self, document: &mut Document) -> Verdict {
        let repairs = self.repairs(document);
        if repairs.is_empty() {
            return Verdict::Kept;
        }
        self.count(&repairs, &document.text);
        let text = &document.text;
        let changes = repairs.iter().map(|repair| {
            let wrong = &text[repair.word.start..repair.word.end];
            (wrong.to_string(), Value::String(repair.meant.clone()))
        });
        let changes = Value::Object(changes.collect());
        let text = repaired(text, &repairs);
        document.meta.insert("spelling".into(), changes);
        document.text = text;
        Verdict::Changed
    }

    fn replacements(&self) -> Vec<Replacement> {
        let counts = self.replacements.lock().unwrap_or_else(PoisonError::into_inner);
        let replacement = |((from, to), count): (&(String, String), &u64)| Replacement {
            from: from.clone(),
            to: to.clone(),
            count: *count,
        };
        counts.iter().map(replacement).collect()
    }
}

impl LearningStep for Spelling {
    fn observe(&mut self, batch: &[&Document]) -> Result<()> {
        let words: Vec<Words> = batch.par_iter().map(|document| Words::of(&document.text)).collect();
        let mut by_language: BTreeMap<&str, Vec<(&str, Words)>> = BTreeMap::new();
        for (document, words) in batch.iter().zip(words).filter(|(_, words)| words.are_latin()) {
            by_language.entry(language_of(document)).or_default().push((&document.text, words));
        }
        for (language, documents) in by_language {
            if self.vocabularies.contains_key(language) || self.vocabularies.len() < MOST_LANGUAGES {
                let fresh = || Vocabulary::new(self.settings.max_words);
                self.vocabularies.entry(language.into()).or_insert_with(fresh).observe(&documents);
            }
        }
        Ok(())
    }

    fn conclude(&mut self) -> Result<()> {
        for (language, mut vocabulary) in std::mem::take(&mut self.vocabularies) {
            self.listed.iter().for_each(|word| vocabulary.list(word));
            let lexicon = Lexicon::new(vocabulary, self.rules(&language));
            self.lexicons.insert(language, lexicon);
        }
        Ok(())
    }
}
