//! What spelling repairs and what it harms:
//! `cargo run --release -p nuwa-data --example spelling -- TYPOS BOOK...`
//!
//! TYPOS holds `'right': 'wrong wrong ...'` pairs. Each wrong word is planted into one sentence of the books that has the
//! right one, so the vocabulary is that of the corpus itself, with the slips in it, as a user has it. A word is
//! harmed when nothing was planted in it and it came out changed.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use nuwa_data::clean::steps::spelling::SpellingSettings;
use nuwa_data::clean::{CleanSettings, StepName, clean};
use nuwa_data::documents;

/// A slip in its place: the book, and the number of the word there.
struct Planted {
    book: usize,
    at: usize,
    wrong: String,
    right: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (typos, books) = paths.split_first().ok_or("give the file of typos and the books")?;
    let pairs = pairs(&std::fs::read_to_string(typos)?);
    let books: Vec<String> = books.iter().map(std::fs::read_to_string).collect::<Result<_, _>>()?;
    let words: Vec<Vec<&str>> = books.iter().map(|book| book.split(' ').collect()).collect();
    let planted = planted(&pairs, &words);
    let found: HashSet<&str> = planted.iter().map(|planted| planted.right.as_str()).collect();
    let absent: Vec<&str> =
        pairs.iter().map(|(right, _)| right.as_str()).filter(|right| !found.contains(right)).collect();
    println!("{} pairs, {} planted; not in the books: {}", pairs.len(), planted.len(), absent.join(" "));

    let folder = std::env::temp_dir().join(format!("nuwa-spelling-{}", std::process::id()));
    let cleaned = run(&folder, &words, &planted)?;
    let mut wrong_places: BTreeMap<(usize, usize), &Planted> = BTreeMap::new();
    wrong_places.extend(planted.iter().map(|planted| ((planted.book, planted.at), planted)));
    let (mut repaired, mut missed, mut harmed, mut all) = (0, Vec::new(), Vec::new(), 0);
    for (book, (before, after)) in words.iter().zip(&cleaned).enumerate() {
        for (at, (before, after)) in before.iter().zip(after.split(' ')).enumerate() {
            all += before.split_whitespace().count();
            match wrong_places.get(&(book, at)) {
                Some(_) if *before == after => repaired += 1,
                Some(planted) => missed.push(format!("{}>{after}({})", planted.wrong, planted.right)),
                None if *before != after => harmed.push(format!("{before}>{after}")),
                None => {}
            }
        }
    }
    println!(
        "repaired {repaired} of {}, {:.1} %",
        planted.len(),
        100.0 * repaired as f64 / planted.len() as f64
    );
    println!(
        "harmed {} of {all} words, {:.3} in 1,000",
        harmed.len(),
        1000.0 * harmed.len() as f64 / all as f64
    );
    println!("missed: {}", missed.join(" "));
    println!("harmed: {:?}", harmed.iter().step_by(harmed.len() / 200 + 1).collect::<Vec<_>>());
    std::fs::remove_dir_all(folder)?;
    Ok(())
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
) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut changed: Vec<Vec<String>> =
        words.iter().map(|words| words.iter().map(|w| w.to_string()).collect()).collect();
    for Planted { book, at, wrong, right } in planted {
        let word = &mut changed[*book][*at];
        *word = word.replacen(right.as_str(), wrong, 1);
    }
    let lines: String =
        changed.iter().map(|words| format!("{}\n", serde_json::json!({ "text": words.join(" ") }))).collect();
    let input = folder.join("documents-00000.jsonl");
    std::fs::create_dir_all(folder)?;
    std::fs::write(&input, lines)?;
    let settings = CleanSettings {
        steps: vec![StepName::Spelling],
        spelling: SpellingSettings::default(),
        ..Default::default()
    };
    let out = folder.join("cleaned");
    let summary = clean(&[input], &out, &settings, &mut |_| {})?;
    let step = &summary.steps[0];
    println!(
        "{:.1} MB in {:.1} s: {:.1} MB/s with reading and writing, {:.1} MB/s a thread in the step; {} words replaced",
        summary.bytes_in as f64 / 1e6,
        summary.seconds,
        summary.bytes_in as f64 / 1e6 / summary.seconds,
        step.bytes_in as f64 / 1e6 / step.seconds,
        step.replaced
    );
    Ok(documents::read(&out)?
        .map(|document| document.map(|document| document.text))
        .collect::<Result<_, _>>()?)
}
