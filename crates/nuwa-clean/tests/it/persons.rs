//! Languages and personal data against labelled material, where `../shared/data` is there.

use std::collections::BTreeMap;

use nuwa_clean::steps::personal_data::{Kind, find};
use nuwa_clean::{CleanSettings, StepName};

use crate::labelled::{paragraphs, scores};
use crate::{cleaned, folder, shared};

#[test]
fn personal_data_is_found_in_labelled_sentences() {
    let Some(path) = shared("messy/pii/synth.json") else { return };
    for score in scores(&std::fs::read_to_string(path).unwrap()) {
        println!(
            "{}: {} of {}, precision {:.3}",
            score.label,
            score.recalled,
            score.labelled,
            score.precision()
        );
        assert!(score.precision() >= 0.95 && score.recall() >= 0.95, "{score:#?}");
    }
}

#[test]
fn books_hold_no_personal_data() {
    let Some(path) = shared("corpus/en/standard_ebooks/mark-twain_the-adventures-of-huckleberry-finn.txt")
    else {
        return;
    };
    let text = std::fs::read_to_string(path).unwrap();
    let found: Vec<&str> = find(&text, &Kind::ALL).into_iter().map(|(_, range)| &text[range]).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn paragraphs_of_an_article_are_in_its_language() {
    let languages = [
        ("arabic", "ar"),
        ("chinese", "zh"),
        ("english", "en"),
        ("french", "fr"),
        ("german", "de"),
        ("japanese", "ja"),
        ("korean", "ko"),
        ("russian", "ru"),
        ("thai", "th"),
    ];
    for (name, code) in languages {
        let Some(path) = shared(&format!("corpus/mars/{name}.utf8.txt")) else { return };
        let counts = paragraphs(&std::fs::read_to_string(path).unwrap(), code, true);
        println!("{name}: {} of {}, {} unsure", counts.right, counts.all, counts.unsure);
        assert!(counts.wrong.len() as f64 <= 0.02 * counts.all as f64, "{:#?}", counts.wrong);
        assert!(counts.right as f64 >= 0.9 * counts.all as f64, "{name}: {counts:#?}");
    }
}

#[test]
fn steps_count_what_they_find() {
    let texts = [
        ("The old woman put the kettle on the fire 🎉 and waited for her son.", None),
        ("Die alte Frau stellte den Kessel aufs Feuer und schrieb an sohn@example.org.", None),
        ("Bonjour", Some("fr")),
        ("Hm", None),
    ];
    let lines: String = texts
        .iter()
        .map(|(text, lang)| format!("{}\n", serde_json::json!({ "text": text, "lang": lang })))
        .collect();
    let folder = folder(&[("documents-00000.jsonl", lines.as_bytes())]);
    let steps = vec![StepName::Language, StepName::Emoji, StepName::PersonalData];
    let mut settings = CleanSettings { steps, ..Default::default() };
    settings.language.languages = vec!["en".into(), "de".into()];
    let cleaned = cleaned(folder.path(), &settings).unwrap();
    let labels = |step: usize| -> BTreeMap<&str, u64> {
        cleaned.summary.steps[step].labels.iter().map(|(label, count)| (label.as_str(), *count)).collect()
    };
    assert_eq!(labels(0), BTreeMap::from([("de", 1), ("en", 1), ("fr", 1), ("unknown", 1)]));
    assert_eq!(labels(1), BTreeMap::from([("emoji", 1)]));
    assert_eq!(labels(2), BTreeMap::from([("email", 1)]));
    assert_eq!(cleaned.rejected[0]["reason"], "language fr");
    assert!(cleaned.kept[0].contains("fire party popper and") && cleaned.kept[1].ends_with("an [EMAIL]."));
    assert_eq!(cleaned.kept.len(), 3);
}
