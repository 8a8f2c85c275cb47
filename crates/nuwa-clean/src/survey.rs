//! A cleaned corpus at a glance: how long its documents are, in which languages, what was kept, changed, rejected, and
//! what repeats what.
//!
//! Reads the folder that [`crate`] wrote, once (the rejected documents twice). Every figure counts all
//! documents; examples are a few of each kind, chosen by the hash of their ids, so they are the same each time. Memory:
//! the examples, a batch of documents, and 24 bytes for each document that others repeat.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use nuwa_files::Document;
use nuwa_files::Progress;
use nuwa_files::documents::{self, Line, Lines, next_batch};
use nuwa_text::{clip, is_unspaced};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::Result;
use crate::bottom_k_sample::BottomKSample;
use crate::steps::near_duplicates;
use crate::{Change, CleanSummary};

/// The most characters of an example.
const CHARACTERS: usize = 3000;
/// The largest clusters, and how many copies are shown of each.
const CLUSTERS: usize = 12;
const COPIES: usize = 3;
/// Reasons of which examples are kept; reasons are few by their nature.
const REASONS: usize = 500;
/// Languages that are counted by name. Sources may write anything into `lang`, and memory must not grow with it.
const LANGUAGES: usize = 200;

/// What there is in the folder of a cleaned corpus.
#[derive(Debug, Clone, Serialize)]
pub struct Survey {
    /// What cleaning counted: `clean.json`.
    pub cleaning: CleanSummary,
    /// Lengths of the documents that were kept.
    pub kept_lengths: Lengths,
    /// Lengths of the documents that were rejected.
    pub rejected_lengths: Lengths,
    /// What was kept, by language; by script where the language is not known.
    pub kept_languages: Languages,
    /// What was rejected, as it was when it was rejected.
    pub rejected_languages: Languages,
    /// Documents that repeat others.
    pub clusters: Clusters,
    /// Examples of documents that were kept.
    pub kept: Vec<Example>,
    /// Examples of changes, before and after.
    pub changed: Vec<Change>,
    /// Examples of rejected documents, of every step and reason.
    pub rejected: Vec<Example>,
}

/// How many documents have which length.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Lengths {
    /// By class: class `n` are lengths from 2^(n/2) to 2^((n+1)/2) characters; empty texts are in the first.
    pub classes: BTreeMap<u32, u64>,
}

/// How much there is in each language.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Languages {
    /// By code ("en"), by script ("unknown, Latin letters") where the language is not known; beyond two hundred: "others".
    pub shares: BTreeMap<String, Share>,
}

/// A part of the corpus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Documents.
    pub documents: u64,
    /// Bytes of text.
    pub bytes: u64,
}

/// What the duplicate steps found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Clusters {
    /// Documents that were rejected since they repeat another.
    pub copies: u64,
    /// Clusters by size, in documents, the one that was kept included.
    pub sizes: BTreeMap<u64, u64>,
    /// The largest, with examples.
    pub largest: Vec<Cluster>,
}

/// A document and those that repeat it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cluster {
    /// The step that found it.
    pub step: String,
    /// Documents, the one that was kept included.
    pub size: u64,
    /// The document that was kept, where it passed all later steps as well.
    pub original: Option<Example>,
    /// Some of those that were rejected.
    pub copies: Vec<Example>,
}

/// A document to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The document.
    pub id: String,
    /// The path or address it came from.
    pub source: String,
    /// Its language, where known.
    pub lang: Option<String>,
    /// The step that rejected it; empty for others.
    pub step: String,
    /// Why it was rejected.
    pub reason: String,
    /// What concerns only this document: a value, the document it repeats.
    pub detail: String,
    /// The beginning of its text.
    pub text: String,
}

/// A line of `rejected.jsonl.zst`.
#[derive(Deserialize)]
struct Rejected {
    id: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    lang: Option<String>,
    step: String,
    reason: String,
    #[serde(default)]
    detail: String,
    text: String,
}

