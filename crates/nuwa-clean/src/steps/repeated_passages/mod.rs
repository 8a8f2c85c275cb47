//! `repeated-passages`: cuts passages that stand earlier in the corpus, in another document or in the same.
//!
//! Why: near duplicates are told by whole documents; a licence, a quotation or a press release within different documents is
//! learned by heart all the same (Lee et al. 2022, "Deduplicating Training Data Makes Language Models Better",
//! <https://arxiv.org/abs/2107.06499>, whose "ExactSubstr" cuts what is repeated over 50 tokens).
//! How: a passage is a run of at least `words` words, the same in both places regardless of case, marks and blanks; a word is a run
//! of letters and digits, in scripts without blanks a character. Its first occurrence stays; every later one that does not overlap it is cut, and where it stood a
//! paragraph ends. A document of which no word is left is rejected. Found are exactly the passages that a suffix array would
//! give, in three passes over the documents instead of one array of the whole corpus: the first sorts a few hashes of each document so
//! chosen that equal passages choose equal ones, the second all windows of `words` words around those that occur twice, the third cuts.
//! (Windows are told apart by 96 bits of hash.)
//! Not in the general chain: poems with a refrain, forms, and questions with the same choices lose theirs.
//! Memory: what `clean.memory` allows the sorts, nothing for each document. Disk: about 16 / `words` bytes a word, and 20 bytes for each
//! word of what is repeated.

mod windows;

use std::iter::Peekable;
use std::ops::Range;

use nuwa_files::Document;
use nuwa_text::for_each_word_at;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bloom_filter::BloomFilter;
use crate::pieces::{closes, ends_sentence};
use crate::spill::{Record, Sorted, Sorter};
use crate::{CorpusStep, Labels, Verdict, Workspace};
use crate::{Error, Result};
use windows::{Rolling, fingerprints, units};

/// What counts as a repeated passage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RepeatedPassagesSettings {
    /// Minimum length of a passage, in words (characters, in scripts without spaces), 10 to 1000.
    pub words: usize,
}

impl Default for RepeatedPassagesSettings {
    fn default() -> Self {
        Self { words: 50 }
    }
}

/// The step.
#[derive(Debug)]
pub struct RepeatedPassages {
    words: usize,
    workspace: Workspace,
    state: State,
    /// Words of the documents seen in this pass: a place in the corpus is counted in words.
    place: u64,
    cut: Labels,
}

/// The hash of a window in two parts, and its place in the corpus.
type Window = ((u64, u32), u64);

#[derive(Debug)]
enum State {
    New,
    /// The first pass: a hash for each place that a window has chosen.
    Choosing(Sorter<u64>, usize),
    /// The second pass: windows that may be repeated, by the hashes that were chosen twice.
    Comparing(BloomFilter, Sorter<Window>),
    /// The third pass: where windows begin that stand earlier too.
    Cutting(Peekable<Sorted<u64>>),
}

impl RepeatedPassages {
    /// With these settings.
    ///
    /// # Errors
    /// When a setting is out of its range, or a file that it names cannot be read.
    pub fn new(settings: &RepeatedPassagesSettings) -> Result<Self> {
        if !(10..=1000).contains(&settings.words) {
            let value = settings.words.to_string();
            let name = "clean.repeated_passages.words";
            return Err(Error::Setting { name, value, expected: "10 to 1000" });
        }
        Ok(Self {
            words: settings.words,
            workspace: Workspace { folder: Default::default(), memory: 0 },
            state: State::New,
            place: 0,
            cut: Labels::new(),
        })
    }

    fn sorter<R: Record>(&self, stem: &'static str) -> Sorter<R> {
        Sorter::new(&self.workspace.folder, stem, self.workspace.memory / 3)
    }

    fn count(&mut self, runs: &[Range<usize>]) {
        if !runs.is_empty() {
            *self.cut.entry("passages".into()).or_default() += runs.len() as u64;
            *self.cut.entry("words".into()).or_default() +=
                runs.iter().map(|run| run.len() as u64).sum::<u64>();
        }
    }

