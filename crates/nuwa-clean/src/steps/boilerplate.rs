//! `boilerplate`: takes out lines that recur over the documents of a source.
//!
//! Why: menus, notices and the headings of a template stand on every page of a site; a model learns them by heart and little else
//! from them (Bar-Yossef and Rajagopalan 2002, "Template Detection via Data Mining", <https://doi.org/10.1145/511446.511522>).
//! How: a source is the host of an address, a file of many documents, or the folder of files with one document each. The first
//! pass counts in how many documents of its source each line stands, regardless of case, marks and blanks. Lines in at least
//! `share` of them go, and so do lines whose first two words begin a line in `beginning_share` of them ("Last changed:
//! Monday"). Blocks go line by line. Kept are code between fences, lines without words, and sources of fewer than `min_documents` documents.
//! A document of which no word is left is rejected.
//! Not in the general chain: questions and answers that all begin with the same label lose it.
//! Memory: 12 bytes for each recurring line, of which the most frequent are kept where `clean.memory` does not suffice; besides
//! it what the sort may use. Disk: 16 bytes for each different line of a document, and for each beginning of one.

use nuwa_files::Document;
use nuwa_text::{for_each_word, mix};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::spill::{Sorted, Sorter};
use crate::{DocumentStep, Labels, LearningStep, Verdict, Workspace};
use crate::{Error, Result};

/// What counts as recurring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BoilerplateSettings {
    /// Minimum number of documents of a source that contain the line; at least 2.
    pub min_documents: u32,
    /// Minimum share of a source's documents that contain the line, above 0 to 1.
    pub share: f64,
    /// Minimum share of a source's documents that contain lines with the same first two words for
    /// all of these lines to be removed, above 0; more than 1 turns this off.
    pub beginning_share: f64,
}

impl Default for BoilerplateSettings {
    fn default() -> Self {
        Self { min_documents: 10, share: 0.2, beginning_share: 0.9 }
    }
}

/// The step.
#[derive(Debug)]
pub struct Boilerplate {
    settings: BoilerplateSettings,
    memory: usize,
    /// While lines are counted: the source and a line of it, once for each document.
    lines: Option<Sorter<(u64, u64)>>,
    /// In the end: the recurring ones, in order.
    recurring: Vec<u64>,
}

impl Boilerplate {
    /// With these settings.
    ///
    /// # Errors
    /// When a setting is out of its range, or a file that it names cannot be read.
    pub fn new(settings: &BoilerplateSettings) -> Result<Self> {
        let BoilerplateSettings { min_documents, share, beginning_share } = *settings;
        let wrong = |name, value: String, expected| Err(Error::Setting { name, value, expected });
        if min_documents < 2 {
            return wrong("clean.boilerplate.min_documents", min_documents.to_string(), "2 or more");
        }
        if !(share > 0.0 && share <= 1.0) {
            return wrong("clean.boilerplate.share", share.to_string(), "above 0, up to 1");
        }
        if !(beginning_share > 0.0 && beginning_share.is_finite()) {
            let value = beginning_share.to_string();
            return wrong("clean.boilerplate.beginning_share", value, "above 0");
        }
        Ok(Self { settings: settings.clone(), memory: 0, lines: None, recurring: Vec::new() })
    }

    /// The recurring keys of one source after the other.
    fn recurring(&self, records: Sorted<(u64, u64)>) -> Result<Vec<u64>> {
        let mut most_frequent = MostFrequent::new(self.memory / size_of::<(u32, u64)>() / 8);
        let mut documents = 0;
        let mut counted: Option<((u64, u64), u32)> = None;
        let mut end = |record: (u64, u64), count: u32| match record.1 {
            DOCUMENT => documents = count,
            key if self.is_recurring(key, count, documents) => most_frequent.add(key, count),
            _ => {}
        };
        for record in records {
            let record = record?;
            match &mut counted {
                Some((same, count)) if *same == record => *count = count.saturating_add(1),
                _ => {
                    if let Some((before, count)) = counted.replace((record, 1)) {
                        end(before, count);
                    }
                }
            }
        }
        if let Some((record, count)) = counted {
            end(record, count);
        }
        Ok(most_frequent.into_keys())
    }

    fn is_recurring(&self, key: u64, count: u32, documents: u32) -> bool {
        let BoilerplateSettings { min_documents, share, beginning_share } = self.settings;
        let share = if is_beginning(key) { beginning_share } else { share };
        count >= min_documents && f64::from(count) >= share * f64::from(documents)
    }

