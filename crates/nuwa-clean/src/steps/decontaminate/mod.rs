//! `decontaminate`: rejects documents that hold items of the evaluations to come.
//!
//! Why: a model that has read the questions is measured on its memory (Brown et al. 2020, appendix C,
//! <https://arxiv.org/abs/2005.14165>).
//! How: the strings of each item are compared word by word with the document, regardless of case, punctuation, accents, mark-up
//! and the marks of data sets (`normal`). What a set puts around its items does not count: "Question:", "Answer:", labels of
//! choices, instructions, and what many strings of a field begin or end with (`frames`, `parts`); question, choices and answer are
//! looked for each, and a sentence with a blank also as it reads when a choice fills it (`pieces`).
//! In scripts without blanks each character is compared, and counts as two thirds of a word, so that 20 characters are 13 words.
//! - A string of `words` words or more is found by any run of so many of its words.
//! - A shorter one of at least `short_words` is found where it stands whole, if only one item has it.
//! - What is shorter still, or is asked in several items ("Which of the following is true?"), is found where enough of the
//!   item's other strings stand beside it, `short_words` together, as the question with its choices does; a question that only
//!   one item asks is found as a sentence of its own with one of its choices right behind it.
//! - An item that is shorter than that as a whole must stand there whole, as a sentence or line of its own. One of fewer
//!   than four words is not looked for: it cannot be told from ordinary language.
//!
//! Runs are found by a table of hashes of eight words and then compared word by word.
//! Memory: about 32 bytes a word of the items (twice that where they are framed, more where blanks are filled), none for documents.

mod frames;
mod index;
mod items;
mod normal;
mod parts;
mod pieces;
mod units;

use std::path::PathBuf;

use nuwa_files::Document;
use nuwa_text::clip;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DocumentStep, Labels, Verdict};
use crate::{Error, Result};
use index::{Index, Rules};

/// What must not be in the corpus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DecontaminateSettings {
    /// Files or folders of evaluation items: JSON lines, a JSON list, CSV or TSV (also .gz, .zst).
    /// Without any, the step does nothing.
    pub items: Vec<PathBuf>,
    /// Length of a word n-gram shared with an item that counts as contamination, 8 to 64; a
    /// character of a script without spaces counts as two thirds of a word.
    pub words: usize,
    /// Minimum length, in words, at which a shorter string of an item is matched on its own, 4 to
    /// `words`.
    pub short_words: usize,
}

impl Default for DecontaminateSettings {
    fn default() -> Self {
        Self { items: Vec::new(), words: 13, short_words: 8 }
    }
}

/// The step.
pub struct Decontaminate {
    index: Index,
}

const DETAIL_CHARACTERS: usize = 300;

impl Decontaminate {
    /// With these settings; reads the items.
    ///
    /// # Errors
    /// When a setting is out of its range, or a file that it names cannot be read.
    pub fn new(settings: &DecontaminateSettings) -> Result<Self> {
        let DecontaminateSettings { words, short_words, .. } = *settings;
        let wrong =
            |name, value: usize, expected| Err(Error::Setting { name, value: value.to_string(), expected });
        if !(8..=64).contains(&words) {
            return wrong("clean.decontaminate.words", words, "8 to 64");
        }
        if !(4..=words).contains(&short_words) {
            let expected = "4 or more, and at most clean.decontaminate.words";
            return wrong("clean.decontaminate.short_words", short_words, expected);
        }
        let rules = Rules { words, short_words };
        Ok(Self { index: Index::new(&pieces::of(items::read(&settings.items)?), rules) })
    }

    /// How many items are looked for, and how many are too short for it.
    pub fn items(&self) -> (usize, usize) {
        self.index.items()
    }
}

impl DocumentStep for Decontaminate {
    fn name(&self) -> &'static str {
        "decontaminate"
    }

    fn apply(&self, document: &mut Document) -> Verdict {
        self.apply_and_count(document, &mut Labels::new())
    }

    fn totals(&self) -> Labels {
        let (looked_for, too_short) = self.items();
        let totals = [("items looked for", looked_for), ("items too short to be looked for", too_short)];
        totals
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| (name.into(), count as u64))
            .collect()
    }

    fn apply_and_count(&self, document: &mut Document, labels: &mut Labels) -> Verdict {
        let Some(found) = self.index.find(&document.text) else { return Verdict::Kept };
        *labels.entry(found.file.to_string().into()).or_default() += 1;
        let span = found.said.split_whitespace().collect::<Vec<_>>().join(" ");
        let span = clip(&span, DETAIL_CHARACTERS);
        let detail = format!("{}, item {}: {span}", found.file, found.place);
        Verdict::rejected("holds an evaluation item", detail)
    }
}
