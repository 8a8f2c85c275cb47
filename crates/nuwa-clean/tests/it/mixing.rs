use std::collections::BTreeMap;

use nuwa_clean::steps::mix::MixSettings;
use nuwa_clean::{CleanSettings, StepName, clean};
use nuwa_files::{Document, documents};
use nuwa_shards::split::{SplitSettings, training_texts};

use crate::folder;

/// Documents in two languages, cleaned with these weights.
fn mixed(weights: &[(&str, f64)]) -> (tempfile::TempDir, Vec<Document>) {
    let text = |lang: &str, number: usize| match lang {
        "en" => format!("Potter {number} kneads clay and fires {number} bowls in the kiln."),
        _ => format!("第{number}位陶工和泥，在窑里烧了{number}只碗。"),
    };
    let line = |lang: &str, number: usize| {
        let document =
            serde_json::json!({ "id": format!("{lang}{number}"), "lang": lang, "text": text(lang, number) });
        format!("{document}\n")
    };
    let lines = |lang: &str, count: usize| (0..count).map(|number| line(lang, number)).collect::<String>();
    let input = folder(&[("a.jsonl", (lines("en", 300) + &lines("zh", 60)).as_bytes())]);
    let settings = CleanSettings {
        steps: vec![StepName::Whitespace],
        mix: MixSettings {
            languages: weights.iter().map(|(name, weight)| (name.to_string(), *weight)).collect(),
            ..Default::default()
        },
        ..Default::default()
    };
    let out = tempfile::tempdir().unwrap();
    let summary = clean(&[input.path().into()], out.path(), &settings, &mut |_| {}).unwrap();
    let step = summary.steps.last().unwrap();
    assert_eq!((step.name.as_str(), step.documents_in), ("mix", 360));
    for portion in &step.portions {
        assert!((portion.after - portion.asked).abs() < 0.01, "{portion:?}");
    }
    let documents = documents::read(out.path()).unwrap().map(Result::unwrap).collect();
    (out, documents)
}

#[test]
fn copies_are_learned_from_and_never_measured_on() {
    let (out, documents) = mixed(&[("en", 1.0), ("zh", 1.0)]);
    assert!(
        documents.iter().any(|document| document.extra_copies > 0 && document.lang.as_deref() == Some("zh"))
    );
    let texts = training_texts(out.path(), &SplitSettings::default()).unwrap();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    texts.for_each(|text| *seen.entry(text).or_default() += 1);
    let mut held_out = 0;
    for document in &documents {
        match seen.get(&document.text) {
            Some(times) => assert_eq!(*times, document.extra_copies + 1, "{}", document.id),
            None => held_out += 1,
        }
    }
    assert!((10..100).contains(&held_out), "{held_out}");
}

#[test]
fn a_language_may_be_left_out() {
    let (_, documents) = mixed(&[("en", 0.0), ("others", 1.0)]);
    assert_eq!(documents.len(), 60);
    assert!(documents.iter().all(|document| document.lang.as_deref() == Some("zh")));
}