    /// The second pass, prepared by what was chosen twice in the first.
    fn compare(&self, chosen: Sorter<u64>, count: usize) -> Result<State> {
        let mut filter = BloomFilter::within(count / 2, self.workspace.memory / 3);
        let mut before = None;
        for hash in chosen.finish()? {
            let hash = hash?;
            if before.replace(hash) == Some(hash) {
                filter.insert(hash);
            }
        }
        Ok(State::Comparing(filter, self.sorter("windows")))
    }

    /// The third pass, prepared by the windows of the second: of equal ones those are marked that do not overlap the first.
    fn mark(&self, windows: Sorter<Window>) -> Result<State> {
        let mut marks = self.sorter("marks");
        let mut first: Option<Window> = None;
        for window in windows.finish()? {
            let (hash, place) = window?;
            match first {
                Some((same, start)) if same == hash => {
                    if place >= start + self.words as u64 {
                        marks.push(place)?;
                    }
                }
                _ => first = Some((hash, place)),
            }
        }
        Ok(State::Cutting(marks.finish()?.peekable()))
    }
}

/// The hashes that windows of this text choose, one for each place that is chosen.
fn chosen(units: &[u64], words: usize) -> Vec<u64> {
    let mut chosen = fingerprints(units, words);
    chosen.dedup_by_key(|(place, _)| *place);
    chosen.into_iter().map(|(_, hash)| hash).collect()
}

/// The windows of this text that may be repeated, with their places in it.
fn candidates(units: &[u64], words: usize, filter: &BloomFilter) -> Vec<Window> {
    let chosen = fingerprints(units, words);
    let places: Vec<usize> = (0..chosen.len()).filter(|place| filter.may_contain(chosen[*place].1)).collect();
    if places.is_empty() {
        return Vec::new();
    }
    let (first, second) = (Rolling::new(units).all(words), Rolling::second(units).all(words));
    places.into_iter().map(|place| ((first[place], (second[place] >> 32) as u32), place as u64)).collect()
}

impl CorpusStep for RepeatedPassages {
    fn name(&self) -> &'static str {
        "repeated-passages"
    }

    fn begin(&mut self, workspace: &Workspace) -> Result<()> {
        self.workspace = workspace.clone();
        self.state = State::Choosing(self.sorter("chosen"), 0);
        Ok(())
    }

    fn observations(&self) -> usize {
        2
    }

    fn observe(&mut self, batch: &[&Document]) -> Result<()> {
        let words = self.words;
        match &mut self.state {
            State::Choosing(sorter, count) => {
                let found: Vec<Vec<u64>> =
                    batch.par_iter().map(|document| chosen(&units(&document.text), words)).collect();
                for hash in found.into_iter().flatten() {
                    *count += 1;
                    sorter.push(hash)?;
                }
            }
            State::Comparing(filter, sorter) => {
                let look = |document: &&Document| {
                    let units = units(&document.text);
                    (candidates(&units, words, filter), units.len())
                };
                let found: Vec<(Vec<Window>, usize)> = batch.par_iter().map(look).collect();
                for (windows, length) in found {
                    for (hash, place) in windows {
                        sorter.push((hash, self.place + place))?;
                    }
                    self.place += length as u64;
                }
            }
            State::New | State::Cutting(_) => {
                unreachable!("the step was begun, and sees all documents twice")
            }
        }
        Ok(())
    }

    fn conclude(&mut self) -> Result<()> {
        self.place = 0;
        self.state = match std::mem::replace(&mut self.state, State::New) {
            State::Choosing(chosen, count) => self.compare(chosen, count)?,
            State::Comparing(_, windows) => self.mark(windows)?,
            State::New | State::Cutting(_) => {
                unreachable!("the step was begun, and sees all documents twice")
            }
        };
        Ok(())
    }

    fn apply(&mut self, batch: &mut [&mut Document]) -> Result<Vec<Verdict>> {
        let State::Cutting(marks) = &mut self.state else { unreachable!("both passes are over") };
        let count = |document: &&mut Document| units(&document.text).len() as u64;
        let lengths: Vec<u64> = batch.par_iter().map(count).collect();
        let mut runs = Vec::with_capacity(batch.len());
        for length in lengths {
            runs.push(repeated(marks, self.place..self.place + length, self.words as u64)?);
            self.place += length;
        }
        runs.iter().for_each(|runs| self.count(runs));
        Ok(batch.par_iter_mut().zip(runs).map(|(document, runs)| cut(document, &runs)).collect())
    }

    fn found(&self) -> Labels {
        self.cut.clone()
    }
}

