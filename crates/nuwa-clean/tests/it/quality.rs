//! The rules for pages of the web beside datatrove's filters, text by text (`fixtures/clean/make_quality.py`).

use std::path::Path;

use nuwa_clean::steps::{c4, fineweb, gopher_quality, repetition};
use nuwa_clean::{CleanSettings, DocumentStep, Preset, Verdict};
use nuwa_files::Document;
use serde_json::Value;

fn golden() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/clean/quality.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn judged(step: &dyn DocumentStep, text: &str) -> (Option<String>, String) {
    let mut document = Document { text: text.into(), ..Document::default() };
    let verdict = step.apply(&mut document);
    let reason = match verdict {
        Verdict::Rejected { reason, .. } => Some(reason.into_owned()),
        _ => None,
    };
    (reason, document.text)
}

/// Every text where the step's reason is not the filter's, but for `differing`, which are known and explained.
fn compare(
    filter: &str,
    step: &dyn DocumentStep,
    names: &[(&str, &str)],
    differing: &[(&str, Option<&str>)],
) {
    let mut compared = 0;
    for line in golden() {
        let name = line["name"].as_str().unwrap();
        let theirs = line[filter].as_str().map(|reason| match names.iter().find(|(of, _)| *of == reason) {
            Some((_, ours)) => *ours,
            None => panic!("{filter}: no name for {reason}"),
        });
        let (ours, _) = judged(step, line["text"].as_str().unwrap());
        let known = differing.iter().find(|(text, _)| *text == name);
        let expected = known.map_or(theirs, |(_, reason)| *reason);
        assert_eq!(ours.as_deref(), expected, "{filter}: {name} (datatrove: {theirs:?})");
        assert!(known.is_none() || expected != theirs, "{filter}: {name} does not differ any more");
        compared += 1;
    }
    assert!(compared >= 35 && differing.len() * 4 < compared);
}

#[test]
fn gopher_quality_agrees_with_datatrove() {
    let names = [
        ("gopher_short_doc", "too few words"),
        ("gopher_long_doc", "too many words"),
        ("gopher_below_avg_threshold", "words too short"),
        ("gopher_above_avg_threshold", "words too long"),
        ("gopher_too_many_hashes", "too many hash signs"),
        ("gopher_too_many_ellipsis", "too many ellipses"),
        ("gopher_too_many_bullets", "too many bullets"),
        ("gopher_too_many_end_ellipsis", "too many lines end in an ellipsis"),
        ("gopher_below_alpha_threshold", "too few words with letters"),
        ("gopher_enough_stop_words", "too few stop words"),
    ];
    // A mark behind a word is no word here, as in the paper, so that much punctuation does not take out prose.
    let differing = [("dialogue", None), ("long list of questions", Some("too few stop words"))];
    compare("gopher_quality", &gopher_quality::GopherQuality::new(&Default::default()), &names, &differing);
}

#[test]
fn fineweb_agrees_with_datatrove() {
    let names = [
        ("empty", "no lines"),
        ("line_punct_ratio", "few lines end with punctuation"),
        ("short_line_ratio", "many short lines"),
        ("char_dup_ratio", "duplicate line characters"),
        ("list_ratio", "few words between line breaks"),
    ];
    // A sentence in quotation marks ends with punctuation.
    let differing = [("dialogue", None)];
    compare("fineweb", &fineweb::FineWeb::new(&Default::default()), &names, &differing);
}

#[test]
fn c4_agrees_with_datatrove_and_leaves_the_same_lines() {
    let names = [
        ("too_few_sentences", "too few sentences"),
        ("lorem_ipsum", "lorem ipsum"),
        ("curly_bracket", "curly bracket"),
    ];
    let step = c4::C4::new(&Default::default()).unwrap();
    compare("c4", &step, &names, &[]);
    let lines = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.is_empty()).map(str::to_string).collect()
    };
    for line in golden() {
        if let Some(theirs) = line["c4_text"].as_str() {
            let (_, ours) = judged(&step, line["text"].as_str().unwrap());
            assert_eq!(lines(&ours), lines(theirs), "{}", line["name"]);
        }
    }
}

#[test]
fn repetition_agrees_with_datatrove() {
    let names = [
        ("dup_line_frac", "duplicate lines"),
        ("dup_para_frac", "duplicate paragraphs"),
        ("dup_line_char_frac", "duplicate line characters"),
        ("dup_para_char_frac", "duplicate paragraph characters"),
        ("top_2_gram", "top 2-gram"),
        ("top_3_gram", "top 3-gram"),
        ("top_4_gram", "top 4-gram"),
        ("duplicated_5_n_grams", "duplicate 5-grams"),
    ];
    let as_gopher = repetition::RepetitionSettings {
        min_words: 0,
        min_line_letters: 1,
        full_length_words: 0,
        ..Default::default()
    };
    // Marks are no words here, so a word with its full stop is no 2-gram; shares are of the characters in words, so they
    // are greater; and where there is nothing, nothing repeats.
    let differing =
        [("few words between breaks", None), ("top 4-gram", Some("top 2-gram")), ("empty lines", None)];
    compare("gopher_repetition", &repetition::Repetition::new(&as_gopher), &names, &differing);
}

#[test]
fn the_web_preset_adds_the_rules_before_the_duplicates() {
    let settings = CleanSettings { preset: Preset::Web, ..CleanSettings::default() };
    let names: Vec<&str> = settings.chain().unwrap().iter().map(|step| step.name()).collect();
    let place = |name| names.iter().position(|one| *one == name).unwrap();
    assert!(place("repetition") < place("boilerplate") && place("boilerplate") < place("gopher-quality"));
    assert!(place("gopher-quality") < place("c4"));
    assert!(place("c4") < place("fineweb") && place("fineweb") < place("exact-duplicates"), "{names:?}");
    assert_eq!(names.len(), CleanSettings::default().chain().unwrap().len() + 4);
}
