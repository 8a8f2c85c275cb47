//! A guard: what may be asked of a model and what it may say, as far as words, patterns and a classifier can tell.
//!
//! [`Guard::read`] reads it from a TOML file, [`Guard::check`] judges a whole text, [`Guard::stream`] a text that is being written:
//! it lets everything through at once but the longest end that may yet become a match.
//!
//! Texts are compared in a normal form (`normal`): NFKC, lower case, without what is invisible. What this cannot see, such as other
//! words for the same thing, letters written as digits, or other languages, passes; see `docs/guard.md`.
//!
//! ```
//! use nuwa_guard::{Guard, Side};
//!
//! let file = "exceptions = ['bath bomb']\n[[rules]]\ncategory = 'weapons'\nwords = ['bomb', '炸弹']";
//! let guard = Guard::parse(file, "guard.toml".as_ref())?;
//! assert!(guard.check("How is a ＢＯＭＢ made?", Side::Prompt).is_some());
//! assert!(guard.check("How is a bath bomb made, and why is it bombastic?", Side::Prompt).is_none());
//! let mut stream = guard.stream();
//! assert_eq!(stream.push("Clay, and then a bo").release, "Clay, and then a ");
//! assert_eq!(stream.push("wl.").release, "bowl.");
//! # Ok::<(), nuwa_guard::Error>(())
//! ```

#![forbid(unsafe_code)]

mod error;
mod file;
mod normal;
mod pattern;
mod stream;
mod words;

use std::ops::Range;
use std::path::PathBuf;

use nuwa_text::classify::Classifier;
use serde::{Deserialize, Serialize};

use normal::Normal;
use pattern::Pattern;
use words::Words;

pub use error::{Error, Result};
pub use stream::{GuardedStream, Step};

/// Which text is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// What the model is given.
    Prompt,
    /// What the model writes.
    Answer,
}

/// By what a text was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FoundBy {
    /// A word or a phrase.
    Word,
    /// A regular expression.
    Pattern,
    /// A classifier.
    Classifier,
}

/// Why a text is not let through. What the text says is not repeated here: this goes into logs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Blocked {
    /// The category of the rule.
    pub category: String,
    /// What it was found by.
    pub by: FoundBy,
    /// Which text it was found in.
    pub side: Side,
    /// What the user is told.
    #[serde(skip)]
    pub message: String,
}

/// What must not be asked or said.
#[derive(Debug)]
pub struct Guard {
    rules: Vec<Rule>,
    words: Words,
    patterns: Vec<(Pattern, usize)>,
    classifiers: Vec<RuleClassifier>,
    /// Where decisions are kept, without texts.
    pub log: Option<PathBuf>,
}

#[derive(Debug)]
struct Rule {
    category: String,
    on: Vec<Side>,
    message: String,
}

#[derive(Debug)]
struct RuleClassifier {
    rule: Rule,
    classifier: Classifier,
    threshold: f32,
}

impl Rule {
    fn blocked(&self, by: FoundBy, side: Side) -> Blocked {
        Blocked { category: self.category.clone(), by, side, message: self.message.clone() }
    }
}

/// What a look at a text found.
struct Scan {
    /// The first match, and where in the written text it begins.
    blocked: Option<(usize, Blocked)>,
    /// From where on the written text may become a match; its end where it may not.
    open: usize,
}

/// A match of a rule in the compared text.
struct Candidate {
    place: Range<usize>,
    rule: usize,
    by: FoundBy,
}

impl Guard {
    /// Why this text is not let through; none where it is.
    pub fn check(&self, text: &str, side: Side) -> Option<Blocked> {
        let scan = self.scan(text, 0, side, true);
        scan.blocked.map(|(_, blocked)| blocked).or_else(|| self.classified(text, side))
    }

    /// Guards an answer while it is written.
    pub fn stream(&self) -> GuardedStream<'_> {
        GuardedStream::new(self)
    }

    /// The categories of its rules and classifiers, each once.
    pub fn categories(&self) -> Vec<&str> {
        let own = self.rules.iter().chain(self.classifiers.iter().map(|classifier| &classifier.rule));
        let mut names: Vec<&str> = own.map(|rule| rule.category.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn classified(&self, text: &str, side: Side) -> Option<Blocked> {
        let mut own = self.classifiers.iter().filter(|own| own.rule.on.contains(&side));
        let found = own.find(|own| own.classifier.probability(text) >= own.threshold)?;
        Some(found.rule.blocked(FoundBy::Classifier, side))
    }

    /// Looks for words and patterns in what stands from byte `from` of `written` on; if it is not `whole`, it may go on.
    fn scan(&self, written: &str, from: usize, side: Side, whole: bool) -> Scan {
        let normal = Normal::of(written);
        let from = normal.byte_at(from);
        let words = self.words.find(&normal.text, from, whole);
        let mut open: Vec<usize> = words.open.into_iter().collect();
        let by_word = words.blocked.into_iter();
        let mut candidates: Vec<Candidate> =
            by_word.map(|(place, rule)| Candidate { place, rule, by: FoundBy::Word }).collect();
        for (pattern, rule) in self.patterns.iter().filter(|(_, rule)| self.rules[*rule].on.contains(&side)) {
            let found = pattern.find(&normal.text, from, whole);
            open.extend(found.open);
            let matches = found.matches.into_iter();
            candidates.extend(matches.map(|place| Candidate { place, rule: *rule, by: FoundBy::Pattern }));
        }
        candidates.retain(|found| self.rules[found.rule].on.contains(&side));
        let covers = |allowed: &Range<usize>, place: &Range<usize>| {
            allowed.start <= place.start && allowed.end >= place.end
        };
        candidates.retain(|found| !words.allowed.iter().any(|allowed| covers(allowed, &found.place)));
        let may_be_allowed =
            |found: &Candidate| words.open_exception.is_some_and(|start| start <= found.place.start);
        let (waiting, sure): (Vec<_>, Vec<_>) = candidates.into_iter().partition(may_be_allowed);
        open.extend(waiting.iter().map(|found| found.place.start));
        let first = sure.into_iter().min_by_key(|found| (found.place.end, found.place.start));
        let place_of = |at: usize| normal.places[at];
        Scan {
            blocked: first
                .map(|found| (place_of(found.place.start), self.rules[found.rule].blocked(found.by, side))),
            open: open.into_iter().min().map_or(written.len(), place_of),
        }
    }
}

#[cfg(test)]
mod tests;
