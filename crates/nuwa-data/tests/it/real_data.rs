//! Real text, where `../shared/data` is there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use nuwa_data::clean::CleanSettings;
use nuwa_data::collect::{CollectSettings, collect};

use crate::{Cleaned, cleaned, shared};

fn whole_way(path: &Path) -> Cleaned {
    let out = tempfile::tempdir().unwrap();
    collect(&[path.to_path_buf()], out.path(), &CollectSettings::default(), &mut |_| {}).unwrap();
    cleaned(out.path(), &CleanSettings::default()).unwrap()
}

#[test]
fn shakespeare_stays_whole() {
    let Some(path) = shared("corpus/en/tinyshakespeare.txt") else { return };
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {}: the file there is not text", path.display());
        return;
    };
    let kept = whole_way(&path).kept;
    assert_eq!(kept.len(), 1);
    let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert!(trimmed(&kept[0]).trim_end() == trimmed(&text).trim_end(), "the text has changed");
}

#[test]
fn books_stay_whole() {
    let Some(path) = shared("corpus/en/standard_ebooks/mark-twain_the-adventures-of-huckleberry-finn.txt")
    else {
        return;
    };
    let cleaned = whole_way(&path);
    assert!(cleaned.summary.bytes_out as f64 > 0.999 * cleaned.summary.bytes_in as f64);
}

#[test]
fn fortunes_are_items_without_escapes() {
    let Some(path) = shared("corpus/zh/fortunes.txt") else { return };
    let cleaned = whole_way(&path);
    assert!(cleaned.summary.documents_in > 5000);
    assert!(
        cleaned.summary.documents_out as f64 > 0.9 * cleaned.summary.documents_in as f64,
        "{:#?}",
        cleaned.summary.steps
    );
    assert!(
        cleaned.summary.bytes_out as f64 > 0.75 * cleaned.summary.bytes_in as f64,
        "{:#?}",
        cleaned.summary.steps
    );
    assert!(cleaned.kept.iter().all(|text| !text.contains('\u{1b}') && !text.contains("[33m")));
}

#[test]
fn the_rust_book_loses_its_boilerplate() {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    let book = sysroot.ok().map(|out| {
        PathBuf::from(String::from_utf8_lossy(&out.stdout).trim()).join("share/doc/rust/html/book")
    });
    let Some(book) = book.filter(|book| book.exists()) else {
        println!("skipped: the_rust_book_loses_its_boilerplate: the Rust book is absent");
        return;
    };
    let whole = whole_way(&book);
    assert!((100..200).contains(&whole.kept.len()), "{} chapters", whole.kept.len());
    assert!(whole.summary.bytes_out > 1_100_000, "{} bytes", whole.summary.bytes_out);
    let chapter = whole_way(&book.join("ch04-01-what-is-ownership.html")).kept.remove(0);
    for gone in [
        "Keyboard shortcuts",
        "Press ← or →",
        "Light",
        "Coal",
        "Ayu",
        "Common Collections",
        "Print this book",
    ] {
        assert!(!chapter.contains(gone), "{gone} is still there");
    }
    for there in ["## What Is Ownership?", "```\n", "- Each value in Rust has an", "### Variable Scope"] {
        assert!(chapter.contains(there), "{there} is missing:\n{}", &chapter[..2000]);
    }
}

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
                let text = nuwa_data::html::article(&saved_page(&path, name)).text;
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
