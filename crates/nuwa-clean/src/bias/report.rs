//! The content of `bias.json`.

use serde::{Deserialize, Serialize};

/// The corpus as it came in and as it went out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BiasReport {
    /// Words on either side of a term that count as near it (characters in scripts without blanks).
    pub window: usize,
    /// Before cleaning.
    pub before: Report,
    /// After it.
    pub after: Report,
}

/// A corpus; the groups come in the same order in every report of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Documents.
    pub documents: u64,
    /// Bytes of text.
    pub bytes: u64,
    /// Bytes of the documents that were looked at; where these are fewer, the counts below are estimates.
    pub analysed_bytes: u64,
    /// Words (characters in scripts without blanks).
    pub words: u64,
    /// The groups by name.
    pub groups: Vec<GroupReport>,
}

/// One group of terms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupReport {
    /// Its name.
    pub name: String,
    /// How often its terms stand in the corpus.
    pub count: u64,
    /// The same for a million words.
    pub per_million_words: f64,
    /// Documents that have one of its terms.
    pub documents: u64,
    /// The terms that occur, the most frequent first.
    pub terms: Vec<TermCount>,
    /// The words that stand near its terms, most above chance first.
    pub beside: Vec<Beside>,
}

/// How often a term occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermCount {
    /// The term.
    pub term: String,
    /// How often.
    pub count: u64,
}

/// A word near the terms of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// The word, or two characters of a script without blanks.
    pub word: String,
    /// How often it stands near one of the terms.
    pub count: u64,
    /// Pointwise mutual information in bits: log2 of how much more often than chance would have it.
    pub pmi: f64,
}
