use std::collections::HashSet;

use nuwa_clean::steps::exact_duplicates::ExactDuplicates;
use nuwa_clean::steps::near_duplicates::{Keep, NearDuplicates};
use nuwa_clean::{CleanSettings, CorpusStep, StepName, Verdict, Workspace, clean};
use nuwa_files::Document;

use crate::{Cleaned, cleaned, documents_of, folder, rejected_in, shown};

fn with(steps: &[StepName]) -> CleanSettings {
    CleanSettings { steps: steps.to_vec(), ..Default::default() }
}

fn passage(seed: u32, words: u32) -> String {
    (0..words).map(|at| format!("word{} ", (at * 7919 + seed * 104_729) % 100_003)).collect()
}

fn check_counts(cleaned: &Cleaned) {
    let summary = &cleaned.summary;
    let mut documents = summary.documents_in;
    let mut bytes = summary.bytes_in;
    for step in &summary.steps {
        assert_eq!((step.documents_in, step.bytes_in), (documents, bytes), "{}", step.name);
        assert_eq!(step.documents_in, step.documents_out + step.rejected, "{}", step.name);
        assert_eq!(step.rejected, step.reasons.values().sum::<u64>(), "{}", step.name);
        (documents, bytes) = (step.documents_out, step.bytes_out);
    }
    assert_eq!((documents, bytes), (summary.documents_out, summary.bytes_out));
    assert_eq!(cleaned.kept.len() as u64, summary.documents_out);
    assert_eq!(cleaned.rejected.len() as u64, summary.documents_in - summary.documents_out);
}

