//! `mix`: how much of the text to learn from comes from each source and each language.
//!
//! Why: what a model is good at follows the shares of what it read; small sources of good text are read more often, large ones in
//! part (Gao et al. 2020, "The Pile", <https://arxiv.org/abs/2101.00027>, section 2; Touvron et al. 2023, "LLaMA", table 1,
//! <https://arxiv.org/abs/2302.13971>). Up to four times the same text is nearly as good as new text (Muennighoff et al. 2023,
//! "Scaling Data-Constrained Language Models", <https://arxiv.org/abs/2305.16264>).
//! How: the first pass counts the bytes of each source and language and takes a sample; a vocabulary of 4,096 tokens learnt from
//! all samples says how many bytes a token has in each. Shares of tokens are met for both at once by iterative
//! proportional fitting (Deming and Stephan 1940, <https://doi.org/10.1214/aoms/1177731829>). The sum stays what it was, copies
//! counted, or becomes as much smaller as `max_copies` demands: shares and cap are kept, and the amount gives way. Each document
//! then comes as often as its share asks, rounded so that the error of one is made good by the next ones of its kind.
//! Copies are numbers (`extra_copies`), not documents: they are learned from in the training part alone, never in the
//! same place twice in a row, and no text of the validation part is repeated.
//! Runs at the end of the chain by itself where shares are given. Memory: 4 MB of samples; disk: nothing.

mod tokens;

use std::collections::{BTreeMap, BTreeSet};

use nuwa_files::Document;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CorpusStep, Labels, Portion, Verdict, Workspace};
use crate::{Error, Result};
use tokens::{Sample, token_bytes};

/// The shares asked for; where none are given, everything is learned from once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MixSettings {
    /// Weight of each source, by tokens, for example { wiki = 2, books = 1 } for twice as much of
    /// "wiki". A name is a file, a folder, a host or several parts of a path ("news/2024"); if
    /// several match, the longest wins. "others" is everything else; 0 leaves a source out.
    pub sources: BTreeMap<String, f64>,
    /// Weight of each language (ISO 639 code), by tokens, for example { en = 0.7, zh = 0.3 };
    /// "others" is every other language.
    pub languages: BTreeMap<String, f64>,
    /// Maximum number of copies of a document when a source is upsampled, 1 to 1000.
    pub max_copies: u32,
}

impl Default for MixSettings {
    fn default() -> Self {
        Self { sources: BTreeMap::new(), languages: BTreeMap::new(), max_copies: 4 }
    }
}

impl MixSettings {
    /// Whether any share is asked for.
    pub fn is_wanted(&self) -> bool {
        !(self.sources.is_empty() && self.languages.is_empty())
    }

    fn check(&self) -> Result<()> {
        if !(1..=1000).contains(&self.max_copies) {
            let value = self.max_copies.to_string();
            return Err(Error::Setting { name: "clean.mix.max_copies", value, expected: "1 to 1000" });
        }
        check_weights("clean.mix.sources", &self.sources)?;
        check_weights("clean.mix.languages", &self.languages)
    }
}

fn check_weights(name: &'static str, weights: &BTreeMap<String, f64>) -> Result<()> {
    let wrong = |value: String, expected| Err(Error::Setting { name, value, expected });
    let is_weight = |weight: f64| weight >= 0.0 && weight.is_finite();
    if let Some((key, weight)) = weights.iter().find(|(_, weight)| !is_weight(**weight)) {
        return wrong(format!("{key} = {weight}"), "weights of 0 or more");
    }
    if !weights.is_empty() && weights.values().all(|weight| *weight == 0.0) {
        return wrong("only zeros".into(), "at least one weight above 0");
    }
    Ok(())
}

/// What has no name of its own.
const OTHERS: &str = "others";

/// One of the two ways in which shares are asked for.
#[derive(Debug)]
struct Axis {
    /// Its setting.
    setting: &'static str,
    names: Vec<String>,
    /// The shares asked for, 1 in all; none where every document counts the same.
    shares: Vec<f64>,
    /// For messages: some of what there is.
    seen: BTreeSet<String>,
}

/// Of what there is, so much is remembered for messages.
const SEEN: usize = 20;

impl Axis {
    fn new(setting: &'static str, weights: &BTreeMap<String, f64>) -> Self {
        let sum: f64 = weights.values().sum();
        Self {
            setting,
            names: weights.keys().cloned().collect(),
            shares: weights.values().map(|weight| weight / sum).collect(),
            seen: BTreeSet::new(),
        }
    }

    fn is_wanted(&self) -> bool {
        !self.names.is_empty()
    }

