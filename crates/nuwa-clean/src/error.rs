use std::collections::BTreeMap;
use std::path::PathBuf;

use nuwa_files::Remedy;

/// What can go wrong while documents are cleaned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] nuwa_files::Error),
    /// A classifier is at fault.
    #[error(transparent)]
    Text(#[from] nuwa_text::Error),
    /// A file of zero characters, or of nothing but blanks.
    #[error("{} is empty", path.display())]
    EmptyFile {
        /// The file.
        path: PathBuf,
    },
    /// No document survived cleaning.
    #[error("cleaning step `{step}` rejected the last of {documents} documents{}", counts(reasons))]
    EverythingRejected {
        /// The step after which nothing was left.
        step: String,
        /// How many documents cleaning began with.
        documents: u64,
        /// That step's rejections, by reason.
        reasons: BTreeMap<String, u64>,
        /// The settings that keep such documents; empty for a chain of one's own.
        way_out: Vec<String>,
    },
    /// Text of which no share was asked for.
    #[error("{setting} gives no weight to {what}")]
    MixUnnamed {
        /// The setting.
        setting: &'static str,
        /// A source or a language.
        what: String,
    },
    /// A share of text that is not there.
    #[error("{setting}.{name}: no document belongs to it; there are {}", some(known))]
    MixUnknown {
        /// The setting.
        setting: &'static str,
        /// The name in it.
        name: String,
        /// Some of what there is.
        known: Vec<String>,
    },
    /// Shares of sources and of languages that exclude each other.
    #[error(
        "{setting}.{name}: a share of {:.1} % cannot be had together with the other shares, at best {:.1} %",
        100.0 * asked,
        100.0 * reached
    )]
    MixImpossible {
        /// The setting.
        setting: &'static str,
        /// The name in it.
        name: String,
        /// The share asked for.
        asked: f64,
        /// The share at which the search ended.
        reached: f64,
    },
    /// A setting outside its range.
    #[error("{name} = {value}: expected {expected}")]
    Setting {
        /// The setting's name, as in a recipe.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A list of words that no search can be made of.
    #[error("{}: {problem}", path.display())]
    WordList {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of groups of terms that cannot be used.
    #[error("{}: {problem}", path.display())]
    TermGroups {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with the line.
        problem: String,
    },
    /// A file of evaluation items that cannot be read as such.
    #[error("{}, item {place}: {problem}", path.display())]
    Items {
        /// The file or folder.
        path: PathBuf,
        /// The line, or the item's number in a list, counted from 1.
        place: usize,
        /// What is wrong there.
        problem: String,
    },
    /// The tokenizer failed on a document.
    #[error("cannot tokenize document {id}: {problem}")]
    Tokenize {
        /// The document's id.
        id: String,
        /// What the tokenizer answered.
        problem: String,
    },
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The settings with which the same documents would be cleaned.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::EverythingRejected { way_out, .. } if !way_out.is_empty() => Some(Remedy {
                purpose: "look at rejected.jsonl.zst; to keep such documents, add".into(),
                settings: way_out.clone(),
            }),
            _ => None,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        if let Some(remedy) = self.remedy() {
            return Some(remedy.to_string());
        }
        let hint = match self {
            Self::File(error) => return error.hint(),
            Self::Text(error) => return error.hint(),
            Self::EmptyFile { .. } => "give a file with some text in it".into(),
            Self::EverythingRejected { .. } => {
                "look at rejected.jsonl.zst, then relax that step or leave it out".into()
            }
            Self::MixUnnamed { setting, .. } => {
                format!("add a name that fits it, or give all the rest a weight (0 leaves it out): {setting}.others = 1")
            }
            Self::MixUnknown { setting, .. } => {
                format!("write a whole part of a path or a code of a language, or take it out of {setting}")
            }
            Self::MixImpossible { .. } => {
                "a source has only the languages it has: ask for shares of sources or of languages, not both".into()
            }
            Self::Setting { .. } => "correct the value in the recipe".into(),
            Self::WordList { .. } => "give one word or phrase a line, and fewer of them".into(),
            Self::TermGroups { .. } => {
                "a group is a table with lists of terms by language: [nurses] and below it en = [\"nurse\", \"nurses\"]"
                    .into()
            }
            Self::Items { .. } => {
                "items are JSON lines, a JSON list, or CSV or TSV with a header; name such files in \
                clean.decontaminate.items"
                    .into()
            }
            Self::Tokenize { .. } => {
                "train the tokenizer on this corpus, or use one that covers all bytes".into()
            }
        };
        Some(hint)
    }
}

/// The first few of what there is.
fn some(known: &[String]) -> String {
    let named: Vec<&str> = known.iter().take(8).map(String::as_str).collect();
    let more = if known.len() > named.len() { " ..." } else { "" };
    format!("{}{more}", named.join(", "))
}

/// " (2 empty, 1 a PNG image)", or nothing.
fn counts(reasons: &BTreeMap<String, u64>) -> String {
    if reasons.is_empty() {
        return String::new();
    }
    let list: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    format!(" ({})", list.join(", "))
}
