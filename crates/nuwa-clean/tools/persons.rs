//! Languages, emoji and personal data on real text: `cargo run --release -p nuwa-clean --example persons -- ../shared/data`
//!
//! Prints: accuracy by paragraph on `corpus/mars`, precision and recall on `messy/pii/synth.json`, and what is found in
//! text without labels: books, web pages, Chinese verse and help pages. `--all` prints every fault and find.

#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../tests/it/labelled.rs"]
mod labelled;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nuwa_clean::steps::emoji::Emoji;
use nuwa_clean::steps::personal_data::{Kind, find};
use nuwa_clean::{DocumentStep, Labels};
use nuwa_collect::{CollectSettings, collect};
use nuwa_files::{Document, documents};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let all = arguments.iter().any(|argument| argument == "--all");
    let data = PathBuf::from(
        arguments.iter().find(|one| !one.starts_with("--")).ok_or("name the folder of the data")?,
    );
    languages(&data, all)?;
    labelled_data(&data, all)?;
    for name in [
        "corpus/en/standard_ebooks",
        "messy/c4_300.jsonl",
        "corpus/zh/poetry.jsonl.gz",
        "corpus/zh/fortunes.txt",
        "messy/libreoffice-help",
    ] {
        unlabelled(&data.join(name), name, all)?;
    }
    Ok(())
}

fn languages(data: &Path, all: bool) -> std::io::Result<()> {
    println!("paragraphs of corpus/mars        all: right unsure wrong    prose: right unsure wrong");
    for (name, code) in [
        ("arabic", "ar"),
        ("chinese", "zh"),
        ("english", "en"),
        ("french", "fr"),
        ("german", "de"),
        ("japanese", "ja"),
        ("korean", "ko"),
        ("russian", "ru"),
        ("thai", "th"),
    ] {
        let text = std::fs::read_to_string(data.join(format!("corpus/mars/{name}.utf8.txt")))?;
        let (every, prose) =
            (labelled::paragraphs(&text, code, false), labelled::paragraphs(&text, code, true));
        println!(
            "  {name:28} {:4}: {:5} {:6} {:5}     {:4}: {:5} {:6} {:5}",
            every.all,
            every.right,
            every.unsure,
            every.wrong.len(),
            prose.all,
            prose.right,
            prose.unsure,
            prose.wrong.len()
        );
        for wrong in every.wrong.iter().filter(|_| all) {
            println!("      {}", wrong.chars().take(140).collect::<String>());
        }
    }
    Ok(())
}

fn labelled_data(data: &Path, all: bool) -> std::io::Result<()> {
    println!("messy/pii/synth.json   labelled  found  precision  recall  exact ends");
    for score in labelled::scores(&std::fs::read_to_string(data.join("messy/pii/synth.json"))?) {
        println!(
            "  {:20} {:8} {:6} {:10.3} {:7.3} {:11}",
            score.label,
            score.labelled,
            score.found,
            score.precision(),
            score.recall(),
            score.exact
        );
        for fault in score.faults.iter().filter(|_| all) {
            println!("      {fault}");
        }
    }
    Ok(())
}

fn unlabelled(path: &Path, name: &str, all: bool) -> Result<(), Box<dyn std::error::Error>> {
    let out = std::env::temp_dir().join(format!("nuwa-persons-{}", std::process::id()));
    collect(&[path.to_path_buf()], &out, &CollectSettings::default(), &mut |_| {})?;
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut pictures = Labels::new();
    let mut languages: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut documents, mut bytes) = (0, 0);
    for document in documents::read(&out)? {
        let document = document?;
        (documents, bytes) = (documents + 1, bytes + document.text.len());
        *languages
            .entry(nuwa_text::language::identify(&document.text, 24, 0.6).unwrap_or("unknown"))
            .or_default() += 1;
        for (kind, range) in find(&document.text, &Kind::ALL) {
            *counts.entry(kind.name()).or_default() += 1;
            show(all, kind.name(), &document.text, range);
        }
        named(document, &mut pictures, all);
    }
    println!("{name}: {documents} documents, {bytes} bytes");
    println!("  personal data {counts:?}; {pictures:?}; languages {languages:?}");
    Ok(std::fs::remove_dir_all(&out)?)
}

fn show(all: bool, what: &str, text: &str, range: std::ops::Range<usize>) {
    if all {
        let from = text.floor_char_boundary(range.start.saturating_sub(50));
        let to = text.ceil_char_boundary((range.end + 30).min(text.len()));
        println!("      {what} {:?} in {:?}", &text[range], &text[from..to]);
    }
}

/// Counts emoji and emoticons, and shows the lines that change.
fn named(mut document: Document, pictures: &mut Labels, all: bool) {
    let before = document.text.clone();
    Emoji::new(&Default::default()).apply_and_count(&mut document, pictures);
    let lines = before.lines().zip(document.text.lines()).filter(|(before, after)| all && before != after);
    for (before, after) in lines {
        println!("      emoji {before:?}\n         -> {after:?}");
    }
}