/// The runs of words that windows which begin in `document` cover, from the document's beginning on.
fn repeated(
    marks: &mut Peekable<Sorted<u64>>,
    document: Range<u64>,
    words: u64,
) -> Result<Vec<Range<usize>>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let is_here = |mark: &Result<u64>| mark.as_ref().map_or(true, |mark| *mark < document.end);
    while let Some(mark) = marks.next_if(is_here) {
        let start = (mark? - document.start) as usize;
        let end = start + words as usize;
        match runs.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => runs.push(start..end),
        }
    }
    Ok(runs)
}

/// Cuts these runs of words out of a document.
fn cut(document: &mut Document, runs: &[Range<usize>]) -> Verdict {
    if runs.is_empty() {
        return Verdict::Kept;
    }
    let mut places = Vec::new();
    for_each_word_at(&document.text, |_, place| places.push(place));
    let mut kept = String::with_capacity(document.text.len());
    let mut from = 0;
    for run in runs {
        add_paragraph(&mut kept, &document.text[from..places[run.start].start]);
        from = end_with_marks(&document.text, places[run.end - 1].end);
    }
    add_paragraph(&mut kept, &document.text[from..]);
    document.text = kept;
    match document.text.is_empty() {
        true => Verdict::rejected("nothing but repeated passages", ""),
        false => Verdict::Changed,
    }
}

/// Adds what stood between two cuts, where it holds a word.
fn add_paragraph(kept: &mut String, part: &str) {
    if !part.contains(char::is_alphanumeric) {
        return;
    }
    if kept.is_empty() {
        kept.push_str(part.trim_end());
    } else {
        kept.push_str("\n\n");
        kept.push_str(part.trim());
    }
}

