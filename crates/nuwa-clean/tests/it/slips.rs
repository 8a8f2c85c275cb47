//! Slips planted into real books: what spelling repairs and what it harms; the example `spelling` prints the same figures.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use nuwa_clean::{CleanSettings, CleanSummary, StepName, clean};
use nuwa_files::documents;

/// A slip in its place: the book, and the number of the word there.
struct Planted {
    book: usize,
    at: usize,
    wrong: String,
    right: String,
}

/// What became of the slips and of the other words. A word is harmed when nothing was planted in it and it came out changed.
#[derive(Debug, Default)]
pub struct Outcome {
    pub pairs: usize,
    /// Right words that the books do not have.
    pub absent: Vec<String>,
    pub planted: usize,
    pub repaired: usize,
    pub missed: Vec<String>,
    pub words: usize,
    pub harmed: Vec<String>,
    pub summary: CleanSummary,
}

/// Plants each wrong word of `typos`, which holds `'right': 'wrong wrong ...'` pairs, into one sentence of `books` that has the
/// right one, so that the vocabulary is that of the corpus itself with the slips in it, and runs the step alone. `folder` is
/// written to.
pub fn measure(typos: &str, books: &[String], folder: &Path) -> nuwa_clean::Result<Outcome> {
    let pairs = pairs(typos);
    let words: Vec<Vec<&str>> = books.iter().map(|book| book.split(' ').collect()).collect();
    let planted = planted(&pairs, &words);
    let found: HashSet<&str> = planted.iter().map(|planted| planted.right.as_str()).collect();
    let absent = pairs.iter().map(|(right, _)| right.clone()).filter(|right| !found.contains(right.as_str()));
    let (cleaned, summary) = run(folder, &words, &planted)?;
    let mut outcome = Outcome {
        pairs: pairs.len(),
        absent: absent.collect(),
        planted: planted.len(),
        summary,
        ..Outcome::default()
    };
    let places = planted.iter().map(|planted| ((planted.book, planted.at), planted));
    let places: BTreeMap<(usize, usize), &Planted> = places.collect();
    for (book, (before, after)) in words.iter().zip(&cleaned).enumerate() {
        for (at, (before, after)) in before.iter().zip(after.split(' ')).enumerate() {
            outcome.words += before.split_whitespace().count();
            match places.get(&(book, at)) {
                Some(_) if *before == after => outcome.repaired += 1,
                Some(planted) => {
                    outcome.missed.push(format!("{}>{after}({})", planted.wrong, planted.right));
                }
                None if *before != after => outcome.harmed.push(format!("{before}>{after}")),
                None => {}
            }
        }
    }
    Ok(outcome)
}

/// Every right word with every wrong one.
fn pairs(text: &str) -> Vec<(String, String)> {
    let mut quoted =
        text.split('\'').skip(1).step_by(2).map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut pairs = Vec::new();
    while let (Some(right), Some(wrong)) = (quoted.next(), quoted.next()) {
        pairs.extend(wrong.split(' ').map(|wrong| (right.clone(), wrong.to_string())));
    }
    pairs
}

/// A place for each pair, spread over the books; no place is taken twice.
fn planted(pairs: &[(String, String)], words: &[Vec<&str>]) -> Vec<Planted> {
    let mut places: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
    let wanted: HashSet<&str> = pairs.iter().map(|(right, _)| right.as_str()).collect();
    for (book, words) in words.iter().enumerate() {
        for (at, word) in words.iter().enumerate() {
            if let Some(right) = wanted.get(bare(word)) {
                places.entry(right).or_default().push((book, at));
            }
        }
    }
    let mut taken = HashSet::new();
    let plant = |(number, (right, wrong)): (usize, &(String, String))| {
        let places = places.get(right.as_str())?;
        let from = number * 7919 % places.len();
        let place = (0..places.len()).map(|more| places[(from + more) % places.len()]);
        let (book, at) = place.into_iter().find(|place| taken.insert(*place))?;
        Some(Planted { book, at, wrong: wrong.clone(), right: right.clone() })
    };
    pairs.iter().enumerate().filter_map(plant).collect()
}

fn bare(word: &str) -> &str {
    word.trim_end_matches([',', '.', ';', '!', '?', '”'])
}

/// The books with the slips in them, through the step alone.
fn run(
    folder: &Path,
    words: &[Vec<&str>],
    planted: &[Planted],
) -> nuwa_clean::Result<(Vec<String>, CleanSummary)> {
    let mut changed: Vec<Vec<String>> =
        words.iter().map(|words| words.iter().map(|w| w.to_string()).collect()).collect();
    for Planted { book, at, wrong, right } in planted {
        let word = &mut changed[*book][*at];
        *word = word.replacen(right.as_str(), wrong, 1);
    }
    let lines: String =
        changed.iter().map(|words| format!("{}\n", serde_json::json!({ "text": words.join(" ") }))).collect();
    let input = folder.join("documents-00000.jsonl");
    std::fs::create_dir_all(folder).expect("a folder to write to");
    std::fs::write(&input, lines).expect("a folder to write to");
    let settings = CleanSettings { steps: vec![StepName::Spelling], ..Default::default() };
    let out = folder.join("cleaned");
    let summary = clean(&[input], &out, &settings, &mut |_| {})?;
    let texts = documents::read(&out)?.map(|document| document.map(|document| document.text));
    Ok((texts.collect::<nuwa_files::Result<_>>()?, summary))
}
