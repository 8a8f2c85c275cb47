//! What steps changed, before and after: `changed.jsonl.zst` holds some documents of each step, for people to look at.
//!
//! Which documents is decided by a hash of their ids, so that the text before a step is kept only of those that may be
//! chosen. Memory: at most 50 documents of each step, 16 KB of each text.

use std::path::Path;

use nuwa_files::Document;
use nuwa_files::documents::{LinesWriter, lines_path};
use nuwa_text::clip;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::bottom_k_sample::BottomKSample;

/// The documents of each step that are written.
const OF_EACH_STEP: usize = 50;
/// The most characters that are written of a text, and how many of them lie before the first difference.
const CHARACTERS: usize = 4000;
const CHARACTERS_BEFORE: usize = 300;

/// A document that a step changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The document.
    pub id: String,
    /// The path or address it came from.
    pub source: String,
    /// The step that changed it.
    pub step: String,
    /// The text that reached the step, from a little before the first difference.
    pub before: String,
    /// The same part of the text that left it.
    pub after: String,
}

/// The changes that are kept of each step.
pub(super) struct Changes(Vec<BottomKSample<Change>>);

/// Which hashes of ids belong to the few of each step, as far as is known.
pub(super) struct Limits(Vec<u64>);

impl Changes {
    pub fn new(steps: usize) -> Self {
        Self(vec![BottomKSample::new(OF_EACH_STEP); steps])
    }

    pub fn limits(&self) -> Limits {
        Limits(self.0.iter().map(BottomKSample::limit).collect())
    }

    /// Takes the changes by the step at `position` of the chain that belong to its few.
    pub fn add(&mut self, changes: &mut Vec<(usize, Change)>) {
        for (position, change) in changes.drain(..) {
            self.0[position].offer(&change.id.clone(), || change);
        }
    }

    /// All that are kept so far.
    pub fn kept(&self) -> Vec<Vec<Change>> {
        self.0.iter().map(|few| few.values().cloned().collect()).collect()
    }

    /// Goes on from changes that were kept earlier.
    pub fn resume(&mut self, kept: Vec<Vec<Change>>) {
        for (position, changes) in kept.into_iter().enumerate() {
            self.add(&mut changes.into_iter().map(|change| (position, change)).collect());
        }
    }

    pub fn write(self, out: &Path) -> Result<()> {
        let mut writer = LinesWriter::new(lines_path(out, "changed"));
        let all: Vec<Change> = self.0.into_iter().flat_map(BottomKSample::into_values).collect();
        writer.write(&all)?;
        writer.finish()?;
        Ok(())
    }
}

impl Limits {
    /// Whether a change of the document whose `id` has this [`hash`] by the step at `position` might be kept.
    pub fn want(&self, hash: u64, position: usize) -> bool {
        hash < self.0[position]
    }
}

impl Change {
    /// Of a document that a step has changed, with the text before.
    pub fn of(document: &Document, step: &str, before: &str) -> Self {
        let after = &document.text;
        let same = before.bytes().zip(after.bytes()).take_while(|(one, other)| one == other).count();
        let start = before[..before.floor_char_boundary(same)]
            .char_indices()
            .rev()
            .nth(CHARACTERS_BEFORE)
            .map_or(0, |(at, _)| at);
        let excerpt = |text: &str| {
            let cut = if start > 0 { "…" } else { "" };
            format!("{cut}{}", clip(&text[start..], CHARACTERS))
        };
        Self {
            id: document.id.clone(),
            source: document.source.clone(),
            step: step.to_string(),
            before: excerpt(before),
            after: excerpt(after),
        }
    }

    /// Whether the end of one of the texts was cut off.
    pub fn is_clipped(&self) -> bool {
        [&self.before, &self.after].iter().any(|text| text.chars().count() > CHARACTERS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_begin_before_the_difference() {
        let before = "女娲".repeat(1000) + "é and more " + &"x".repeat(9000);
        let after = "女娲".repeat(1000) + "è and more " + &"x".repeat(9000);
        let document = Document { text: after, ..Document::default() };
        let change = Change::of(&document, "unicode", &before);
        assert_eq!(change.before.chars().nth(302), Some('é'));
        assert_eq!(change.after.chars().nth(302), Some('è'));
        assert_eq!(change.before.chars().count(), CHARACTERS + 2);
        assert!(change.is_clipped());
        let shorter =
            Change::of(&Document { text: "ab".into(), ..Document::default() }, "whitespace", "ab \n");
        assert!(!shorter.is_clipped());
        assert_eq!((shorter.before.as_str(), shorter.after.as_str()), ("ab \n", "ab"));
    }
}
