use nuwa_clean::survey::{Survey, languages, survey};
use nuwa_clean::{CleanSettings, StepName, clean};

use crate::{folder, rejected_in};

/// Cleans documents (id, language, text) and looks at what is left, with at most `samples` of each kind.
fn surveyed(documents: &[(String, Option<&str>, String)], samples: usize) -> (Survey, tempfile::TempDir) {
    let line = |(id, lang, text): &(String, Option<&str>, String)| {
        format!("{}\n", serde_json::json!({"id": id, "lang": lang, "text": text}))
    };
    let lines: String = documents.iter().map(line).collect();
    let input = folder(&[("documents-00000.jsonl", lines.as_bytes())]);
    let out = tempfile::tempdir().unwrap();
    let steps = vec![
        StepName::Unicode,
        StepName::Whitespace,
        StepName::Length,
        StepName::ExactDuplicates,
        StepName::NearDuplicates,
    ];
    let settings = CleanSettings { steps, ..CleanSettings::default() };
    clean(&[input.path().to_path_buf()], out.path(), &settings, &mut |_| {}).unwrap();
    (survey(out.path(), samples, &mut |_| {}).unwrap(), out)
}

/// Words that no other number has.
fn passage(number: usize) -> String {
    (0..60).map(|at| format!("word{}", number * 1000 + at)).collect::<Vec<_>>().join(" ")
}

fn corpus() -> Vec<(String, Option<&'static str>, String)> {
    let mut documents: Vec<_> = (0..200).map(|at| (format!("kept {at}"), Some("en"), passage(at))).collect();
    documents.extend((0..40).map(|at| (format!("changed {at}"), None, passage(1000 + at) + "  \n\n\n\n")));
    documents.extend((0..30).map(|at| (format!("short {at}"), Some("zh"), format!("短{at}"))));
    // One text six times, one nearly the same three times, one twice.
    documents.extend((0..5).map(|at| (format!("copy {at}"), Some("en"), passage(7))));
    documents.extend((0..2).map(|at| (format!("near {at}"), Some("en"), passage(8) + &format!(" {at}"))));
    documents.push(("twin".into(), Some("en"), passage(9)));
    documents
}

#[test]
fn every_document_is_counted_once() {
    let (survey, out) = surveyed(&corpus(), 5);
    let cleaning = &survey.cleaning;
    let rejected = rejected_in(out.path());
    assert_eq!(cleaning.documents_in, corpus().len() as u64);
    assert_eq!(survey.kept_lengths.classes.values().sum::<u64>(), cleaning.documents_out);
    assert_eq!(survey.rejected_lengths.classes.values().sum::<u64>(), rejected.len() as u64);
    assert_eq!(survey.kept_languages.shares["en"].documents, 200);
    assert_eq!(survey.kept_languages.shares["unknown, Latin letters"].documents, 40);
    assert_eq!(languages(out.path()).unwrap(), survey.kept_languages);
    assert_eq!(survey.rejected_languages.shares["zh"].documents, 30);
    assert_eq!(survey.rejected_languages.shares["en"].documents, 8);
    let bytes: u64 = survey.kept_languages.shares.values().map(|share| share.bytes).sum();
    assert_eq!(bytes, cleaning.bytes_out);
}

#[test]
fn clusters_have_their_sizes_their_original_and_their_copies() {
    let (survey, _) = surveyed(&corpus(), 5);
    let clusters = &survey.clusters;
    assert_eq!(clusters.copies, 8);
    assert_eq!(
        clusters.sizes.iter().map(|(size, count)| (*size, *count)).collect::<Vec<_>>(),
        [(2, 1), (3, 1), (6, 1)]
    );
    let shown: Vec<(u64, &str, usize)> = clusters
        .largest
        .iter()
        .map(|cluster| {
            (cluster.size, cluster.original.as_ref().map_or("", |one| one.id.as_str()), cluster.copies.len())
        })
        .collect();
    assert_eq!(shown, [(6, "kept 7", 3), (3, "kept 8", 2), (2, "kept 9", 1)]);
    assert_eq!(clusters.largest[1].step, "near-duplicates");
}

#[test]
fn examples_are_few_and_the_same_each_time() {
    let (survey, out) = surveyed(&corpus(), 5);
    assert_eq!(survey.kept.len(), 5);
    assert_eq!(survey.changed.len(), 5);
    let of = |reason: &str| survey.rejected.iter().filter(|example| example.reason == reason).count();
    assert_eq!(of("same text as an earlier document"), 5);
    assert_eq!(of("nearly the same as another document"), 2);
    assert_eq!(survey.rejected.iter().filter(|example| example.step == "length").count(), 5);
    let again = nuwa_clean::survey::survey(out.path(), 5, &mut |_| {}).unwrap();
    assert_eq!((again.kept, again.changed, again.rejected), (survey.kept, survey.changed, survey.rejected));
    let none = nuwa_clean::survey::survey(out.path(), 0, &mut |_| {}).unwrap();
    assert_eq!((none.kept.len(), none.changed.len(), none.rejected.len()), (0, 0, 0));
}