/// Looks at the cleaned corpus in `folder`, with at most `samples` examples of each kind.
///
/// # Errors
/// When `clean.json` or the documents are absent, or a line is not what cleaning writes.
pub fn survey(folder: &Path, samples: usize, progress: &mut dyn FnMut(Progress)) -> Result<Survey> {
    let cleaning = nuwa_files::read_json(&folder.join("clean.json"))?;
    let mut reading = Reading { done: 0, progress };
    let rejected = reading.rejected(folder, samples)?;
    let mut clusters = reading.clusters(folder, rejected.copies)?;
    let kept = reading.kept(folder, samples, &mut clusters)?;
    let changed = reading.changed(folder, samples)?;
    Ok(Survey {
        cleaning,
        kept_lengths: kept.lengths,
        rejected_lengths: rejected.lengths,
        kept_languages: kept.languages,
        rejected_languages: rejected.languages,
        clusters: clusters.finish(),
        kept: kept.examples.into_values().collect(),
        changed,
        rejected: rejected.examples.into_values().flat_map(BottomKSample::into_values).collect(),
    })
}

/// How much there is in each language of the documents in `folder`.
///
/// # Errors
/// When the documents cannot be read.
pub fn languages(folder: &Path) -> Result<Languages> {
    let mut found = Languages::default();
    let parse = |line: &Line, files: &[PathBuf]| {
        let document = line.parse(files)?;
        Ok(Measured::of(&document.text, document.lang.as_deref()))
    };
    let mut reading = Reading { done: 0, progress: &mut |_| {} };
    reading.each(documents::files(folder)?, parse, |batch| {
        batch.into_iter().for_each(|measured| found.add(measured));
    })?;
    Ok(found)
}

fn one_file(folder: &Path, name: &str) -> Vec<PathBuf> {
    let path = folder.join(name);
    if path.exists() { vec![path] } else { Vec::new() }
}

struct Reading<'a> {
    done: u64,
    progress: &'a mut dyn FnMut(Progress),
}

#[derive(Default)]
struct RejectedDocuments {
    lengths: Lengths,
    languages: Languages,
    examples: BTreeMap<(String, String), BottomKSample<Example>>,
    /// Copies of each document that others repeat, by the hash of what names it.
    copies: HashMap<u64, u32>,
}

struct KeptDocuments {
    lengths: Lengths,
    languages: Languages,
    examples: BottomKSample<Example>,
}

impl Reading<'_> {
    /// Calls `visit` with the values of all lines, a batch at a time.
    fn each<T: Send>(
        &mut self,
        files: Vec<PathBuf>,
        parse: impl Fn(&Line, &[PathBuf]) -> nuwa_files::Result<T> + Sync,
        mut visit: impl FnMut(Vec<T>),
    ) -> Result<()> {
        let mut lines = Lines::open(files.clone());
        loop {
            let batch = next_batch(&mut lines, |line| line.bytes.len())?;
            if batch.is_empty() {
                return Ok(());
            }
            self.done += batch.len() as u64;
            visit(batch.par_iter().map(|line| parse(line, &files)).collect::<Result<_, _>>()?);
            let Self { done, progress } = self;
            progress(Progress {
                task: "reading documents",
                done: *done,
                total: None,
                unit: "documents",
                bytes: None,
            });
        }
    }

    fn rejected(&mut self, folder: &Path, samples: usize) -> Result<RejectedDocuments> {
        let mut found = RejectedDocuments::default();
        let parse = |line: &Line, files: &[PathBuf]| {
            let document: Rejected = line.parse_as(files)?;
            Ok((Measured::of(&document.text, document.lang.as_deref()), document))
        };
        self.each(one_file(folder, "rejected.jsonl.zst"), parse, |batch| {
            for (measured, document) in batch {
                found.lengths.add(measured.characters);
                found.languages.add(measured);
                if let Some(key) = document.repeats() {
                    *found.copies.entry(key).or_default() += 1;
                }
                let kind = (document.step.clone(), document.reason.clone());
                if found.examples.len() < REASONS || found.examples.contains_key(&kind) {
                    let few = found.examples.entry(kind).or_insert_with(|| BottomKSample::new(samples));
                    few.offer(&document.id.clone(), || document.example());
                }
            }
        })?;
        Ok(found)
    }

    /// The sizes of clusters, and examples of the largest.
    fn clusters(&mut self, folder: &Path, copies: HashMap<u64, u32>) -> Result<FoundClusters> {
        let mut found = FoundClusters::of(copies);
        let files = if found.largest.is_empty() { vec![] } else { one_file(folder, "rejected.jsonl.zst") };
        self.each(files, Line::parse_as::<Rejected>, |batch| {
            for document in batch {
                if let Some(cluster) = document.repeats().and_then(|key| found.largest.get_mut(&key)) {
                    cluster.step.clone_from(&document.step);
                    cluster.copies.offer(&document.id.clone(), || document.example());
                }
            }
        })?;
        Ok(found)
    }

    fn kept(&mut self, folder: &Path, samples: usize, clusters: &mut FoundClusters) -> Result<KeptDocuments> {
        let mut found = KeptDocuments {
            lengths: Lengths::default(),
            languages: Languages::default(),
            examples: BottomKSample::new(samples),
        };
        let parse = |line: &Line, files: &[PathBuf]| {
            let document = line.parse(files)?;
            Ok((Measured::of(&document.text, document.lang.as_deref()), document))
        };
        self.each(documents::files(folder)?, parse, |batch| {
            for (measured, document) in batch {
                found.lengths.add(measured.characters);
                found.languages.add(measured);
                clusters.note_original(&document);
                found.examples.offer(&document.id, || Example::of(&document));
            }
        })?;
        Ok(found)
    }

    /// Of the changes that were written, at most `samples` of each step.
    fn changed(&mut self, folder: &Path, samples: usize) -> Result<Vec<Change>> {
        let (mut of_step, mut changed) = (HashMap::new(), Vec::new());
        self.each(one_file(folder, "changed.jsonl.zst"), Line::parse_as::<Change>, |batch| {
            for change in batch {
                let seen: &mut usize = of_step.entry(change.step.clone()).or_default();
                *seen += 1;
                if *seen <= samples {
                    changed.push(change);
                }
            }
        })?;
        Ok(changed)
    }
}

