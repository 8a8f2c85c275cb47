//! Limits of quality and repetition on real prose: long books, encyclopedia pages in Markdown, nine languages; and on pages
//! that are worth nothing.

use std::path::Path;

use nuwa_clean::steps::{c4, fineweb, gopher_quality, language, repetition};
use nuwa_clean::{CleanSettings, DocumentStep, Verdict};
use nuwa_collect::{CollectSettings, collect};
use nuwa_files::Document;

use crate::{cleaned, documents_of, shared, shown};

/// How many documents of a folder the default chain keeps, of how many.
fn kept_of(path: &Path) -> (u64, u64) {
    let out = tempfile::tempdir().unwrap();
    collect(&[path.to_path_buf()], out.path(), &CollectSettings::default(), &mut |_| {}).unwrap();
    let summary = cleaned(out.path(), &CleanSettings::default()).unwrap().summary;
    (summary.documents_out, summary.documents_in)
}

#[test]
fn encyclopedia_pages_stay() {
    let Some(path) = shared("corpus/mars") else { return };
    assert_eq!(kept_of(&path), (9, 9));
    for name in ["wiki_links.md", "wiki_plain.md"] {
        let Some(path) = shared(&format!("field/data/{name}")) else { continue };
        assert_eq!(kept_of(&path), (1, 1), "{name}");
    }
}

#[test]
fn long_books_stay() {
    let Some(path) = shared("corpus/en/standard_ebooks") else { return };
    assert_eq!(kept_of(&path), (8, 8));
}

#[test]
fn signs_within_words_are_no_marks() {
    let Some(path) = shared("field/data/hindi_words.txt") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(judged(&gopher_quality::GopherQuality::new(&Default::default()), Some("hi"), &text), None);
}

fn judged(step: &dyn DocumentStep, lang: Option<&str>, text: &str) -> Option<String> {
    let mut document = Document { text: text.into(), lang: lang.map(str::to_string), ..Document::default() };
    match step.apply(&mut document) {
        Verdict::Rejected { reason, .. } => Some(reason.into_owned()),
        _ => None,
    }
}

fn quality_steps() -> Vec<Box<dyn DocumentStep>> {
    vec![
        Box::new(repetition::Repetition::new(&Default::default())),
        Box::new(gopher_quality::GopherQuality::new(&Default::default())),
        Box::new(c4::C4::new(&Default::default()).unwrap()),
        Box::new(fineweb::FineWeb::new(&Default::default())),
    ]
}

#[test]
fn clean_prose_of_nine_languages_passes_every_rule() {
    let Some(folder) = shared("corpus/mars") else { return };
    let steps = quality_steps();
    let language = language::Language::new(&Default::default()).unwrap();
    let mut worst = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().replace(".utf8", "");
        let pieces = pieces(&plain(&std::fs::read_to_string(&path).unwrap()));
        assert!(pieces.len() >= 4, "{name}: {} pieces", pieces.len());
        for step in &steps {
            let mut lost = [0, 0];
            for (at, piece) in pieces.iter().enumerate() {
                let mut document = Document { text: piece.clone(), ..Document::default() };
                language.apply(&mut document);
                if let Some(reason) = judged(step.as_ref(), document.lang.as_deref(), piece) {
                    println!("{name}, {}, piece {at}: {reason}", step.name());
                    lost[at % 2] += 1;
                }
            }
            println!(
                "| {name} | {} | {} pieces | even lost {} | odd lost {} |",
                step.name(),
                pieces.len(),
                lost[0],
                lost[1]
            );
            if (lost[0] + lost[1]) * 20 > pieces.len() {
                worst.push(format!("{name}, {}: {lost:?} of {}", step.name(), pieces.len()));
            }
        }
    }
    assert!(worst.is_empty(), "{worst:#?}");
}

/// Paragraphs of prose, joined until there are about 300 words in a piece.
fn pieces(text: &str) -> Vec<String> {
    let (mut all, mut piece) = (Vec::new(), String::new());
    for paragraph in text.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" ")) {
        let is_prose = !paragraph.starts_with(['*', '|', '#', '^', '-', '!', ':', '_'])
            && !paragraph.contains(['|', '{', '↑'])
            && paragraph.matches(['.', '。', '؟', '،', '、']).count() + thai(&paragraph) / 100 >= 2
            && words(&paragraph) >= 25.0;
        if is_prose {
            piece = if piece.is_empty() { paragraph } else { format!("{piece}\n\n{paragraph}") };
        }
        if words(&piece) >= 300.0 {
            all.push(std::mem::take(&mut piece));
        }
    }
    all
}

fn thai(text: &str) -> usize {
    text.chars().filter(|character| ('\u{e00}'..'\u{e7f}').contains(character)).count()
}

fn words(text: &str) -> f64 {
    let east = text.chars().filter(|character| ('\u{3040}'..'\u{a000}').contains(character)).count();
    let unspaced = east as f64 / 2.0 + thai(text) as f64 / 4.5;
    unspaced.max(text.split_whitespace().count() as f64)
}

