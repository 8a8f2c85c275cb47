use nuwa_clean::steps::repeated_passages::RepeatedPassagesSettings;
use nuwa_clean::{Change, CleanSettings, CleanSummary, StepName, clean};
use nuwa_files::{Document, documents};

use crate::{cleaned, collected, documents_of, shared};

fn settings(words: usize) -> CleanSettings {
    CleanSettings {
        steps: vec![StepName::Whitespace, StepName::RepeatedPassages, StepName::Length],
        repeated_passages: RepeatedPassagesSettings { words },
        ..Default::default()
    }
}

const LICENCE: &str =
    "This text may be copied and given away by whoever wishes to do so, as often as they like.";

#[test]
fn what_is_cut_is_counted_and_shown() {
    let own = "The potter kneads clay of many colours until the evening comes and all is done.";
    let folder = documents_of(&[
        &format!("{own}\n\n{LICENCE}"),
        &format!("Ropes are made of hemp, and hemp grows by the river.\n\n{LICENCE}\n\nAsk for more."),
        LICENCE,
    ]);
    let out = tempfile::tempdir().unwrap();
    let summary = clean(&[folder.path().into()], out.path(), &settings(15), &mut |_| {}).unwrap();
    let texts: Vec<String> =
        documents::read(out.path()).unwrap().map(|document| document.unwrap().text).collect();
    assert_eq!(texts[0], format!("{own}\n\n{LICENCE}"));
    assert_eq!(texts[1..], ["Ropes are made of hemp, and hemp grows by the river.\n\nAsk for more."]);
    let step = &summary.steps[1];
    assert_eq!((step.documents_in, step.changed, step.rejected), (3, 1, 1));
    assert_eq!((step.labels["passages"], step.labels["words"]), (2, 38));
    assert_eq!(step.reasons["nothing but repeated passages"], 1);
    let changes = std::fs::File::open(out.path().join("changed.jsonl.zst")).unwrap();
    let changes = String::from_utf8(zstd::stream::decode_all(changes).unwrap()).unwrap();
    let change: Change = serde_json::from_str(changes.lines().next().unwrap()).unwrap();
    assert_eq!(change.step, "repeated-passages");
    assert!(change.before.contains(LICENCE) && change.after == texts[1]);
}

#[test]
fn a_wrong_length_is_refused() {
    let folder = documents_of(&["some text"]);
    let error = cleaned(folder.path(), &settings(9)).err().unwrap();
    assert_eq!(error.to_string(), "clean.repeated_passages.words = 9: expected 10 to 1000");
}

/// All runs of so many words of these texts, as a plain program would gather them.
fn runs(texts: &[String], words: usize) -> Vec<Vec<String>> {
    let plain = |text: &String| -> Vec<String> {
        let kept = text.to_lowercase().replace(['\'', '’'], "");
        let words = kept.split(|character: char| !character.is_alphanumeric());
        words.filter(|word| !word.is_empty()).map(str::to_string).collect()
    };
    texts
        .iter()
        .flat_map(|text| plain(text).windows(words).map(<[String]>::to_vec).collect::<Vec<_>>())
        .collect()
}

/// Two of the translations are one book; what is left of the second is what the editors changed.
#[test]
fn the_second_copy_of_a_real_book_loses_what_the_first_has() {
    let Some(folder) = shared("messy/war_and_peace_editions") else { return };
    let editions = collected(&[folder], &Default::default());
    let beginning = |document: &Document| document.text.chars().take(400_000).collect();
    let texts: Vec<String> = editions.iter().map(beginning).collect();
    let documents = documents_of(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let mut chain = settings(50);
    chain.steps = vec![StepName::RepeatedPassages];
    let cleaned = cleaned(documents.path(), &chain).unwrap();
    let repeated = |texts: &[String]| {
        let mut runs = runs(texts, 50);
        let all = runs.len();
        runs.sort_unstable();
        runs.dedup();
        (all - runs.len(), all)
    };
    let (before, after) = (repeated(&texts), repeated(&cleaned.kept));
    let CleanSummary { bytes_in, bytes_out, .. } = cleaned.summary;
    println!(
        "windows of 50 words that stand earlier: {before:?} before, {after:?} after; {bytes_in} to {bytes_out} bytes"
    );
    assert!(before.0 > 10_000, "the editions share passages: {before:?}");
    assert_eq!(after.0, 0, "of {} windows", after.1);
}
