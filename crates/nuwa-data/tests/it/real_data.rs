//! Real text, where `../shared/data` is there.

use std::collections::{HashMap, HashSet};
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

/// The benchmark's own measure: shingles of four words, precision and recall, averaged over pages.
#[test]
fn articles_are_found() {
    let Some(path) = shared("messy/article-extraction") else { return };
    let truth: HashMap<String, serde_json::Value> =
        serde_json::from_slice(&std::fs::read(path.join("ground-truth.json")).unwrap()).unwrap();
    let mut names: Vec<&String> = truth.keys().collect();
    names.sort();
    let (mut precision, mut recall) = (0.0, 0.0);
    let mut all = Vec::new();
    for name in &names {
        let file = std::fs::File::open(path.join(format!("html/{name}.html.gz"))).unwrap();
        let mut page = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(file), &mut page).unwrap();
        let text = nuwa_data::html::article(&String::from_utf8_lossy(&page)).text;
        let (found, expected) = (shingles(&text), shingles(truth[*name]["articleBody"].as_str().unwrap()));
        let common = found.intersection(&expected).count() as f64;
        let p = if found.is_empty() { 1.0 } else { common / found.len() as f64 };
        let r = if expected.is_empty() { 1.0 } else { common / expected.len() as f64 };
        all.push((p.min(r), p, r, name, truth[*name]["url"].to_string()));
        precision += p / names.len() as f64;
        recall += r / names.len() as f64;
    }
    let f1 = 2.0 * precision * recall / (precision + recall);
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    println!("precision {precision:.3}, recall {recall:.3}, F1 {f1:.3}; the worst pages:");
    for (_, p, r, name, url) in &all[..15] {
        println!("  precision {p:.2}, recall {r:.2}: {} {url}", &name[..8]);
    }
    assert!(f1 >= 0.93, "F1 {f1}");
}

fn shingles(text: &str) -> HashSet<Vec<&str>> {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    match words.len() {
        0..4 => HashSet::from_iter((!words.is_empty()).then_some(words)),
        _ => words.windows(4).map(<[&str]>::to_vec).collect(),
    }
}
