//! Items of real sets in the frames that sets give them, on pages in the forms that pages have; the example `framed` prints the
//! same figures.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use nuwa_clean::steps::decontaminate::{Decontaminate, DecontaminateSettings};
use nuwa_clean::{DocumentStep, Verdict};
use nuwa_files::Document;
use serde_json::{Value, json};

/// An item, whatever set it is of.
#[derive(Debug, Clone)]
pub struct Asked {
    pub question: String,
    pub choices: Vec<String>,
    pub right: String,
}

/// How a set writes its items.
pub const FRAMES: [&str; 7] = ["plain", "qa", "prompt", "chat", "instruction", "inline", "chinese"];
/// How a page writes them.
pub const PAGES: [&str; 7] = ["question", "choices", "answer", "framed", "html", "spaced", "filled"];

/// Every second item of each set, beginning with the first or the second, at most `most` of each.
pub fn sets(folder: &Path, half: usize, most: usize) -> BTreeMap<String, Vec<Asked>> {
    let mut sets = BTreeMap::new();
    let names = [
        "arc_easy",
        "arc_challenge_val",
        "hellaswag_2000",
        "mmlu_val",
        "piqa",
        "winogrande",
        "gsm8k_300",
        "sst2",
    ];
    for name in names {
        let text = std::fs::read_to_string(folder.join(name).with_extension("jsonl")).unwrap();
        let items: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        sets.insert(name.to_string(), items.iter().map(asked).collect::<Vec<_>>());
    }
    let truthful = std::fs::read(folder.join("truthfulqa/mc_task.json")).unwrap();
    let truthful: Vec<Value> = serde_json::from_slice(&truthful).unwrap();
    sets.insert("truthfulqa".into(), truthful.iter().map(truthful_asked).collect());
    let mut tables: Vec<PathBuf> =
        std::fs::read_dir(folder.join("cmmlu_dev")).unwrap().map(|entry| entry.unwrap().path()).collect();
    tables.sort();
    sets.insert("cmmlu".into(), tables.iter().flat_map(|table| rows(table)).collect());
    for items in sets.values_mut() {
        *items = items.iter().skip(half).step_by(2).take(most).cloned().collect();
    }
    sets
}

fn asked(item: &Value) -> Asked {
    let said = |key: &str| item[key].as_str();
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|one| one.as_str().unwrap().to_string()).collect()
    };
    let question = ["query", "question", "ctx", "goal", "sentence"].into_iter().find_map(said).unwrap();
    let question = question.trim_start_matches("Question: ").trim_end_matches("\nAnswer:").trim();
    let mut choices = [&item["choices"], &item["choices"]["text"], &item["endings"]].map(list).concat();
    choices.extend(
        ["sol1", "sol2", "option1", "option2", "answer"].into_iter().filter_map(said).map(str::to_string),
    );
    choices.retain(|choice| choice.len() > 1 || question.len() > choice.len() + 20);
    let number = ["gold", "answer", "label"].into_iter().find_map(|key| item[key].as_u64()).unwrap_or(0);
    let right = choices.get(number as usize).or(choices.last()).cloned().unwrap_or_default();
    Asked { question: question.into(), right, choices }
}

fn truthful_asked(item: &Value) -> Asked {
    let targets = item["mc1_targets"].as_object().unwrap();
    let choices: Vec<String> = targets.keys().cloned().collect();
    let right = targets.iter().find(|(_, value)| **value == 1).unwrap().0.clone();
    Asked { question: item["question"].as_str().unwrap().into(), choices, right }
}

fn rows(table: &Path) -> Vec<Asked> {
    let rows = csv::Reader::from_path(table).unwrap().into_records();
    let asked = |row: csv::StringRecord| {
        let choices: Vec<String> = row.iter().skip(2).take(4).map(str::to_string).collect();
        let right = usize::from(row[6].as_bytes()[0].saturating_sub(b'A'));
        Asked { question: row[1].into(), right: choices.get(right).cloned().unwrap_or_default(), choices }
    };
    rows.map(|row| asked(row.unwrap())).collect()
}

fn labelled(choices: &[String], form: fn(char, &str) -> String, between: &str) -> String {
    ('A'..='Z').zip(choices).map(|(label, choice)| form(label, choice)).collect::<Vec<_>>().join(between)
}