    /// How many kinds of documents it tells apart.
    fn len(&self) -> usize {
        self.names.len().max(1)
    }

    fn see(&mut self, what: &str) {
        if self.is_wanted() && self.seen.len() < SEEN && !self.seen.contains(what) {
            self.seen.insert(what.to_string());
        }
    }

    fn unnamed(&self, what: &str) -> Error {
        let (setting, what) = (self.setting, what.to_string());
        Error::MixUnnamed { setting, what }
    }

    /// An error where a name was given a weight but has no text; of "others" there may be none.
    fn check(&mut self, tokens: &[f64]) -> Result<()> {
        let known = || self.seen.iter().cloned().collect();
        let unknown =
            |name: &str| Error::MixUnknown { setting: self.setting, name: name.into(), known: known() };
        for (at, name) in self.names.iter().enumerate().filter(|(at, _)| tokens[*at] == 0.0) {
            if self.shares[at] > 0.0 && name != OTHERS {
                return Err(unknown(name));
            }
            self.shares[at] = 0.0;
        }
        let sum: f64 = self.shares.iter().sum();
        if sum == 0.0 && self.is_wanted() {
            return Err(unknown(OTHERS));
        }
        self.shares.iter_mut().for_each(|share| *share /= sum);
        Ok(())
    }

    fn portions(&self, before: &[f64], after: &[f64]) -> Vec<Portion> {
        let (all_before, all_after): (f64, f64) = (before.iter().sum(), after.iter().sum());
        let portion = |at: usize| Portion {
            name: self.names[at].clone(),
            asked: self.shares[at],
            before: before[at] / all_before.max(1.0),
            after: after[at] / all_after.max(1.0),
        };
        (0..self.names.len()).map(portion).collect()
    }
}

/// The step.
#[derive(Debug)]
pub struct Mix {
    max_copies: u32,
    sources: Axis,
    /// The parts of each name of a source.
    paths: Vec<Vec<String>>,
    languages: Axis,
    cells: Vec<Cell>,
    extra_copies: u64,
}

/// The documents of one source in one language.
#[derive(Debug, Clone)]
struct Cell {
    sample: Sample,
    bytes: u64,
    /// The bytes that a token has.
    token_bytes: f64,
    /// Tokens that are given, copies counted.
    after: f64,
    /// How often a document comes, on average.
    times: f64,
    /// Tokens that are owed by rounding so far.
    owed: f64,
}

impl Mix {
    /// With these settings.
    ///
    /// # Errors
    /// When a setting is out of its range, or a file that it names cannot be read.
    pub fn new(settings: &MixSettings) -> Result<Self> {
        settings.check()?;
        let sources = Axis::new("clean.mix.sources", &settings.sources);
        let languages = Axis::new("clean.mix.languages", &settings.languages);
        let paths = sources.names.iter().map(|name| parts(name).map(str::to_string).collect()).collect();
        let count = sources.len() * languages.len();
        let cells = vec![Cell::new(Sample::one_of(count)); count];
        Ok(Self { max_copies: settings.max_copies, sources, paths, languages, cells, extra_copies: 0 })
    }

    fn cell(&self, document: &Document) -> Result<usize> {
        let language = language(document);
        let source = match self.sources.is_wanted() {
            true => self.source(&document.source).ok_or_else(|| self.sources.unnamed(&document.source))?,
            false => 0,
        };
        let column = match self.languages.is_wanted() {
            true => named_or_others(&self.languages.names, language)
                .ok_or_else(|| self.languages.unnamed(language))?,
            false => 0,
        };
        Ok(source * self.languages.len() + column)
    }

    /// The longest name that fits a source.
    fn source(&self, source: &str) -> Option<usize> {
        let source: Vec<&str> = parts(source).collect();
        let fits = |name: &Vec<String>| {
            !name.is_empty() && source.windows(name.len()).any(|part| part.iter().eq(name.iter()))
        };
        let fitting = (0..self.paths.len()).filter(|at| fits(&self.paths[*at]));
        let length = |at: &usize| (self.paths[*at].len(), self.sources.names[*at].len());
        let others = || self.sources.names.iter().position(|name| name == OTHERS);
        fitting.max_by_key(length).or_else(others)
    }

    fn sums(&self, of: fn(&Cell) -> f64) -> (Vec<f64>, Vec<f64>) {
        let width = self.languages.len();
        let (mut rows, mut columns) = (vec![0.0; self.sources.len()], vec![0.0; width]);
        for (at, cell) in self.cells.iter().enumerate() {
            rows[at / width] += of(cell);
            columns[at % width] += of(cell);
        }
        (rows, columns)
    }