    fn is_boilerplate(&self, source: u64, line: &str) -> bool {
        let Some(keys) = Keys::of(source, line) else { return false };
        let recurs = |key: u64| self.recurring.binary_search(&key).is_ok();
        recurs(keys.line) || keys.beginning.is_some_and(recurs)
    }
}

/// In the place of a line: the document itself.
const DOCUMENT: u64 = 0;
/// Words that make a beginning, and the fewest words of a line that has one.
const BEGINNING: usize = 2;
const LINE_WITH_BEGINNING: usize = 3;

/// A line, and its beginning, of one source; the lowest bit tells them apart, and none is [`DOCUMENT`].
struct Keys {
    line: u64,
    beginning: Option<u64>,
}

fn is_beginning(key: u64) -> bool {
    key & 1 == 1
}

impl Keys {
    /// Of a line that has words.
    fn of(source: u64, line: &str) -> Option<Self> {
        let (mut words, mut hash, mut beginning) = (0, source, source);
        for_each_word(line, |word| {
            words += 1;
            hash = mix(hash, word.hash);
            if words == BEGINNING {
                beginning = hash;
            }
        });
        (words > 0).then_some(Self {
            line: (hash & !1).max(2),
            beginning: (words >= LINE_WITH_BEGINNING).then_some(beginning | 1),
        })
    }
}

/// Where a document comes from: the host of an address, a file of many documents, else the file's folder.
fn source(document: &Document) -> u64 {
    let source = document.source.as_str();
    let of_many = document.id.contains('#');
    let name = match source.split_once("://") {
        Some((_, rest)) => rest.split(['/', '?', '#']).next().unwrap_or_default(),
        None if of_many => source,
        None => source.rfind(['/', '\\']).map_or("", |end| &source[..end]),
    };
    xxh3_64(name.as_bytes())
}

/// The lines of `text` with their line ends, and whether each is code between fences.
fn lines(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut fence: Option<&str> = None;
    text.split_inclusive('\n').map(move |line| {
        let mark = line.trim_start().get(..3).filter(|mark| ["```", "~~~"].contains(mark));
        let is_code = fence.is_some() || mark.is_some();
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            _ => {}
        }
        (line, is_code)
    })
}

/// Each different line and beginning once.
fn keys(document: &Document) -> Vec<u64> {
    let source = source(document);
    let prose = lines(&document.text).filter(|(_, is_code)| !is_code);
    let keys = prose.filter_map(|(line, _)| Keys::of(source, line));
    let mut keys: Vec<u64> = keys.flat_map(|keys| [Some(keys.line), keys.beginning]).flatten().collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Keys with their counts; where there are too many, half of them, the rarest, go.
struct MostFrequent {
    most: usize,
    found: Vec<(u32, u64)>,
}

impl MostFrequent {
    fn new(most: usize) -> Self {
        Self { most: most.max(1024), found: Vec::new() }
    }

    fn add(&mut self, key: u64, count: u32) {
        if self.found.len() >= self.most {
            self.found.sort_unstable_by(|one, other| other.cmp(one));
            self.found.truncate(self.most / 2);
        }
        self.found.push((count, key));
    }

    fn into_keys(self) -> Vec<u64> {
        let mut keys: Vec<u64> = self.found.into_iter().map(|(_, key)| key).collect();
        keys.sort_unstable();
        keys
    }
}

impl DocumentStep for Boilerplate {
    fn name(&self) -> &'static str {
        "boilerplate"
    }

    fn apply(&self, document: &mut Document) -> Verdict {
        self.apply_and_count(document, &mut Labels::new())
    }

    fn apply_and_count(&self, document: &mut Document, labels: &mut Labels) -> Verdict {
        let source = source(document);
        let (mut kept, mut removed) = (String::with_capacity(document.text.len()), 0);
        // Blank lines around what goes become one.
        let mut after_gap = false;
        for (line, is_code) in lines(&document.text) {
            let is_blank = line.trim().is_empty();
            if !is_code && !is_blank && self.is_boilerplate(source, line) {
                removed += 1;
                after_gap = kept.is_empty() || kept.ends_with("\n\n");
            } else if !(is_blank && after_gap) {
                kept.push_str(line);
                after_gap = false;
            }
        }
        if removed == 0 {
            return Verdict::Kept;
        }
        *labels.entry("lines".into()).or_default() += removed;
        if !kept.contains(char::is_alphanumeric) {
            return Verdict::rejected("nothing but boilerplate", "");
        }
        kept.truncate(kept.trim_end().len());
        document.text = kept;
        Verdict::Changed
    }
}