/// What is counted of a document.
struct Measured {
    characters: usize,
    bytes: usize,
    language: String,
}

impl Measured {
    fn of(text: &str, lang: Option<&str>) -> Self {
        Self { characters: text.chars().count(), bytes: text.len(), language: language(text, lang) }
    }
}

impl Rejected {
    /// What names the document that this one repeats: its id, or of an exact copy the text.
    fn repeats(&self) -> Option<u64> {
        if !self.step.contains("duplicates") {
            return None;
        }
        let name = near_duplicates::kept_of(&self.detail).unwrap_or(&self.text);
        Some(xxh3_64(name.as_bytes()))
    }

    fn example(self) -> Example {
        let Self { id, source, lang, step, reason, detail, text } = self;
        Example { id, source, lang, step, reason, detail, text: clip(&text, CHARACTERS) }
    }
}

impl Example {
    fn of(document: &Document) -> Self {
        Self {
            id: document.id.clone(),
            source: document.source.clone(),
            lang: document.lang.clone(),
            text: clip(&document.text, CHARACTERS),
            ..Self::default()
        }
    }

    /// Whether the end of the text was cut off.
    pub fn is_clipped(&self) -> bool {
        self.text.chars().count() > CHARACTERS
    }
}

impl Lengths {
    fn add(&mut self, characters: usize) {
        let characters = characters.max(1) as u128;
        let octave = characters.ilog2();
        let upper_half = characters * characters >= 2 << (2 * octave);
        *self.classes.entry(2 * octave + u32::from(upper_half)).or_default() += 1;
    }
}

impl Languages {
    fn add(&mut self, measured: Measured) {
        let is_counted = self.shares.len() < LANGUAGES || self.shares.contains_key(&measured.language);
        let name = if is_counted { measured.language } else { String::from("others") };
        let share = self.shares.entry(name).or_default();
        share.documents += 1;
        share.bytes += measured.bytes as u64;
    }
}

/// The clusters while examples are looked for.
struct FoundClusters {
    copies: u64,
    sizes: BTreeMap<u64, u64>,
    largest: BTreeMap<u64, LargeCluster>,
}

struct LargeCluster {
    step: String,
    size: u64,
    original: Option<Example>,
    copies: BottomKSample<Example>,
}