    /// How long tokens are, from the samples.
    fn measure_tokens(&mut self) -> Result<()> {
        let lengths = token_bytes(&self.cells.iter().map(|cell| &cell.sample).collect::<Vec<_>>())?;
        for (cell, length) in self.cells.iter_mut().zip(lengths) {
            cell.token_bytes = length;
        }
        Ok(())
    }

    /// Decides how often the documents of each cell come.
    fn fit(&mut self) -> Result<()> {
        let (sources, languages) = self.sums(Cell::tokens);
        self.sources.check(&sources)?;
        self.languages.check(&languages)?;
        // What has no text would be scaled without end where the shares contradict each other.
        self.cells.iter_mut().for_each(|cell| cell.times = if cell.bytes > 0 { 1.0 } else { 0.0 });
        let weighted: fn(&Cell) -> f64 = |cell| cell.tokens() * cell.times;
        let width = self.languages.len();
        for _ in 0..ROUNDS {
            let (rows, _) = self.sums(weighted);
            self.scale(&rows, &self.sources.shares.clone(), |at| at / width);
            let (_, columns) = self.sums(weighted);
            self.scale(&columns, &self.languages.shares.clone(), |at| at % width);
        }
        self.check_fit()?;
        self.limit();
        Ok(())
    }

    /// Gives each row, or each column, the share that it should have.
    fn scale(&mut self, sums: &[f64], shares: &[f64], line: impl Fn(usize) -> usize) {
        if shares.is_empty() {
            return;
        }
        for (at, cell) in self.cells.iter_mut().enumerate() {
            let (sum, share) = (sums[line(at)], shares[line(at)]);
            cell.times *= if sum > 0.0 { share / sum } else { 0.0 };
        }
    }

    /// Shares of sources and of languages may contradict each other, where a source has not every language.
    fn check_fit(&self) -> Result<()> {
        let (rows, columns) = self.sums(|cell| cell.tokens() * cell.times);
        let sum: f64 = rows.iter().sum();
        for (axis, sums) in [(&self.sources, rows), (&self.languages, columns)] {
            for (at, share) in axis.shares.iter().enumerate() {
                let reached = sums[at] / sum;
                if (reached - share).abs() > TOLERANCE {
                    let (setting, name) = (axis.setting, axis.names[at].clone());
                    return Err(Error::MixImpossible { setting, name, asked: *share, reached });
                }
            }
        }
        Ok(())
    }

    /// From shares to numbers of copies: as much text as there is, unless some would come too often.
    fn limit(&mut self) {
        let (rows, _) = self.sums(Cell::tokens);
        let largest = self.cells.iter().filter(|cell| cell.bytes > 0).map(|cell| cell.times);
        let largest = largest.fold(0.0, f64::max);
        let (weighted, _) = self.sums(|cell| cell.tokens() * cell.times);
        let same_sum = rows.iter().sum::<f64>() / weighted.iter().sum::<f64>();
        let factor = same_sum.min(f64::from(self.max_copies) / largest);
        self.cells.iter_mut().for_each(|cell| cell.times *= factor);
    }
}

/// Of the fitting; the error falls with each by a factor.
const ROUNDS: usize = 200;
/// Shares are met within this.
const TOLERANCE: f64 = 0.005;

fn language(document: &Document) -> &str {
    document.lang.as_deref().unwrap_or("unknown")
}

fn named_or_others(names: &[String], name: &str) -> Option<usize> {
    let find = |name: &str| names.iter().position(|other| other == name);
    find(name).or_else(|| find(OTHERS))
}

/// The parts of a path or an address.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split(['/', '\\', '!']).filter(|part| !part.is_empty() && *part != ".")
}

impl Cell {
    fn new(sample: Sample) -> Self {
        Self { sample, bytes: 0, token_bytes: 1.0, after: 0.0, times: 0.0, owed: 0.0 }
    }

    /// The tokens there are.
    fn tokens(&self) -> f64 {
        self.bytes as f64 / self.token_bytes
    }

    /// How often a document of so many bytes comes.
    fn copies(&mut self, bytes: usize) -> u32 {
        let tokens = bytes.max(1) as f64 / self.token_bytes;
        self.owed += self.times * tokens;
        let copies = (self.owed / tokens).round().clamp(self.times.floor(), self.times.ceil());
        self.owed -= copies * tokens;
        self.after += copies * tokens;
        copies as u32
    }
}

