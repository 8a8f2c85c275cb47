//! Decontamination with real evaluation items, planted into real text.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use nuwa_clean::steps::decontaminate::{Decontaminate, DecontaminateSettings};
use nuwa_clean::{CleanSettings, DocumentStep, StepName, Verdict};
use nuwa_files::Document;
use serde_json::Value;

use crate::framed::{FRAMES, PAGES, clean_pages, found, recall, sets, step};
use crate::{cleaned, documents_of, folder, shared, shown};

/// An item as it would stand on a page, and its file.
struct Planted {
    file: String,
    text: String,
}

/// Every item of a folder, with all that it says.
fn items(folder: &Path) -> Vec<Planted> {
    let mut items = Vec::new();
    for name in ["arc_easy.jsonl", "arc_challenge_val.jsonl", "hellaswag_2000.jsonl", "mmlu_dev.jsonl"]
        .into_iter()
        .chain(["mmlu_val.jsonl", "piqa.jsonl", "winogrande.jsonl", "gsm8k_300.jsonl", "sst2.jsonl"])
    {
        for line in std::fs::read_to_string(folder.join(name)).unwrap().lines() {
            let item: Value = serde_json::from_str(line).unwrap();
            items.push(Planted { file: name.into(), text: page(&item) });
        }
    }
    let truthful = std::fs::read(folder.join("truthfulqa/mc_task.json")).unwrap();
    for item in serde_json::from_slice::<Vec<Value>>(&truthful).unwrap() {
        let choices: Vec<&String> = item["mc1_targets"].as_object().unwrap().keys().collect();
        let text = labelled(item["question"].as_str().unwrap(), choices.iter().map(|choice| choice.as_str()));
        items.push(Planted { file: "mc_task.json".into(), text });
    }
    let mut tables: Vec<_> =
        std::fs::read_dir(folder.join("cmmlu_dev")).unwrap().map(|entry| entry.unwrap().path()).collect();
    tables.push(folder.join("chnsenticorp_hotel.csv"));
    for table in tables {
        let file = table.file_name().unwrap().to_string_lossy().into_owned();
        for row in csv::Reader::from_path(table).unwrap().records() {
            let row = row.unwrap();
            let choices = row.iter().skip(2).take(4);
            items.push(Planted { file: file.clone(), text: labelled(&row[1], choices) });
        }
    }
    items
}

fn page(item: &Value) -> String {
    let said = |key: &str| item[key].as_str();
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|one| one.as_str().unwrap().to_string()).collect()
    };
    let question = ["query", "question", "ctx", "goal", "sentence"].into_iter().find_map(said).unwrap();
    let mut choices = [&item["choices"], &item["choices"]["text"], &item["endings"]].map(list).concat();
    choices.extend(["sol1", "sol2", "answer"].into_iter().filter_map(said).map(str::to_string));
    labelled(question, choices.iter().map(String::as_str))
}

fn labelled<'a>(question: &str, choices: impl Iterator<Item = &'a str>) -> String {
    let choices = ["A", "B", "C", "D"].into_iter().cycle().zip(choices);
    let choices: String = choices.map(|(label, choice)| format!("\n{label}. {choice}")).collect();
    format!("{}{choices}", question.trim())
}

/// Words of a text, of which "it 's" is one; two thirds for a Chinese character.
fn words(text: &str) -> f64 {
    let joined = text.replace(" '", "'").replace(" n't", "n't");
    let is_chinese = |character: char| ('\u{3400}'..='\u{9fff}').contains(&character);
    let spaced: String =
        joined.replace(['\'', '’'], "").chars().map(|one| if is_chinese(one) { ' ' } else { one }).collect();
    let others = spaced.split(|one: char| !one.is_alphanumeric()).filter(|word| !word.is_empty()).count();
    others as f64 + text.chars().filter(|character| is_chinese(*character)).count() as f64 * 2.0 / 3.0
}

/// 10,000 passages of books, web pages and poems.
fn clean_documents() -> Option<Vec<String>> {
    let books = shared("corpus/en/standard_ebooks")?;
    let mut passages = Vec::new();
    let mut paths: Vec<_> = std::fs::read_dir(books).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let mut passage = String::new();
        for paragraph in std::fs::read_to_string(path).unwrap().split("\n\n") {
            passage = passage + paragraph + "\n\n";
            if passage.len() > 1500 {
                passages.push(std::mem::take(&mut passage));
            }
        }
    }
    let step = passages.len() / 7000;
    let mut all: Vec<String> = passages.into_iter().step_by(step.max(1)).take(7000).collect();
    let text_of =
        |line: &str| serde_json::from_str::<Value>(line).unwrap()["text"].as_str().unwrap().to_string();
    all.extend(std::fs::read_to_string(shared("messy/c4_300.jsonl")?).unwrap().lines().map(text_of));
    let mut poems = String::new();
    let file = std::fs::File::open(shared("corpus/zh/poetry.jsonl.gz")?).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut poems).unwrap();
    let missing = 10_000 - all.len();
    all.extend(poems.lines().step_by(7).map(text_of).take(missing));
    Some(all)
}

