//! Boilerplate of real pages: the help of an office program, in two languages.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use nuwa_clean::{CleanSettings, StepName};
use serde_json::Value;

use crate::{cleaned, folder, shared};

/// The whole text of each page, menus and all.
fn pages(language: &str) -> Option<Vec<String>> {
    let path = shared(&format!("messy/libreoffice-help/{language}.jsonl.gz"))?;
    let mut lines = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut lines).unwrap();
    let text = |line: &str| {
        let page: Value = serde_json::from_str(line).unwrap();
        nuwa_collect::html::visible_text(page["html"].as_str().unwrap()).text
    };
    Some(lines.lines().map(text).collect())
}

/// A line as it is compared: its letters.
fn letters(line: &str) -> String {
    line.chars().filter(|character| character.is_alphanumeric()).collect()
}

fn check(language: &str, frame: &[&str]) {
    let Some(pages) = pages(language) else { return };
    let line = |(number, text): (usize, &String)| {
        serde_json::json!({"id": format!("{language}.jsonl#{number}"), "source": language, "text": text})
            .to_string()
            + "\n"
    };
    let lines: String = pages.iter().enumerate().map(line).collect();
    let input = folder(&[("documents-00000.jsonl", lines.as_bytes())]);
    let settings = CleanSettings { steps: vec![StepName::Boilerplate], ..Default::default() };
    let cleaned = cleaned(input.path(), &settings).unwrap();
    let rejected: HashSet<&str> = cleaned.rejected.iter().map(|line| line["id"].as_str().unwrap()).collect();
    let mut texts = cleaned.kept.iter();
    let id = |number: usize| format!("{language}.jsonl#{number}");
    let nothing = String::new();
    let after: Vec<&String> = (0..pages.len())
        .map(|number| if rejected.contains(id(number).as_str()) { &nothing } else { texts.next().unwrap() })
        .collect();
    assert!(texts.next().is_none());

    let mut documents: HashMap<String, usize> = HashMap::new();
    for page in &pages {
        let lines: HashSet<String> = page.lines().map(letters).collect();
        lines.into_iter().for_each(|line| *documents.entry(line).or_default() += 1);
    }
    // A page's own sentences: lines of some length that stand on few other pages, and are not of the template.
    let is_own = |line: &&str| {
        let letters = letters(line);
        letters.chars().count() >= 12 && documents[&letters] < 10 && !is_frame(line, frame)
    };
    let (mut own, mut kept, mut framed, mut left) = (0, 0, 0, 0);
    for (before, after) in pages.iter().zip(after) {
        let after: HashSet<&str> = after.lines().collect();
        for line in before.lines() {
            own += usize::from(is_own(&line));
            kept += usize::from(is_own(&line) && after.contains(line));
            framed += usize::from(is_frame(line, frame));
            left += usize::from(is_frame(line, frame) && after.contains(line));
        }
    }
    let bytes: usize = pages.iter().map(String::len).sum();
    println!(
        "{language}: {} pages, {} of them nothing but template, {framed} lines of the template, {left} left; {own} own lines, {kept} kept; {} of {bytes} bytes kept; {} lines removed in all",
        pages.len(),
        rejected.len(),
        cleaned.summary.bytes_out,
        cleaned.summary.steps[0].labels["lines"],
    );
    assert!(framed >= 5 * pages.len(), "{framed} lines of the template");
    assert!(left * 100 <= framed, "{left} of {framed} lines of the template are left");
    assert!(kept * 100 >= own * 95, "{kept} of {own} own lines are kept");
}

fn is_frame(line: &str, frame: &[&str]) -> bool {
    frame.iter().any(|start| line.trim_start_matches(['#', '-', '*', ' ']).starts_with(start))
}

#[test]
fn the_template_of_english_help_goes() {
    check(
        "en-US",
        &[
            "LibreOffice 7.4 Help",
            "Help content debug info",
            "This page is:",
            "Title is:",
            "Contents",
            "Index",
        ],
    );
}

#[test]
fn the_template_of_chinese_help_goes() {
    check(
        "zh-CN",
        &["LibreOffice 7.4 帮助", "Help content debug info", "This page is:", "Title is:", "目录", "索引"],
    );
}