impl FoundClusters {
    fn of(copies: HashMap<u64, u32>) -> Self {
        let mut found = Self { copies: 0, sizes: BTreeMap::new(), largest: BTreeMap::new() };
        let mut by_size = BTreeSet::new();
        for (key, count) in copies {
            found.copies += u64::from(count);
            *found.sizes.entry(u64::from(count) + 1).or_default() += 1;
            by_size.insert((Reverse(count), key));
            if by_size.len() > CLUSTERS {
                by_size.pop_last();
            }
        }
        for (Reverse(count), key) in by_size {
            let size = u64::from(count) + 1;
            let cluster = LargeCluster {
                step: String::new(),
                size,
                original: None,
                copies: BottomKSample::new(COPIES),
            };
            found.largest.insert(key, cluster);
        }
        found
    }

    fn note_original(&mut self, document: &Document) {
        if self.largest.is_empty() {
            return;
        }
        for name in [&document.id, &document.text] {
            if let Some(cluster) = self.largest.get_mut(&xxh3_64(name.as_bytes())) {
                cluster.original.get_or_insert_with(|| Example::of(document));
            }
        }
    }

    fn finish(self) -> Clusters {
        let worded = |cluster: LargeCluster| Cluster {
            step: cluster.step,
            size: cluster.size,
            original: cluster.original,
            copies: cluster.copies.into_values().collect(),
        };
        let mut largest: Vec<Cluster> = self.largest.into_values().map(worded).collect();
        largest.sort_by_key(|cluster| Reverse(cluster.size));
        Clusters { copies: self.copies, sizes: self.sizes, largest }
    }
}

/// The language of a document, or the script of its beginning.
fn language(text: &str, lang: Option<&str>) -> String {
    if let Some(language) = lang {
        return language.to_string();
    }
    let letters = text.chars().filter(|character| character.is_alphabetic()).take(500);
    let mut scripts: BTreeMap<&str, usize> = BTreeMap::new();
    letters.for_each(|letter| *scripts.entry(script(letter)).or_default() += 1);
    let most = scripts.into_iter().max_by_key(|(_, count)| *count);
    most.map_or_else(|| String::from("no letters"), |(script, _)| format!("unknown, {script}"))
}

fn script(letter: char) -> &'static str {
    match letter {
        'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{24f}' => "Latin letters",
        '\u{370}'..='\u{3ff}' => "Greek letters",
        '\u{400}'..='\u{52f}' => "Cyrillic letters",
        '\u{590}'..='\u{5ff}' => "Hebrew letters",
        '\u{600}'..='\u{6ff}' => "Arabic letters",
        '\u{900}'..='\u{97f}' => "Devanagari letters",
        '\u{3040}'..='\u{30ff}' => "Kana",
        '\u{ac00}'..='\u{d7af}' => "Hangul",
        letter if is_unspaced(letter) => "Han and other characters",
        _ => "other letters",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_length_are_half_octaves() {
        let class = |characters| {
            let mut lengths = Lengths::default();
            lengths.add(characters);
            *lengths.classes.keys().next().unwrap()
        };
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 8, 11, 12].map(class), [0, 0, 2, 3, 4, 4, 5, 6, 6, 7]);
        assert_eq!(class(1_000_000), 39);
    }

    #[test]
    fn languages_are_named_and_else_scripts() {
        assert_eq!(language("clay", Some("zh")), "zh");
        assert_eq!(language("女娲补天 (Nüwa)", None), "unknown, Latin letters");
        assert_eq!(language("女娲补天", None), "unknown, Han and other characters");
        assert_eq!(language("12 — !", None), "no letters");
    }

    #[test]
    fn languages_beyond_two_hundred_are_counted_together() {
        let mut languages = Languages::default();
        for number in 0..300 {
            languages.add(Measured::of("clay", Some(&format!("{number:03}"))));
        }
        languages.add(Measured::of("clay", Some("007")));
        assert_eq!(languages.shares["007"], Share { documents: 2, bytes: 8 });
        assert_eq!(languages.shares["others"], Share { documents: 100, bytes: 400 });
        assert_eq!(languages.shares.len(), LANGUAGES + 1);
    }
}