/// Where the marks end that close the sentence of which the last word ends at `end`.
fn end_with_marks(text: &str, end: usize) -> usize {
    let marks = text[end..].chars().take_while(|mark| ends_sentence(*mark) || closes(*mark));
    end + marks.map(char::len_utf8).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn documents(texts: &[&str]) -> Vec<Document> {
        let document = |(number, text): (usize, &&str)| Document {
            id: number.to_string(),
            text: text.to_string(),
            ..Document::default()
        };
        texts.iter().enumerate().map(document).collect()
    }

    fn judged(documents: &mut [Document], words: usize, memory: usize) -> Vec<Verdict> {
        let folder = tempfile::tempdir().unwrap();
        let mut step = RepeatedPassages::new(&RepeatedPassagesSettings { words }).unwrap();
        step.begin(&Workspace { folder: folder.path().into(), memory }).unwrap();
        for _ in 0..step.observations() {
            for batch in documents.chunks(2) {
                step.observe(&batch.iter().collect::<Vec<_>>()).unwrap();
            }
            step.conclude().unwrap();
        }
        let mut verdicts = Vec::new();
        for batch in documents.chunks_mut(3) {
            verdicts.extend(step.apply(&mut batch.iter_mut().collect::<Vec<_>>()).unwrap());
        }
        verdicts
    }

    const LICENCE: &str = "You may copy this text, and give it away, as often as you like.";

    #[test]
    fn later_copies_of_a_passage_are_cut_and_the_first_stays() {
        let quoting = format!("The potter wrote: \"{}\" Nobody read it.", LICENCE.to_uppercase());
        let twice = format!("Clay.\n\n{LICENCE}\nAnd once more: {LICENCE} The end.");
        let mut documents = documents(&[LICENCE, &quoting, "Ropes are made of hemp.", &twice, "甲乙丙丁"]);
        let verdicts = judged(&mut documents, 10, 0);
        let texts: Vec<&str> = documents.iter().map(|document| document.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                LICENCE,
                "The potter wrote: \"\n\nNobody read it.",
                "Ropes are made of hemp.",
                "Clay.\n\nAnd once more:\n\nThe end.",
                "甲乙丙丁"
            ]
        );
        assert_eq!(verdicts[0], Verdict::Kept);
        assert_eq!(verdicts[3], Verdict::Changed);
    }

    #[test]
    fn one_word_fewer_is_no_passage_and_all_of_a_document_is_a_rejection() {
        let fourteen = LICENCE;
        let mut two = documents(&[fourteen, &format!("{fourteen}!")]);
        assert_eq!(judged(&mut two, 15, 0), [Verdict::Kept, Verdict::Kept]);
        let gone = Verdict::rejected("nothing but repeated passages", "");
        assert_eq!(judged(&mut two, 14, 0), [Verdict::Kept, gone]);
        let mut chinese = documents(&["女娲炼五色石以补苍天也。", "昔者女娲炼五色石以补苍天。"]);
        assert_eq!(judged(&mut chinese, 10, 0)[1], Verdict::Changed);
        assert_eq!(chinese[1].text, "昔者");
    }

    #[test]
    fn refrains_within_a_document_keep_one_window() {
        let mut one = documents(&[&format!("{}Then silence.", "la ".repeat(25))]);
        judged(&mut one, 10, 0);
        assert_eq!(one[0].text, "la la la la la la la la la la\n\nThen silence.");
        let mut short = documents(&[&"la ".repeat(19)]);
        assert_eq!(judged(&mut short, 10, 0), [Verdict::Kept]);
    }

    /// What is cut of texts made of one-letter words, by comparing every window with all earlier ones that end before it.
    fn by_hand(texts: &[String], words: usize) -> Vec<String> {
        let mut earlier: Vec<&[u8]> = Vec::new();
        let mut kept = Vec::new();
        for text in texts {
            let mut cut = vec![false; text.len()];
            let windows: Vec<&[u8]> = text.as_bytes().windows(words).collect();
            for (start, window) in windows.iter().enumerate() {
                let before = &windows[..(start + 1).saturating_sub(words)];
                if earlier.contains(window) || before.contains(window) {
                    cut[start..start + words].fill(true);
                }
            }
            earlier.extend(windows);
            let parts = text.bytes().zip(cut).map(|(letter, cut)| if cut { b'|' } else { letter });
            let parts = String::from_utf8(parts.collect()).unwrap();
            kept.push(parts.split('|').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("|"));
        }
        kept
    }

    proptest! {
        #[test]
        fn all_repeated_windows_are_found_and_no_others(
            texts in proptest::collection::vec("[abc]{0,80}|(abcabbacbcab){1,4}", 1..8),
            words in 10usize..16,
        ) {
            let spaced = |text: &String| text.chars().map(|letter| format!("{letter} ")).collect::<String>();
            let spaced: Vec<String> = texts.iter().map(spaced).collect();
            let mut documents = documents(&spaced.iter().map(String::as_str).collect::<Vec<_>>());
            judged(&mut documents, words, 0);
            let found: Vec<String> = documents
                .iter()
                .map(|document| document.text.replace("\n\n", "|").replace(' ', ""))
                .collect();
            prop_assert_eq!(found, by_hand(&texts, words));
        }
    }
}