/// Markdown without images, targets of links and numbers of notes.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['[', ']', '\\']) {
        out.push_str(&rest[..at]);
        let mark = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        match mark {
            b'[' => {
                let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(0);
                if rest[digits..].starts_with(']') {
                    rest = &rest[digits + 1..];
                }
            }
            b']' if rest.starts_with('(') => rest = &rest[target(rest)..],
            _ => {}
        }
    }
    out + rest
}

/// The length of a target in round brackets.
fn target(rest: &str) -> usize {
    let (mut depth, mut escaped) = (0, false);
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' if depth == 1 => return at + 1,
            b')' => depth -= 1,
            _ => {}
        }
    }
    rest.len()
}

const SENTENCES: [&str; 6] = [
    "The potter went down to the river before the sun was up.",
    "Nobody in the village could say where the clay had come from.",
    "A heron stood in the reeds and watched her fill the basket.",
    "When she came back, the ferryman had already crossed twice.",
    "Rain fell for three days, and the kiln stayed cold.",
    "In spring they sold the bowls at the market beyond the hills.",
];

/// Pages that nobody needs, each with what makes it bad.
fn bad_pages() -> Vec<(&'static str, String)> {
    let many = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let towns = ["Ash", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Gorse", "Hazel", "Ivy", "Juniper"];
    let town = |at: usize| format!("{}{}", towns[at % 10], ["ton", "ville", "field"][at / 10 % 3]);
    vec![
        ("a line again and again", format!("{}\n", SENTENCES[0]).repeat(120)),
        ("a page again and again", format!("{}\n\n", SENTENCES.join(" ")).repeat(30)),
        (
            "spam",
            many(60, &|at| {
                format!(
                    "Buy cheap watches online in {} today, free shipping and best price guaranteed. ",
                    town(at)
                )
            }),
        ),
        ("spam in links", many(150, &|at| format!("[buy cheap watches online](https://shop.example/{at}) "))),
        ("spam with images", many(150, &|at| format!("![x](a{at}.png) cheap watches online best price\n"))),
        (
            "towns",
            many(300, &|at| {
                format!("Plumber in {} near me. Call the best plumber in {} now.\n", town(at), town(at))
            }),
        ),
        (
            "log",
            many(2000, &|at| {
                format!(
                    "2024-05-{:02} 12:{:02}:07 INFO worker {}: request finished with status 200 in {} ms\n",
                    at % 28 + 1,
                    at % 60,
                    at % 7,
                    at * 37 % 400
                )
            }),
        ),
        (
            "addresses",
            many(200, &|at| format!("https://example.org/forum/index.php?topic={at}.msg{}\n", at * 3)),
        ),
        (
            "menu",
            "Home\nAbout us and our history\nContact our service team\nTerms and conditions of use\n"
                .repeat(60),
        ),
        ("Chinese menu", "点击进入官网，注册即送大礼包。".repeat(60)),
        ("Thai spam", "คลิกที่นี่เพื่อสมัครสมาชิกรับโบนัสฟรีทันที ".repeat(60)),
        ("Hindi", "क्षेत्र में विद्यार्थी संस्कृत व्याकरण पढ़ते हैं। ".repeat(60)),
        ("a book twice", {
            let one = many(12_000, &|at| format!("w{} ", at * 7919));
            format!("{one}\n{one}")
        }),
        (
            "spam at the end of prose",
            format!("{}\n{}", SENTENCES.join(" "), "best casino bonus online ".repeat(200)),
        ),
    ]
}

#[test]
fn what_repeats_is_still_rejected() {
    let step = repetition::Repetition::new(&Default::default());
    let kept: Vec<&str> = bad_pages()
        .iter()
        .filter(|(_, text)| judged(&step, None, text).is_none())
        .map(|(name, _)| *name)
        .collect();
    assert!(kept.is_empty(), "{kept:?}");
}

#[test]
fn a_source_that_repeats_has_a_way_out() {
    let input = documents_of(&[&format!("{}\n", SENTENCES[0]).repeat(120)]);
    let settings = CleanSettings::default();
    let error = cleaned(input.path(), &settings).err().unwrap();
    insta::assert_snapshot!(shown(&error, input.path()), @r#"
    cleaning step `repetition` rejected the last of 1 documents (1 duplicate lines)
    hint: look at rejected.jsonl.zst; to keep such documents, add: clean.steps=["unicode","article","whitespace","length","language","emoji","personal-data","decontaminate","exact-duplicates","near-duplicates"]
    "#);
    let hint = error.hint().unwrap();
    let list = &hint[hint.find('[').unwrap()..=hint.rfind(']').unwrap()];
    let steps = serde_json::from_str(list).unwrap();
    assert_eq!(cleaned(input.path(), &CleanSettings { steps, ..settings }).unwrap().kept.len(), 1);
}