#[test]
fn a_chain_keeps_its_books() {
    let (one, two) = (passage(1, 300), passage(2, 300));
    let near = one.replacen("word", "other", 3);
    let spam = "buy cheap watches now ".repeat(100);
    let texts = ["Itâ€™s a fine day, my friend.  \n\n\n\n\nYes.", "ok", &one, &two, &one, &near, &spam];
    let folder = documents_of(&texts);
    let cleaned = cleaned(folder.path(), &CleanSettings::default()).unwrap();
    check_counts(&cleaned);
    assert_eq!(cleaned.kept, ["It’s a fine day, my friend.\n\n\nYes.", one.trim_end(), two.trim_end()]);
    let why: Vec<String> = cleaned
        .rejected
        .iter()
        .map(|line| format!("{} {} {}", line["id"], line["step"], line["reason"]))
        .collect();
    insta::assert_debug_snapshot!(why, @r#"
    [
        "\"documents-00000.jsonl#2\" \"length\" \"too short\"",
        "\"documents-00000.jsonl#7\" \"repetition\" \"top 2-gram\"",
        "\"documents-00000.jsonl#5\" \"exact-duplicates\" \"same text as an earlier document\"",
        "\"documents-00000.jsonl#6\" \"near-duplicates\" \"nearly the same as another document\"",
    ]
    "#);
    assert_eq!(cleaned.rejected.last().unwrap()["detail"], "cluster 2, kept documents-00000.jsonl#3");
    assert!(cleaned.summary.samples.iter().any(|sample| sample.outcome == "rejected"));
}

#[test]
fn near_duplicates_join_in_chains_and_keep_the_first() {
    let base = passage(3, 400);
    let close = base.replacen("word1", "neu1", 4);
    let closer = close.replacen("word2", "neu2", 4);
    let folder = documents_of(&[&passage(4, 400), &base, &closer, &close, "!!!", "???"]);
    let cleaned = cleaned(folder.path(), &with(&[StepName::NearDuplicates])).unwrap();
    check_counts(&cleaned);
    assert_eq!(cleaned.summary.documents_out, 4);
    assert_eq!(cleaned.kept[1], base);
    assert_eq!(cleaned.kept[2..], ["!!!", "???"]);
}

#[test]
fn of_near_duplicates_the_longest_can_be_kept() {
    let base = passage(3, 400);
    let longer = base.clone() + "and a few words more.";
    let folder = documents_of(&[&base, &passage(4, 400), &longer, &base.replacen("word1", "neu1", 4)]);
    let mut settings = with(&[StepName::NearDuplicates]);
    settings.near_duplicates.keep = Keep::Longest;
    let cleaned = cleaned(folder.path(), &settings).unwrap();
    check_counts(&cleaned);
    assert_eq!(cleaned.kept, [passage(4, 400), longer]);
    assert!(cleaned.rejected.iter().all(|line| line["detail"] == "cluster 3, kept documents-00000.jsonl#3"));
}

#[test]
fn near_duplicates_are_the_same_on_disk_as_in_memory() {
    let text = |number: u32| match number {
        0..1000 => passage(number, 60),
        _ => passage(number - 1000, 60).replacen("word", "other", 1),
    };
    let documents: Vec<Document> = (0..1500)
        .map(|number| Document { id: number.to_string(), text: text(number), ..Document::default() })
        .collect();
    let verdicts = |memory: usize| {
        let folder = tempfile::tempdir().unwrap();
        let mut step = NearDuplicates::new(&Default::default()).unwrap();
        step.begin(&Workspace { folder: folder.path().join("near"), memory }).unwrap();
        let batches: Vec<Vec<&Document>> = documents.chunks(97).map(|batch| batch.iter().collect()).collect();
        batches.iter().for_each(|batch| step.observe(batch).unwrap());
        // What does not fit is in runs of the sort, which lie beside the shingles and the ids.
        let files = std::fs::read_dir(folder.path().join("near")).unwrap().count();
        step.conclude().unwrap();
        let verdicts: Vec<Verdict> = documents
            .clone()
            .chunks_mut(97)
            .flat_map(|batch| step.apply(&mut batch.iter_mut().collect::<Vec<_>>()).unwrap())
            .collect();
        drop(step);
        assert_eq!(std::fs::read_dir(folder.path().join("near")).unwrap().count(), 0, "files are left");
        (verdicts, files)
    };
    let ((on_disk, runs), (in_memory, none)) = (verdicts(0), verdicts(1 << 28));
    assert_eq!((runs, none), (4 + 7, 4));
    assert!(on_disk == in_memory);
    assert!(on_disk.iter().filter(|verdict| **verdict != Verdict::Kept).count() >= 500);
}

#[test]
fn exact_duplicates_on_disk_are_those_of_a_plain_set() {
    // More than a buffer of the sort takes, so that several runs are merged.
    let mut documents: Vec<Document> = (0..9000u64)
        .map(|number| Document { text: (number * number % 5003).to_string(), ..Document::default() })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let mut step = ExactDuplicates::default();
    step.begin(&Workspace { folder: folder.path().join("exact"), memory: 0 }).unwrap();
    for batch in documents.chunks(97) {
        step.observe(&batch.iter().collect::<Vec<_>>()).unwrap();
    }
    assert!(std::fs::read_dir(folder.path().join("exact")).unwrap().count() > 1, "runs on the disk");
    step.conclude().unwrap();
    let mut seen = HashSet::new();
    let expected: Vec<bool> = documents.iter().map(|document| seen.insert(document.text.clone())).collect();
    let apply = |batch: &mut [Document]| step.apply(&mut batch.iter_mut().collect::<Vec<_>>()).unwrap();
    let verdicts: Vec<Verdict> = documents.chunks_mut(89).flat_map(apply).collect();
    let kept: Vec<bool> = verdicts.iter().map(|verdict| *verdict == Verdict::Kept).collect();
    assert_eq!(kept, expected);
}

#[test]
fn whole_corpus_steps_can_stand_anywhere_and_twice() {
    let text = passage(5, 50);
    let folder = documents_of(&[&text, &text, "short", "a longer text of its own"]);
    use StepName::{ExactDuplicates, Length, NearDuplicates};
    for steps in [
        &[NearDuplicates, Length][..],
        &[NearDuplicates, ExactDuplicates, NearDuplicates, Length],
        &[Length, NearDuplicates],
    ] {
        let cleaned = cleaned(folder.path(), &with(steps)).unwrap();
        check_counts(&cleaned);
        assert_eq!(cleaned.kept.len(), 2);
    }
}

#[test]
fn an_article_loses_its_page() {
    let page = "<html><head><title>On Clay</title></head><body><nav><a href=/>Home</a></nav>\
        <div class=sidebar>Buy our mugs, they are good mugs.</div><div id=content><h1>On Clay</h1>\
        <p>Clay is patient, and whoever shapes it learns to be, too, in the course of a long afternoon.</p>\
        <p>Nuwa shaped people out of it, the story says, first one by one, then with a rope.</p></div>\
        <footer>Imprint</footer></body></html>";
    let line = serde_json::json!({ "text": page, "meta": { "format": "html" } }).to_string();
    let folder = folder(&[("documents-00000.jsonl", line.as_bytes())]);
    let cleaned = cleaned(folder.path(), &CleanSettings::default()).unwrap();
    check_counts(&cleaned);
    assert!(cleaned.kept[0].starts_with("# On Clay\n\nClay is patient"), "{}", cleaned.kept[0]);
    assert!(cleaned.kept[0].ends_with("with a rope."), "{}", cleaned.kept[0]);
}

#[test]
fn short_verse_stays() {
    let poem = "静夜思\n床前明月光，疑是地上霜。\n举头望明月，低头思故乡。";
    let folder = documents_of(&[poem, "Less is more.", "知足常乐"]);
    assert_eq!(
        cleaned(folder.path(), &CleanSettings::default()).unwrap().kept,
        [poem, "Less is more.", "知足常乐"]
    );
}

#[test]
fn nothing_left_is_an_error_that_names_the_step() {
    let input = documents_of(&["a", "b", "Hello there, reader"]);
    let out = tempfile::tempdir().unwrap();
    let mut settings = CleanSettings::default();
    settings.length.min_letters = 1000;
    let error = clean(&[input.path().into()], out.path(), &settings, &mut |_| {}).unwrap_err();
    insta::assert_snapshot!(shown(&error, out.path()), @r#"
    cleaning step `length` rejected the last of 3 documents (3 too short)
    hint: look at rejected.jsonl.zst; to keep such documents, add: clean.length.min_letters=0
    "#);
    assert_eq!(rejected_in(out.path()).len(), 3);
    assert!(out.path().join("clean.json").exists());
}

#[test]
fn wrong_inputs_and_settings_are_named() {
    let folder = folder(&[
        ("raw.txt", b"x"),
        ("bad.jsonl", b"{\"text\": 3}\n"),
        ("cut.jsonl", b"{\"text\": \"a\"}\n{"),
    ]);
    let failure = |name: &str| {
        let out = tempfile::tempdir().unwrap();
        let settings = CleanSettings::default();
        let path = folder.path().join(name);
        shown(&clean(&[path], out.path(), &settings, &mut |_| {}).unwrap_err(), folder.path())
    };
    let mut settings = CleanSettings::default();
    settings.near_duplicates.bands = 0;
    let setting = shown(&settings.chain().err().unwrap(), folder.path());
    let all = [failure("raw.txt"), failure("bad.jsonl"), failure("cut.jsonl"), failure("none"), setting];
    insta::assert_snapshot!(all.join("\n"), @r#"
    DIR/raw.txt holds no documents: expected a file ending in .jsonl, .jsonl.gz or .jsonl.zst
    hint: collect turns raw files into documents
    DIR/bad.jsonl, line 1: invalid JSON: invalid type: integer `3`, expected a string at column 10
    hint: correct the line (JSON lines hold one object each)
    DIR/cut.jsonl, line 2: invalid JSON: EOF while parsing an object at column 1
    hint: correct the line (JSON lines hold one object each)
    DIR/none does not exist
    hint: check the spelling; a relative path starts at the current folder
    clean.near_duplicates.bands = 0: expected 1 to 256
    hint: correct the value in the recipe
    "#);
}
