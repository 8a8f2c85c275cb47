//! Articles of saved pages beside what people say they are, where `../shared/data` is there.

use std::collections::HashMap;
use std::path::Path;

use crate::shared;

/// Two halves by the last digit of a page's name: rules were made looking at the even ones only.
#[test]
fn articles_are_found() {
    let Some(path) = shared("messy/article-extraction") else { return };
    let truth: HashMap<String, serde_json::Value> =
        serde_json::from_slice(&std::fs::read(path.join("ground-truth.json")).unwrap()).unwrap();
    let is_even = |name: &str| name.ends_with(['0', '2', '4', '6', '8', 'a', 'c', 'e']);
    for (half, even, floor) in [("tuned", true, 0.95), ("untouched", false, 0.94)] {
        let pages = truth.iter().filter(|(name, _)| is_even(name) == even);
        let measured: Vec<(f64, f64)> = pages
            .map(|(name, page)| {
                let text = nuwa_collect::html::article(&saved_page(&path, name)).text;
                precision_and_recall(&shingles(&text), &shingles(page["articleBody"].as_str().unwrap()))
            })
            .collect();
        let mean = |of: fn(&(f64, f64)) -> f64| measured.iter().map(of).sum::<f64>() / measured.len() as f64;
        let (precision, recall) = (mean(|page| page.0), mean(|page| page.1));
        let f1 = 2.0 * precision * recall / (precision + recall);
        println!(
            "{half}: {} pages, precision {precision:.4}, recall {recall:.4}, F1 {f1:.4}",
            measured.len()
        );
        assert!(f1 >= floor, "{half}: F1 {f1}");
    }
}

fn saved_page(folder: &Path, name: &str) -> String {
    let file = std::fs::File::open(folder.join(format!("html/{name}.html.gz"))).unwrap();
    let mut page = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(file), &mut page).unwrap();
    String::from_utf8_lossy(&page).into_owned()
}

fn precision_and_recall(found: &Shingles, expected: &Shingles) -> (f64, f64) {
    let total = |of: &Shingles| of.values().sum::<u32>().max(1) as f64;
    let common: u32 = found.iter().map(|(words, count)| *count.min(expected.get(words).unwrap_or(&0))).sum();
    (f64::from(common) / total(found), f64::from(common) / total(expected))
}

type Shingles<'t> = HashMap<Vec<&'t str>, u32>;

/// The measure of article-extraction-benchmark: how often each four words follow one another.
fn shingles(text: &str) -> Shingles<'_> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let words: Vec<&str> = text.split(|c| !is_part(c)).filter(|word| !word.is_empty()).collect();
    let mut counts = Shingles::new();
    for shingle in words.windows(4.min(words.len().max(1))) {
        *counts.entry(shingle.to_vec()).or_default() += 1;
    }
    counts
}