fn judged(step: &Decontaminate, text: String) -> Option<String> {
    match step.apply(&mut Document { text, ..Document::default() }) {
        Verdict::Rejected { detail, .. } => Some(detail),
        _ => None,
    }
}

#[test]
fn planted_items_are_found_and_clean_documents_stay() {
    let Some(folder) = shared("eval") else { return };
    let Some(clean) = clean_documents() else { return };
    let settings = DecontaminateSettings { items: vec![folder.clone()], ..Default::default() };
    let step = Decontaminate::new(&settings).unwrap();
    let started = std::time::Instant::now();
    let lost: Vec<String> = clean.iter().filter_map(|text| judged(&step, text.clone())).collect();
    let seconds = started.elapsed().as_secs_f64();
    let bytes: usize = clean.iter().map(String::len).sum();
    println!("items looked for and too short: {:?}", step.items());
    println!(
        "{} of {} clean documents lost, {:.1} MB/s a thread: {lost:#?}",
        lost.len(),
        clean.len(),
        bytes as f64 / 1e6 / seconds
    );

    let mut counts: BTreeMap<String, [usize; 4]> = BTreeMap::new();
    let mut missed = Vec::new();
    for (item, host) in items(&folder).into_iter().zip(clean.iter().cycle().step_by(3)) {
        let count = counts.entry(item.file.clone()).or_default();
        if words(&item.text) < 4.0 {
            count[0] += 1;
            continue;
        }
        count[1] += 1;
        let middle = host.floor_char_boundary(host.len() / 2);
        let (before, after) = host.split_at(middle);
        match judged(&step, format!("{before}\n\n{}\n\n{after}", item.text)) {
            Some(_) => count[2] += 1,
            None => missed.push((item.file.clone(), item.text.clone())),
        }
        // In part: the second half of its words.
        let half = item.text.floor_char_boundary(item.text.len() / 2);
        count[3] += usize::from(judged(&step, format!("{before} {} {after}", &item.text[half..])).is_some());
    }
    for (file, [short, planted, found, parts]) in &counts {
        println!(
            "{file}: {planted} planted, {found} found whole, {parts} by their second half; {short} too short"
        );
    }
    println!("missed: {:#?}", &missed[..missed.len().min(40)]);
    assert_eq!(clean.len(), 10_000);
    assert_eq!(lost.len(), 0, "clean documents were lost");
    assert_eq!(missed.len(), 0, "whole items were missed");
}

#[test]
fn framed_items_are_found_on_pages_of_any_form() {
    let (Some(eval), Some(_)) = (shared("eval"), shared("corpus/en/standard_ebooks")) else { return };
    let folder = eval.parent().unwrap();
    let sets = sets(&eval, 1, 25);
    let clean = clean_pages(folder, 40);
    for frame in FRAMES {
        let out = tempfile::tempdir().unwrap();
        let step = step(&sets, frame, out.path());
        for form in PAGES {
            let (mut planted, mut right, mut missed) = (0, 0, Vec::new());
            for items in sets.values() {
                let recall = recall(&step, items, form, &clean);
                (planted, right) = (planted + recall.0, right + recall.1);
                missed.extend(recall.2);
            }
            assert!(planted > 0, "{frame}, {form}: nothing was planted");
            // A question of a few words by itself is no item: "How to make tea".
            let least = if form == "question" { 80 } else { 95 };
            assert!(right * 100 >= planted * least, "{frame}, {form}: {right} of {planted}; {missed:#?}");
        }
        let lost: Vec<_> = clean.iter().filter_map(|text| found(&step, text)).collect();
        assert_eq!(lost.len(), 0, "{frame}: {lost:?}");
    }
}

#[test]
fn the_field_items_are_found() {
    let (Some(items), Some(pages)) =
        (shared("field/data/decon_items.jsonl"), shared("field/data/decon_docs.jsonl"))
    else {
        return;
    };
    let step =
        Decontaminate::new(&DecontaminateSettings { items: vec![items], ..Default::default() }).unwrap();
    for line in std::fs::read_to_string(pages).unwrap().lines() {
        let page: Value = serde_json::from_str(line).unwrap();
        let text = page["text"].as_str().unwrap();
        assert!(found(&step, text).is_some(), "{}", page["id"]);
        let clean = text.replace("quiet harbours", "loud rivers");
        assert!(found(&step, &clean).is_none(), "{}", page["id"]);
    }
}