impl LearningStep for Boilerplate {
    fn begin(&mut self, workspace: &Workspace) -> Result<()> {
        self.memory = workspace.memory;
        self.lines = Some(Sorter::new(&workspace.folder, "lines", workspace.memory));
        Ok(())
    }

    fn observe(&mut self, batch: &[&Document]) -> Result<()> {
        let seen: Vec<(u64, Vec<u64>)> =
            batch.par_iter().map(|document| (source(document), keys(document))).collect();
        let sorter = self.lines.as_mut().expect("the step was begun");
        for (source, keys) in seen {
            for key in std::iter::once(DOCUMENT).chain(keys) {
                sorter.push((source, key))?;
            }
        }
        Ok(())
    }

    fn conclude(&mut self) -> Result<()> {
        let sorter = self.lines.take().expect("the step was begun");
        self.recurring = self.recurring(sorter.finish()?)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(documents: &mut [Document], settings: &BoilerplateSettings) -> Vec<Verdict> {
        let folder = tempfile::tempdir().unwrap();
        let mut step = Boilerplate::new(settings).unwrap();
        step.begin(&Workspace { folder: folder.path().into(), memory: 0 }).unwrap();
        for batch in documents.chunks(3) {
            step.observe(&batch.iter().collect::<Vec<_>>()).unwrap();
        }
        step.conclude().unwrap();
        documents.iter_mut().map(|document| step.apply(document)).collect()
    }

    fn page(site: &str, number: usize, text: &str) -> Document {
        let source = format!("https://{site}/page/{number}");
        let text = format!(
            "# Home\n\nLast changed: day {number}\n\n{text} {number}.\nIt is {number}.\n\n```\nHome\n```\n\n- Imprint\n"
        );
        Document { id: source.clone(), source, text, ..Document::default() }
    }

    #[test]
    fn what_recurs_on_a_site_goes_and_its_own_stays() {
        let mut pages: Vec<Document> =
            (0..12).map(|number| page("a.org", number, "Clay has number")).collect();
        pages.extend((0..5).map(|number| page("b.org", number, "Ropes have number")));
        let settings = BoilerplateSettings { beginning_share: 1.1, ..Default::default() };
        let without_beginnings = {
            let mut pages = pages.clone();
            cleaned(&mut pages, &settings);
            pages[3].text.clone()
        };
        assert_eq!(
            without_beginnings,
            "Last changed: day 3\n\nClay has number 3.\nIt is 3.\n\n```\nHome\n```"
        );
        let of_b = pages[12].text.clone();
        let verdicts =
            cleaned(&mut pages, &BoilerplateSettings { beginning_share: 0.9, ..Default::default() });
        assert_eq!(pages[12].text, of_b, "five pages are too few to know");
        assert_eq!((&verdicts[3], &verdicts[12]), (&Verdict::Changed, &Verdict::Kept));
    }

    #[test]
    fn lines_that_begin_alike_go_and_empty_documents_too() {
        let mut pages: Vec<Document> = (0..12)
            .map(|number| Document {
                id: format!("lines.jsonl#{number}"),
                source: "lines.jsonl".into(),
                text: format!("Changed on day {number}\n女娲补天{number}号石\nThe {number} stones."),
                ..Document::default()
            })
            .collect();
        pages[11].text = "Changed on Sunday".into();
        let verdicts = cleaned(&mut pages, &BoilerplateSettings::default());
        // All but one begin the second line alike, too.
        assert_eq!(pages[5].text, "The 5 stones.");
        assert_eq!(verdicts[11], Verdict::rejected("nothing but boilerplate", ""));
    }

    #[test]
    fn sources_are_hosts_files_of_many_or_folders() {
        let of = |id: &str, source_path: &str| {
            source(&Document { id: id.into(), source: source_path.into(), ..Document::default() })
        };
        assert_eq!(of("x", "https://a.org/b?c"), of("y", "http://a.org"));
        assert_ne!(of("x", "https://a.org/b"), of("y", "https://b.org/b"));
        assert_eq!(of("a/b.html", "in/a/b.html"), of("a/c.html", "in/a/c.html"));
        assert_ne!(of("a.jsonl#1", "in/a.jsonl"), of("b.jsonl#1", "in/b.jsonl"));
        assert_eq!(of("a.txt", "a.txt"), of("b.txt", "b.txt"));
    }

    #[test]
    fn too_many_recurring_lines_leave_the_most_frequent() {
        let mut most = MostFrequent::new(0);
        (0..5000u64).for_each(|key| most.add(key, if key < 100 { 9 } else { 3 }));
        let keys = most.into_keys();
        assert!(keys.len() <= 1024 && (0..100).all(|key| keys.binary_search(&key).is_ok()));
    }
}
