//! Real text, where `../shared/data` is there.

use std::path::{Path, PathBuf};
use std::process::Command;

use nuwa_clean::CleanSettings;
use nuwa_collect::{CollectSettings, collect};

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