/// The item as a line of a set with this frame.
pub fn framed(item: &Asked, frame: &str) -> Value {
    let Asked { question, choices, right } = item;
    let dotted = || labelled(choices, |label, choice| format!("{label}. {choice}"), "\n");
    match frame {
        "plain" => json!({ "question": question, "choices": choices, "answer": right }),
        "qa" => json!({ "query": format!("Question: {question}\nAnswer:"), "choices": choices, "gold": 0 }),
        "prompt" => json!({ "target": "B", "prompt": format!(
            "The following are multiple choice questions (with answers).\n\n{question}\n{}\nAnswer:", dotted()) }),
        "chat" => {
            let bracketed = labelled(choices, |label, choice| format!("({label}) {choice}"), " ");
            let content = format!("Choose the right answer.\n\n{question} {bracketed}");
            json!({ "messages": [
                { "role": "user", "content": content },
                { "role": "assistant", "content": format!("The answer is: {right}") },
            ] })
        }
        "instruction" => {
            json!({ "instruction": format!("### Instruction:\n{question}\n\n### Response:"), "output": right })
        }
        "inline" => json!({ "input": format!(
            "Read the question and pick one of the options. {question} Options: {}. Reply with one letter.",
            choices.join("; ")) }),
        _ => {
            json!({ "text": format!("以下是单项选择题，请选出其中的正确答案。\n题目：{question}\n{}\n答案是：", dotted()) })
        }
    }
}

/// The item as a page of this form has it; nothing where the form is none for it.
pub fn page(item: &Asked, form: &str) -> Option<String> {
    let Asked { question, choices, right } = item;
    let lines =
        || format!("{question}\n{}", labelled(choices, |label, choice| format!("{label}) {choice}"), "\n"));
    match form {
        "question" => Some(question.clone()),
        "choices" => Some(lines()),
        "answer" => Some(format!("{question}\n\n{right}")),
        "framed" => Some(format!("Q: {question}\nA: {right}")),
        "html" => Some(html(&lines())),
        "spaced" => Some(spaced(&lines())),
        _ => question.contains(" _ ").then(|| question.replacen('_', right, 1)),
    }
}

/// With entities, a citation mark and a tag within the text.
fn html(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('\'', "&rsquo;").replace('"', "&quot;");
    let mut words: Vec<String> = text.split(' ').map(str::to_string).collect();
    let middle = words.len() / 2;
    words[middle] = format!("<b>{}</b><sup>[12]</sup>", words[middle]);
    words.join(" ")
}

/// With contractions cut off where they are joined and joined where they are cut off, and full-width letters.
fn spaced(text: &str) -> String {
    let joined = text.replace(" n't", "n't").replace(" '", "'");
    let spaced = match joined == text {
        true => text.replace("n't", " n't").replace("'s", " 's"),
        false => joined,
    };
    let wide = |one: char| match one {
        '0'..='9' | 'A'..='Z' => char::from_u32(one as u32 + 0xfee0).unwrap(),
        _ => one,
    };
    spaced.chars().map(wide).collect()
}

/// The step that looks for these sets in this frame; `folder` is written to.
pub fn step(sets: &BTreeMap<String, Vec<Asked>>, frame: &str, folder: &Path) -> Decontaminate {
    for (name, items) in sets {
        let lines: Vec<String> = items.iter().map(|item| framed(item, frame).to_string()).collect();
        std::fs::write(folder.join(format!("{name}.jsonl")), lines.join("\n")).unwrap();
    }
    Decontaminate::new(&DecontaminateSettings { items: vec![folder.into()], ..Default::default() }).unwrap()
}

/// What it found in the text.
pub fn found(step: &Decontaminate, text: &str) -> Option<String> {
    match step.apply(&mut Document { text: text.into(), ..Document::default() }) {
        Verdict::Rejected { detail, .. } => Some(detail),
        _ => None,
    }
}

/// Of the items of each set how many a page of this form was found with; those missed, too.
pub fn recall(
    step: &Decontaminate,
    items: &[Asked],
    form: &str,
    hosts: &[String],
) -> (usize, usize, Vec<String>) {
    let (mut planted, mut right, mut missed) = (0, 0, Vec::new());
    for (item, host) in items.iter().zip(hosts.iter().cycle()) {
        let Some(page) = page(item, form) else { continue };
        planted += 1;
        let (before, after) = host.split_at(host.floor_char_boundary(host.len() / 2));
        match found(step, &format!("{before}\n\n{page}\n\n{after}")) {
            Some(_) => right += 1,
            None => missed.push(page),
        }
    }
    (planted, right, missed)
}

/// Passages of books, web pages and poems: every `step`th.
pub fn clean_pages(shared: &Path, step: usize) -> Vec<String> {
    let mut pages = Vec::new();
    let mut books: Vec<PathBuf> = std::fs::read_dir(shared.join("corpus/en/standard_ebooks"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    books.sort();
    for book in books {
        let text = std::fs::read_to_string(book).unwrap();
        let paragraphs: Vec<&str> = text.split("\n\n").collect();
        pages.extend(paragraphs.chunks(6).step_by(step).map(|passage| passage.join("\n\n")));
    }
    let text_of =
        |line: &str| serde_json::from_str::<Value>(line).unwrap()["text"].as_str().unwrap().to_string();
    pages.extend(std::fs::read_to_string(shared.join("messy/c4_300.jsonl")).unwrap().lines().map(text_of));
    let mut poems = String::new();
    let file = std::fs::File::open(shared.join("corpus/zh/poetry.jsonl.gz")).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut poems).unwrap();
    pages.extend(poems.lines().step_by(7 * step).map(text_of));
    pages
}