impl CorpusStep for Mix {
    fn name(&self) -> &'static str {
        "mix"
    }

    fn begin(&mut self, _workspace: &Workspace) -> Result<()> {
        Ok(())
    }

    fn observe(&mut self, batch: &[&Document]) -> Result<()> {
        for document in batch {
            self.sources.see(&document.source);
            self.languages.see(language(document));
            let cell = self.cell(document)?;
            self.cells[cell].bytes += document.text.len() as u64;
            self.cells[cell].sample.offer(document);
        }
        Ok(())
    }

    fn conclude(&mut self) -> Result<()> {
        // An empty corpus is reported by whoever emptied it.
        if self.cells.iter().all(|cell| cell.bytes == 0) {
            return Ok(());
        }
        self.measure_tokens()?;
        self.fit()
    }

    fn apply(&mut self, batch: &mut [&mut Document]) -> Result<Vec<Verdict>> {
        let mut verdicts = Vec::with_capacity(batch.len());
        for document in batch {
            let cell = self.cell(document)?;
            let copies = self.cells[cell].copies(document.text.len());
            document.extra_copies = copies.saturating_sub(1);
            self.extra_copies += u64::from(document.extra_copies);
            verdicts.push(match copies {
                0 => Verdict::rejected("more than its share", ""),
                _ => Verdict::Kept,
            });
        }
        Ok(verdicts)
    }

    fn found(&self) -> Labels {
        Labels::from([("further copies".into(), self.extra_copies)])
    }

    fn portions(&self) -> Vec<Portion> {
        let ((sources, languages), (sources_after, languages_after)) =
            (self.sums(Cell::tokens), self.sums(|cell| cell.after));
        let mut portions = self.sources.portions(&sources, &sources_after);
        portions.extend(self.languages.portions(&languages, &languages_after));
        portions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(pairs: &[(&str, f64)]) -> BTreeMap<String, f64> {
        pairs.iter().map(|(name, weight)| (name.to_string(), *weight)).collect()
    }

    fn settings(sources: &[(&str, f64)], languages: &[(&str, f64)]) -> MixSettings {
        MixSettings { sources: weights(sources), languages: weights(languages), ..Default::default() }
    }

    /// So many documents of each source and language, of 100 bytes and more.
    fn corpus(parts: &[(&str, &str, usize)]) -> Vec<Document> {
        let document = |source: &str, lang: &str, number: usize| Document {
            id: format!("{source}#{number}"),
            text: "x".repeat(100 + number % 7 * 30),
            source: source.into(),
            lang: (lang != "unknown").then(|| lang.into()),
            ..Document::default()
        };
        let of = |(source, lang, count): &(&str, &str, usize)| {
            (0..*count).map(|number| document(source, lang, number)).collect::<Vec<_>>()
        };
        parts.iter().flat_map(of).collect()
    }

    /// The step after all its work, and how often each document comes.
    fn mixed(settings: &MixSettings, documents: &mut [Document]) -> Result<(Mix, Vec<u32>)> {
        let mut step = Mix::new(settings)?;
        for batch in documents.chunks(7) {
            step.observe(&batch.iter().collect::<Vec<_>>())?;
        }
        step.conclude()?;
        let verdicts = step.apply(&mut documents.iter_mut().collect::<Vec<_>>())?;
        let copies = documents.iter().zip(&verdicts);
        let copies = copies.map(|(document, verdict)| match verdict {
            Verdict::Kept => 1 + document.extra_copies,
            _ => 0,
        });
        Ok((step, copies.collect()))
    }

    #[test]
    fn shares_of_sources_and_languages_are_met_at_once() {
        let mut documents = corpus(&[
            ("data/wiki/a.txt", "en", 400),
            ("data/wiki/b.txt", "zh", 100),
            ("https://books.org/c", "en", 300),
            ("https://books.org/d", "zh", 300),
        ]);
        let settings = settings(&[("wiki", 1.0), ("books.org", 1.0)], &[("en", 3.0), ("zh", 2.0)]);
        let (step, copies) = mixed(&settings, &mut documents).unwrap();
        for portion in step.portions() {
            assert!((portion.after - portion.asked).abs() < 0.002, "{portion:?}");
        }
        let bytes = |copies: &[u32]| -> usize {
            documents.iter().zip(copies).map(|(one, copies)| one.text.len() * *copies as usize).sum()
        };
        let (before, after) = (bytes(&vec![1; documents.len()]) as f64, bytes(&copies) as f64);
        assert!((after / before - 1.0).abs() < 0.002, "{before} {after}");
        assert!(copies.iter().all(|copies| *copies <= 4));
    }

    #[test]
    fn shares_are_those_of_tokens() {
        let words = |seed: usize, word: &dyn Fn(usize) -> String| -> String {
            (0..300).map(|at| word(nuwa_text::mix(seed as u64, at) as usize % 150)).collect()
        };
        // Words that become tokens, and numbers that take one for every three digits.
        let (words_of, numbers_of) = (
            |at: usize| format!(" wonder{}ing", ["a", "e", "i"][at % 3]),
            |at: usize| format!(" {}", at * 7919),
        );
        let mut documents: Vec<Document> = Vec::new();
        for number in 0..400 {
            let (lang, text) = if number % 2 == 0 {
                ("en", words(number, &words_of))
            } else {
                ("zh", words(number, &numbers_of))
            };
            documents.push(Document {
                id: number.to_string(),
                text,
                lang: Some(lang.into()),
                ..Document::default()
            });
        }
        let settings = settings(&[], &[("en", 1.0), ("zh", 1.0)]);
        let (step, copies) = mixed(&settings, &mut documents).unwrap();
        assert!(
            step.cells[0].token_bytes > 1.5 * step.cells[1].token_bytes,
            "{:?}",
            step.cells.iter().map(|cell| cell.token_bytes).collect::<Vec<_>>()
        );
        let bytes = |rest: usize| -> usize {
            (0..400)
                .filter(|at| at % 2 == rest)
                .map(|at| documents[at].text.len() * copies[at] as usize)
                .sum()
        };
        let ratio = bytes(0) as f64 / bytes(1) as f64;
        let expected = step.cells[0].token_bytes / step.cells[1].token_bytes;
        assert!((ratio / expected - 1.0).abs() < 0.02, "{ratio} {expected}");
    }

    #[test]
    fn the_cap_holds_and_the_amount_gives_way() {
        let mut documents = corpus(&[("large/a", "en", 1000), ("small/b", "en", 10)]);
        let settings = settings(&[("large", 1.0), ("small", 1.0)], &[]);
        let (step, copies) = mixed(&settings, &mut documents).unwrap();
        assert!(copies[1000..].iter().all(|copies| *copies == 4));
        assert!(copies[..1000].iter().all(|copies| *copies <= 1));
        let portions = step.portions();
        assert!((portions[0].after - 0.5).abs() < 0.01 && portions[0].before > 0.98, "{portions:?}");
    }

    #[test]
    fn names_fit_whole_parts_and_the_longest_counts() {
        let step = Mix::new(&settings(&[("news", 1.0), ("news/2024", 1.0), ("others", 1.0)], &[])).unwrap();
        let of = |source: &str| step.sources.names[step.source(source).unwrap()].as_str();
        assert_eq!(of("in/news/2023/a.txt"), "news");
        assert_eq!(of("in/news/2024/a.txt"), "news/2024");
        assert_eq!(of("in/old_news/2024/a.txt"), "others");
        assert_eq!(of("in/all.zip!news/a.txt"), "news");
    }

    #[test]
    fn nothing_is_left_out_in_silence() {
        let mut documents = corpus(&[("wiki/a", "en", 3), ("books/b", "unknown", 3)]);
        let said = |settings: &MixSettings, documents: &mut [Document]| {
            let error = mixed(settings, documents).err().unwrap();
            format!("{error}\n{}\n", error.hint().unwrap())
        };
        let mut messages = said(&settings(&[("wiki", 1.0)], &[]), &mut documents);
        messages += &said(&settings(&[("wiki", 1.0), ("book", 1.0), ("others", 1.0)], &[]), &mut documents);
        messages += &said(&settings(&[], &[("en", 1.0), ("zh", 1.0), ("others", 0.0)]), &mut documents);
        messages += &said(
            &settings(&[("wiki", 0.9), ("books", 0.1)], &[("en", 0.2), ("unknown", 0.8)]),
            &mut documents,
        );
        messages += &said(&settings(&[("wiki", -1.0)], &[]), &mut documents);
        messages += &said(&settings(&[("wiki", 0.0)], &[]), &mut documents);
        insta::assert_snapshot!(messages);
        let zero = settings(&[("wiki", 1.0), ("others", 0.0)], &[]);
        assert_eq!(mixed(&zero, &mut documents).unwrap().1, [2, 2, 2, 0, 0, 0]);
        let nothing = settings(&[("wiki", 0.0), ("books", 0.0), ("others", 1.0)], &[]);
        let error = mixed(&nothing, &mut documents).err().unwrap().to_string();
        assert!(error.starts_with("clean.mix.sources.others: no document"), "{error}");
        let none = settings(&[("wiki", 1.0), ("books", 1.0), ("others", 1.0)], &[]);
        assert_eq!(mixed(&none, &mut documents).unwrap().1, [1; 6]);
    }
}
