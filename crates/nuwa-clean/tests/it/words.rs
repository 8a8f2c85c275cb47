//! Spelling, abuse and bias: what is changed, what is left alone, on made-up and on real text.

use std::path::Path;

use nuwa_clean::bias::BiasReport;
use nuwa_clean::{CleanSettings, StepName, clean};
use nuwa_files::{Document, documents};
use nuwa_text::classify::{Classifier, Examples, TrainSettings, train};

use crate::forms::{FORMS, learnt, material, taken, texts_of};
use crate::slips::measure;
use crate::{cleaned, documents_of, folder, shared, shown};

fn with(step: StepName) -> CleanSettings {
    CleanSettings { steps: vec![step], ..Default::default() }
}

/// A corpus in which each of these sentences comes often.
fn usual() -> Vec<String> {
    let sentences = [
        "Then she received a letter from the committee, and it was addressed to her brother.",
        "The particular problem was whether the weather would remain pleasant until Wednesday evening.",
        "We followed Ishmael through the narrow streets, and nobody remembered the address.",
        "An independent gentleman remembered that the necessary papers were separate from the others.",
    ];
    (0..40).map(|number| sentences[number % sentences.len()].to_string()).collect()
}

fn spelt(text: &str) -> Document {
    let mut texts = usual();
    texts.push(text.into());
    let input = documents_of(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let out = tempfile::tempdir().unwrap();
    clean(&[input.path().into()], out.path(), &with(StepName::Spelling), &mut |_| {}).unwrap();
    documents::read(out.path()).unwrap().last().unwrap().unwrap()
}

#[test]
fn slips_are_repaired_and_written_down() {
    for (sentence, wrong, right) in [
        ("Then she recieved a letter from the committee.", "recieved", "received"),
        ("Then she received a letter from the comittee.", "comittee", "committee"),
        ("Nobody remembered the adress of her brother.", "adress", "address"),
        ("Nobody rememberd the address of her brother.", "rememberd", "remembered"),
    ] {
        let document = spelt(sentence);
        assert_eq!(document.text, sentence.replace(wrong, right));
        assert_eq!(document.meta["spelling"], serde_json::json!({ wrong: right }));
    }
}

#[test]
fn what_is_no_slip_is_left_alone() {
    for text in [
        "Then Adress received a letter from Commitee.",
        "Write to the.comittee@adress.org or see http://adress.org/recieved for the letter.",
        "    the comittee recieved it",
        "```\nlet adress = recieved(comittee);\n```",
        "Seperate, adress, rembered, recieved und comittee schreiben andere Leute anders.",
        "The letter was addressed to addressers, and the remembrances were separately received.",
        "收到 recieved 的信，地址 adress 在委员会。信已经收到了，地址也写在上面了，大家都看见了。",
        "COMITTEE reCieved don't adress's",
        "Then she receyved a letter from the committeee, and weather her broother followed to the adresss.",
        "Adresses were lost, and nobody remembered the adressing of an adressed letter.",
        "We don't know 'twas o'er, an' she didn't see the adress.",
    ] {
        assert_eq!(spelt(text).text, text);
    }
}

#[test]
fn each_language_has_its_own_words() {
    let line = |text: &str, lang: &str| serde_json::json!({ "text": text, "lang": lang }).to_string();
    let mut lines = vec![line("the ocasion of the evening", "en"), line("toute une ocasion", "fr")];
    for _ in 0..10 {
        lines.push(line("all the occasion of the evening was lost", "en"));
        lines.push(line("ce fut toute une ocasion", "fr"));
    }
    let input = folder(&[("documents-00000.jsonl", lines.join("\n").as_bytes())]);
    let kept = cleaned(input.path(), &with(StepName::Spelling)).unwrap().kept;
    assert_eq!(kept[..2], ["the occasion of the evening", "toute une ocasion"]);
}

#[test]
fn a_given_list_is_right() {
    let words = folder(&[("words.txt", b"adress\n")]);
    let mut settings = with(StepName::Spelling);
    settings.spelling.word_lists = vec![words.path().join("words.txt")];
    let mut texts = usual();
    texts.push("Nobody remembered the adress.".into());
    let input = documents_of(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let kept = cleaned(input.path(), &settings).unwrap().kept;
    assert_eq!(kept.last().unwrap(), "Nobody remembered the adress.");
}

#[test]
fn the_summary_counts_what_was_written_for_what() {
    let mut texts = usual();
    texts.extend(["The adress was lost.", "Nobody remembered the adress."].map(String::from));
    let input = documents_of(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let mut settings = with(StepName::Spelling);
    settings.spelling.known_count = 3;
    let step = cleaned(input.path(), &settings).unwrap().summary.steps.remove(0);
    assert_eq!((step.changed, step.replaced, step.replacements.len()), (2, 2, 1));
    let one = &step.replacements[0];
    assert_eq!((one.from.as_str(), one.to.as_str(), one.count), ("adress", "address", 2));
}

#[test]
fn bias_is_reported_before_and_after() {
    let texts = ["She sang and she danced in the hall.", "He fought. He fell in the field.", "she"];
    let input = documents_of(&texts);
    let out = tempfile::tempdir().unwrap();
    let mut settings = with(StepName::Length);
    clean(&[input.path().into()], out.path(), &settings, &mut |_| {}).unwrap();
    let report: BiasReport = nuwa_files::read_json(&out.path().join("bias.json")).unwrap();
    let female = |report: &nuwa_clean::bias::Report| {
        report.groups.iter().find(|group| group.name == "female").map(|group| group.count).unwrap()
    };
    assert_eq!((female(&report.before), female(&report.after)), (3, 2));
    assert_eq!((report.before.documents, report.after.documents), (3, 2));
    settings.bias.report = false;
    let out = tempfile::tempdir().unwrap();
    clean(&[input.path().into()], out.path(), &settings, &mut |_| {}).unwrap();
    assert!(!out.path().join("bias.json").exists());
}

#[test]
fn wrong_settings_of_these_steps_are_named() {
    let folder = folder(&[("bad.classifier", b"{}"), ("empty.txt", b"\n\n")]);
    let failure = |change: &dyn Fn(&mut CleanSettings)| {
        let mut settings = with(StepName::Classified);
        change(&mut settings);
        shown(&settings.chain().err().unwrap(), folder.path())
    };
    let all = [
        failure(&|_| {}),
        failure(&|settings| settings.classified.classifier = Some(folder.path().join("bad.classifier"))),
        failure(&|settings| settings.classified.classifier = Some(folder.path().join("none"))),
        failure(&|settings| settings.steps = vec![StepName::Toxicity]),
        failure(&|settings| {
            settings.steps = vec![StepName::Toxicity];
            settings.toxicity.word_lists = vec![folder.path().join("empty.txt")];
        }),
        failure(&|settings| {
            settings.steps = vec![StepName::Spelling];
            settings.spelling.known_count = 1;
        }),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    clean.classified.classifier = nothing: expected a file written by `nuwa classifier`
    hint: correct the value in the recipe
    DIR/bad.classifier: not a classifier (no NUWACLS at its start)
    hint: train it again
    DIR/none does not exist
    hint: check the spelling; a relative path starts at the current folder
    clean.toxicity.word_lists = []: expected a list of words, or clean.toxicity.classifier; with neither the step finds nothing
    hint: correct the value in the recipe
    DIR/empty.txt is empty
    hint: give a file with some text in it
    clean.spelling.known_count = 1: expected 2 or more
    hint: correct the value in the recipe
    "#);
}

/// The rules were tuned on the first half, every second book; the other was looked at once, with the rules as they are.
#[test]
fn four_of_five_changes_are_right_in_books_of_either_half() {
    let (Some(typos), Some(books)) = (shared("typos/norvig1.txt"), shared("corpus/en/standard_ebooks"))
    else {
        return;
    };
    let read = |path: &std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    let mut paths: Vec<_> = std::fs::read_dir(books).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for half in [0, 1] {
        let books: Vec<String> = paths.iter().skip(half).step_by(2).map(read).collect();
        let folder = tempfile::tempdir().unwrap();
        let outcome = measure(&read(&typos), &books, folder.path()).unwrap();
        let (changed, harmed) = (outcome.summary.steps[0].replaced, outcome.harmed.len());
        println!(
            "half {half}: {} of {} repaired, {changed} changes, {harmed} of {} words harmed",
            outcome.repaired, outcome.planted, outcome.words
        );
        assert_eq!(outcome.summary.documents_out, books.len() as u64, "no book is lost");
        assert!(outcome.planted > 200 && outcome.planted + outcome.absent.len() <= outcome.pairs);
        assert!(outcome.repaired > 30);
        assert!(outcome.repaired as u64 * 5 >= changed * 4, "{:?} {:?}", outcome.harmed, outcome.missed);
        assert!(harmed * 100_000 <= outcome.words, "{:?}", outcome.harmed);
    }
}

#[test]
fn chinese_is_untouched_by_spelling() {
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    let mut items: Vec<String> = Vec::new();
    items.extend(
        shared("corpus/zh/fortunes.txt")
            .iter()
            .flat_map(|path| read(path.clone()).split("\n%\n").map(String::from).collect::<Vec<_>>()),
    );
    items.extend(shared("corpus/zh/poetry.jsonl.gz").iter().flat_map(|path| texts_of(path)));
    if items.is_empty() {
        return;
    }
    let input = documents_of(&items.iter().map(String::as_str).collect::<Vec<_>>());
    let kept = cleaned(input.path(), &with(StepName::Spelling)).unwrap().kept;
    assert!(kept == items, "a Chinese text has changed");
}

/// Every second item, beginning with the first or the second.
fn half(texts: &[String], which: usize) -> Vec<String> {
    texts.iter().skip(which).step_by(2).cloned().collect()
}

/// Passages of every second book.
fn passages(books: &Path, which: usize) -> Vec<String> {
    let mut paths: Vec<_> = std::fs::read_dir(books).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let of_book = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let paragraphs: Vec<&str> = text.split("\n\n").collect();
        paragraphs.chunks(20).map(|passage| passage.join("\n\n")).step_by(4).take(100).collect::<Vec<_>>()
    };
    paths.iter().skip(which).step_by(2).flat_map(of_book).collect()
}

/// Trained on one half of everything, measured on the other, and the other way round.
#[test]
fn toxic_forum_posts_are_told_from_pages_and_books() {
    let (Some(forum), Some(pages), Some(books)) = (
        shared("messy/toxic/forum.jsonl.gz"),
        shared("messy/c4_300.jsonl"),
        shared("corpus/en/standard_ebooks"),
    ) else {
        return;
    };
    let (forum, pages) = (texts_of(&forum), texts_of(&pages));
    for learnt in [0, 1] {
        let examples = |texts: Vec<String>| Examples { texts, left_out: 0 };
        let negative = examples([half(&pages, learnt), passages(&books, learnt)].concat());
        let settings = TrainSettings { folds: 2, ..Default::default() };
        let positive = examples(half(&forum, learnt));
        let (classifier, measured) = train(&positive, &negative, &settings, &mut |_| {}).unwrap();
        println!("{measured:?}");
        let share = |texts: &[String]| found(&classifier, texts) as f64 / texts.len() as f64;
        let other = 1 - learnt;
        let (recall, web, print) =
            (share(&half(&forum, other)), share(&half(&pages, other)), share(&passages(&books, other)));
        println!("recall {recall:.3}, false alarms: web pages {web:.3}, books {print:.3}");
        assert!(recall >= 0.9 && web <= 0.02 && print <= 0.02);
    }
}

/// Innocent texts written as posts stay, and abuse without the form of posts is found.
#[test]
fn abuse_is_told_from_innocence_in_any_form() {
    let (Some(forum), Some(_), Some(_)) = (
        shared("messy/toxic/forum.jsonl.gz"),
        shared("messy/spamassassin/easy-ham-1"),
        shared("eval/chnsenticorp_hotel.csv"),
    ) else {
        return;
    };
    let material = material(forum.ancestors().nth(3).unwrap(), false);
    let (classifier, measured) = learnt(&material);
    assert!(measured.form_alone > 0.9, "{measured:?}");
    for kind in &material.measured {
        for form in FORMS {
            let taken = taken(&classifier, &kind.texts, form) as f64 / kind.texts.len() as f64;
            println!("{}, {form}: {taken:.3}", kind.name);
            let is_right = if kind.is_abuse { taken >= 0.7 } else { taken <= 0.05 };
            assert!(is_right, "{}, {form}: {taken:.3}", kind.name);
        }
    }
}

fn found(classifier: &Classifier, texts: &[String]) -> usize {
    texts.iter().filter(|text| classifier.probability(text) >= classifier.threshold()).count()
}