#[test]
fn one_set_in_two_files_does_not_hide_its_questions() {
    let question = "Which of these is a common trait of quiet harbours?";
    let plain = serde_json::json!({ "question": question, "choices": ["salt on ropes", "old letters"] });
    let framed = serde_json::json!({ "query": format!("Question: {question}\nAnswer:"), "gold": 1 });
    let items = folder(&[
        ("plain.jsonl", plain.to_string().as_bytes()),
        ("framed.jsonl", framed.to_string().as_bytes()),
    ]);
    let settings = DecontaminateSettings { items: vec![items.path().into()], ..Default::default() };
    let step = Decontaminate::new(&settings).unwrap();
    assert!(found(&step, &format!("They asked each other: {question} Nobody knew.")).is_some());
    assert!(found(&step, "Which of these is a common trait of a quiet man?").is_none());
}

#[test]
fn labels_ids_and_links_are_no_company() {
    let item = serde_json::json!({
        "id": "b12", "question": "What is a kiln?", "choices": ["an oven for clay", "an owl that hoots"],
        "label": ["A", "B"], "source": "https://example.org/clay/and/its/ovens", "subject": "pottery of the river",
    });
    let items = folder(&[("items.jsonl", item.to_string().as_bytes())]);
    let settings = DecontaminateSettings { items: vec![items.path().into()], ..Default::default() };
    let step = Decontaminate::new(&settings).unwrap();
    let is_found = |text: &str| found(&step, text).is_some();
    assert!(is_found("What is a kiln? (A) an oven for clay"));
    assert!(!is_found(
        "See b12 https://example.org/clay/and/its/ovens: pottery of the river, by A or B, an oven for clay."
    ));
}

#[test]
fn what_was_found_is_shown_and_counted() {
    let question = "Which of the stones did the potter lay down beside the river before the rain came?";
    let items = folder(&[(
        "items.jsonl",
        format!(
            "{}\n{}\n",
            serde_json::json!({"question": "What is clay?"}),
            serde_json::json!({"question": question})
        )
        .as_bytes(),
    )]);
    let documents =
        documents_of(&["Nothing of it here.", &format!("They asked:\n{}", question.to_uppercase())]);
    let mut settings = CleanSettings { steps: vec![StepName::Decontaminate], ..Default::default() };
    settings.decontaminate.items = vec![items.path().into()];
    let cleaned = cleaned(documents.path(), &settings).unwrap();
    assert_eq!(cleaned.kept, ["Nothing of it here."]);
    let (reason, detail) = (&cleaned.rejected[0]["reason"], &cleaned.rejected[0]["detail"]);
    assert_eq!(reason, "holds an evaluation item");
    let span = question.to_uppercase();
    assert_eq!(*detail, format!("items.jsonl, item 2: {}", span.trim_end_matches('?')));
    assert_eq!(cleaned.summary.steps[0].labels["items.jsonl"], 1);
    let totals = &cleaned.summary.steps[0].totals;
    assert_eq!((totals["items looked for"], totals["items too short to be looked for"]), (1, 1));
}

#[test]
fn wrong_items_are_named() {
    let folder = folder(&[("cut.jsonl", b"{}\n{\"a\"\n"), ("none/readme.md", b"no items")]);
    let failure = |name: &str| {
        let settings = DecontaminateSettings { items: vec![folder.path().join(name)], ..Default::default() };
        shown(&Decontaminate::new(&settings).err().unwrap(), folder.path())
    };
    let short = DecontaminateSettings { words: 3, ..Default::default() };
    let setting = shown(&Decontaminate::new(&short).err().unwrap(), folder.path());
    let all = [failure("cut.jsonl"), failure("none"), failure("absent.jsonl"), setting];
    insta::assert_snapshot!(all.join("\n"), @r#"
    DIR/cut.jsonl, item 2: EOF while parsing an object at column 4
    hint: items are JSON lines, a JSON list, or CSV or TSV with a header; name such files in clean.decontaminate.items
    DIR/none, item 1: it holds no item
    hint: items are JSON lines, a JSON list, or CSV or TSV with a header; name such files in clean.decontaminate.items
    DIR/absent.jsonl does not exist
    hint: check the spelling; a relative path starts at the current folder
    clean.decontaminate.words = 3: expected 8 to 64
    hint: correct the value in the recipe
    "#);
}
