//! The bias report: how often groups of terms occur in a corpus, and in what company, before and after cleaning.
//!
//! What a model associates with whom it has from its text. The report makes that visible for groups such as women and
//! men: which share of the words are theirs, and which words stand near theirs more often than chance would have it
//! (pointwise mutual information, Church and Hanks 1990, <https://aclanthology.org/J90-1003/>). It removes nothing.
//! Other groups, for any language, come from a file:
//!
//! ```toml
//! [nurses]
//! en = ["nurse", "nurses"]
//! zh = ["护士"]
//! ```

mod census;
mod groups;
mod report;
mod words;

use std::path::PathBuf;
use std::sync::Arc;

use nuwa_files::Document;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};
use census::{Census, Tally};
use groups::Groups;

pub use report::{Beside, BiasReport, GroupReport, Report, TermCount};

/// Whether and how the company of terms is counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BiasSettings {
    /// Write bias.json next to clean.json: how often each group is mentioned, and with which words.
    pub report: bool,
    /// A TOML file of groups: a table per group, with a list of terms per language. If unset:
    /// female, male, old and young, in English and Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<PathBuf>,
    /// Window size: words before and after a term that count as its context (characters in
    /// Chinese), 1 to 100.
    pub window: usize,
    /// Number of context words listed per group, 1 to 1000.
    pub top: usize,
}

impl Default for BiasSettings {
    fn default() -> Self {
        Self { report: true, groups: None, window: 5, top: 30 }
    }
}

/// The counting while the documents pass by.
pub(crate) struct Bias {
    window: usize,
    top: usize,
    before: Census,
    after: Census,
}

/// Counts that may be written down and taken up again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tallies {
    before: Tally,
    after: Tally,
}

impl Bias {
    /// None where no report is wanted.
    pub(crate) fn new(settings: &BiasSettings) -> Result<Option<Self>> {
        let BiasSettings { report, window, top, .. } = *settings;
        for (name, value, range, expected) in [
            ("clean.bias.window", window, 1..=100, "1 to 100"),
            ("clean.bias.top", top, 1..=1000, "1 to 1000"),
        ] {
            if !range.contains(&value) {
                return Err(Error::Setting { name, value: value.to_string(), expected });
            }
        }
        if !report {
            return Ok(None);
        }
        let groups = Arc::new(Groups::read(settings.groups.as_deref())?);
        let [before, after] = [groups.clone(), groups].map(|groups| Census::new(groups, window));
        Ok(Some(Self { window, top, before, after }))
    }

    pub(crate) fn before(&mut self, batch: &[&Document]) {
        self.before.observe(batch);
    }

    pub(crate) fn after(&mut self, batch: &[&Document]) {
        self.after.observe(batch);
    }

    /// The counts so far, before and after.
    pub(crate) fn tallies(&self) -> Tallies {
        Tallies { before: self.before.tally().clone(), after: self.after.tally().clone() }
    }

    /// Goes on from counts of earlier.
    pub(crate) fn resume(&mut self, tallies: Tallies) {
        self.before.resume(tallies.before);
        self.after.resume(tallies.after);
    }

    pub(crate) fn report(&self) -> BiasReport {
        let Self { window, top, before, after } = self;
        BiasReport { window: *window, before: before.report(*top), after: after.report(*top) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str, lang: Option<&str>, number: usize) -> Document {
        let (id, lang) = (format!("d{number}"), lang.map(String::from));
        Document { id, text: text.into(), lang, ..Default::default() }
    }

    fn report(documents: &[Document]) -> Report {
        let mut bias = Bias::new(&BiasSettings::default()).unwrap().unwrap();
        bias.after(&documents.iter().collect::<Vec<_>>());
        bias.report().after
    }

    fn group<'a>(report: &'a Report, name: &str) -> &'a GroupReport {
        report.groups.iter().find(|group| group.name == name).unwrap()
    }

    #[test]
    fn terms_are_counted_by_group_and_document() {
        let documents = [
            document("She saw her MOTHER. The old man slept; man!", Some("en"), 0),
            document("他说她来了。其他人没来。", Some("zh"), 1),
            document("other words", None, 2),
        ];
        let report = report(&documents);
        let (female, male, old) = (group(&report, "female"), group(&report, "male"), group(&report, "old"));
        assert_eq!((female.count, female.documents), (4, 2));
        assert_eq!((male.count, male.documents), (2, 2));
        assert_eq!((old.count, old.terms[0].term.as_str()), (1, "old man"));
        assert_eq!(report.words, 9 + 10 + 2);
    }

    #[test]
    fn company_is_ranked_by_how_far_it_is_above_chance() {
        let line = |number: usize| match number % 2 {
            0 => format!(
                "Then she took the needle and the thread number {} of the house. {}",
                number,
                "All was still. ".repeat(6)
            ),
            _ => format!(
                "Then he took the hammer and the nail number {} of the house. {}",
                number,
                "All was still. ".repeat(6)
            ),
        };
        let documents: Vec<Document> = (0..40).map(|number| document(&line(number), None, number)).collect();
        let report = report(&documents);
        let words = |name| group(&report, name).beside.iter().map(|one| one.word.clone()).collect::<Vec<_>>();
        let (female, male) = (words("female"), words("male"));
        assert!(
            female[..2].contains(&"needle".to_string()) && !female.contains(&"hammer".to_string()),
            "{female:?}"
        );
        assert!(male[..2].contains(&"hammer".to_string()), "{male:?}");
        let (needle, still) =
            (&group(&report, "female").beside[0], female.iter().position(|word| word == "still"));
        assert!(needle.pmi > 1.0 && needle.count == 20 && still.is_none(), "{needle:?}");
    }

    #[test]
    fn a_large_corpus_is_sampled_and_the_counts_stay_true() {
        let text = format!("she {}", "word ".repeat(2000));
        let documents: Vec<Document> = (0..3000).map(|number| document(&text, None, number)).collect();
        let mut census = Bias::new(&BiasSettings::default()).unwrap().unwrap();
        documents.chunks(500).for_each(|batch| census.before(&batch.iter().collect::<Vec<_>>()));
        let report = census.report().before;
        assert!(report.analysed_bytes < report.bytes / 2, "{report:?}");
        let count = group(&report, "female").count as f64;
        assert!((count / 3000.0 - 1.0).abs() < 0.1, "{count}");
    }

    #[test]
    fn groups_come_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groups.toml");
        let with = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Bias::new(&BiasSettings { groups: Some(path.clone()), ..Default::default() })
        };
        assert!(with("[nurses]\nen = [\"nurse\"]\n").is_ok());
        let problem = |text: &str| {
            with(text).err().unwrap().to_string().replace(&folder.path().display().to_string(), "DIR")
        };
        assert_eq!(
            problem("[nurses]\nen = \"nurse\"\n"),
            "DIR/groups.toml: line 2: invalid type: string \"nurse\", expected a sequence"
        );
        assert_eq!(problem(""), "DIR/groups.toml: no group has a term");
    }
}
