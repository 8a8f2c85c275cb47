//! Decisions of a person: kept, gone on with, taken back, and read as what is learnt from.

use std::path::{Path, PathBuf};

use nuwa_align::data::{self, Columns, preference};
use nuwa_align::feedback::{FeedbackFile, FeedbackKind, Judgement, Verdict, prompt_key};
use nuwa_align::{BadRecords, Error};
use nuwa_tokenizer::Message;

use crate::forms::told;

fn judged(question: &str, verdict: Verdict) -> Judgement {
    Judgement {
        prompt: vec![Message::new("system", "Be brief."), Message::new("user", question)],
        answers: vec!["one".into(), "two\nlines".into(), "三".into()],
        verdict,
        model: "runs/a/model".into(),
    }
}

fn ranks(question: &str, ranks: [usize; 3]) -> Judgement {
    judged(question, Verdict::Ranks(ranks.to_vec()))
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feedback.jsonl");
    (folder, path)
}

fn ranked(path: &Path) -> FeedbackFile {
    FeedbackFile::open(path, FeedbackKind::Ranks).unwrap()
}

/// Two rankings, a tie and a skipped prompt.
fn filled(path: &Path) {
    let mut file = ranked(path);
    file.add(&ranks("a", [2, 1, 3])).unwrap();
    file.add(&ranks("b", [1, 1, 1])).unwrap();
    file.add(&judged("c", Verdict::Skipped)).unwrap();
    file.add(&ranks("d", [1, 2, 2])).unwrap();
}

#[test]
fn rankings_are_read_as_preferences_and_the_undecided_is_left_out() {
    let (_folder, path) = place();
    filled(&path);
    let (pairs, reading) =
        data::read(std::slice::from_ref(&path), &Columns::new(), BadRecords::Error, preference).unwrap();
    let told: Vec<String> = pairs
        .iter()
        .map(|pair| format!("{} > {}: {}", told(&pair.chosen), told(&pair.rejected), told(&pair.prompt)))
        .collect();
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    assert_eq!(
        told,
        [
            "assistant: two\nlines > assistant: one: system: Be brief. | user: a",
            "assistant: two\nlines > assistant: 三: system: Be brief. | user: a",
            "assistant: one > assistant: 三: system: Be brief. | user: a",
            "assistant: one > assistant: two\nlines: system: Be brief. | user: d",
            "assistant: one > assistant: 三: system: Be brief. | user: d",
        ]
    );
    assert_eq!((reading.records, reading.skipped.values().sum::<u64>()), (7, 2), "{reading:?}");
    let lines: Vec<serde_json::Value> = std::fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines[0]["group"] == lines[2]["group"] && lines[0]["group"] != lines[5]["group"]);
    assert_eq!((&lines[0]["chosen_rank"], &lines[1]["rejected_rank"]), (&1.into(), &3.into()));
    assert_eq!(lines[0]["model"], "runs/a/model");
}

#[test]
fn marks_are_answers_with_labels() {
    let (_folder, path) = place();
    let mut file = FeedbackFile::open(&path, FeedbackKind::Marks).unwrap();
    file.add(&judged("a", Verdict::Marks(vec![true, false, true]))).unwrap();
    assert_eq!((file.decisions(), file.records()), (1, 3));
    let columns = Columns::new();
    let (good, reading) =
        data::read(std::slice::from_ref(&path), &columns, BadRecords::Error, data::dialogue).unwrap();
    assert_eq!((good.len(), reading.skipped.values().sum::<u64>()), (2, 1), "SFT learns what is good");
    let wrong = file.add(&ranks("b", [1, 2, 3])).unwrap_err().to_string();
    assert_eq!(wrong, "this file holds answers marked good or bad, and was given the other kind");
    drop(file);
    let wrong = FeedbackFile::open(&path, FeedbackKind::Ranks).unwrap_err().to_string();
    assert!(
        wrong.ends_with("feedback.jsonl:1: it holds answers marked good or bad; expected ranked answers"),
        "{wrong}"
    );
}

#[test]
fn a_second_start_goes_on_and_takes_back() {
    let (_folder, path) = place();
    filled(&path);
    let whole = std::fs::read(&path).unwrap();
    let mut file = ranked(&path);
    assert!(!file.is_mended());
    assert_eq!((file.decisions(), file.records()), (4, 5));
    let keys: Vec<String> = ["a", "b", "c", "d"].map(|name| prompt_key(&ranks(name, [1; 3]).prompt)).into();
    assert_eq!(file.prompts().collect::<Vec<_>>(), keys);
    assert_eq!(file.undo().unwrap().as_ref(), Some(&keys[3]));
    assert_eq!(file.undo().unwrap().as_ref(), Some(&keys[2]));
    assert_eq!((file.decisions(), file.records()), (2, 3));
    file.add(&judged("c", Verdict::Skipped)).unwrap();
    file.add(&ranks("d", [1, 2, 2])).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), whole, "nothing is left of what was taken back");
    for _ in 0..4 {
        file.undo().unwrap();
    }
    assert_eq!(file.undo().unwrap(), None);
    assert_eq!(std::fs::read(&path).unwrap(), b"");
}

#[test]
fn wherever_the_program_was_ended_the_file_is_mended() {
    let (_folder, path) = place();
    filled(&path);
    let whole = std::fs::read(&path).unwrap();
    let ends: Vec<usize> = (0..whole.len()).filter(|&at| whole[at] == b'\n').map(|at| at + 1).collect();
    // Where whole decisions end: 3 pairs, a tie, a skip, 2 pairs.
    let decisions = [0, ends[2], ends[3], ends[4], ends[6]];
    for length in (0..=whole.len()).step_by(7).chain(ends.iter().flat_map(|end| [end - 1, *end])) {
        std::fs::write(&path, &whole[..length]).unwrap();
        let file = ranked(&path);
        // A last line that lacks only its end is whole.
        let kept = decisions.iter().rposition(|&end| end <= length + 1).unwrap();
        assert_eq!(file.decisions(), kept, "cut to {length}");
        assert_eq!(file.is_mended(), length > decisions[kept], "cut to {length}");
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), whole[..decisions[kept]], "cut to {length}");
    }
}

#[test]
fn what_is_no_feedback_stays_as_it_is() {
    let (folder, path) = place();
    for other in ["hello", "{\"prompt\": \"a\"", "{\"text\": 1}\n", "\n", "[]", "{\"feedback\":\"often\"}\n"]
    {
        std::fs::write(&path, other).unwrap();
        let wrong = FeedbackFile::open(&path, FeedbackKind::Ranks).unwrap_err();
        assert!(matches!(wrong, Error::NotFeedback { .. }), "{other}: {wrong}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
    }
    let wrong = FeedbackFile::open(folder.path(), FeedbackKind::Ranks).unwrap_err().to_string();
    assert!(wrong.ends_with("is not a file; expected a file of feedback, or a new name"), "{wrong}");
    std::fs::write(&path, "").unwrap();
    let _first = ranked(&path);
    let second = FeedbackFile::open(&path, FeedbackKind::Ranks).unwrap_err();
    assert!(matches!(second, Error::Files(nuwa_files::Error::InUse { .. })), "{second}");
}
