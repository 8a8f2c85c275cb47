//! Prompts, from every form of file.

use nuwa_align::data::{Columns, Prompt, Reading, prompts};
use nuwa_align::{BadRecords, Result};

use crate::forms::{file, told};

fn read(content: &str, name: &str) -> Result<(Vec<Prompt>, Reading)> {
    let (_folder, path) = file(content, name);
    prompts(&[path], &Columns::new(), BadRecords::Error)
}

/// The turns of the only prompt, and its reference answers.
fn one(record: &str) -> (String, Vec<String>) {
    let (all, _) = read(record, "prompts.jsonl").unwrap();
    assert_eq!(all.len(), 1, "{record}");
    (told(&all[0].messages), all[0].answers.clone())
}

#[test]
fn each_form_has_a_prompt_and_its_reference_answers() {
    let cases: [(&str, &str, &[&str]); 21] = [
        (r#"{"prompt":" a "}"#, "user: a", &[]),
        (r#"{"prompt":"a","answer":"b"}"#, "user: a", &["b"]),
        (r#"{"prompt":"a","answers":["b",7,null,""," c "]}"#, "user: a", &["b", "7", "c"]),
        (r#"{"prompt":"a","answer":7.5}"#, "user: a", &["7.5"]),
        (r#"{"prompt":"a","answer":true}"#, "user: a", &["true"]),
        (r#"{"prompt":"a","solution":"s","completion":"b"}"#, "user: a", &["s"]),
        (r#"{"prompt":"a","reference":"[\"b\",\"c\"]"}"#, "user: a", &["b", "c"]),
        (r#"{"prompt":"a","reference":"[b] or c"}"#, "user: a", &["[b] or c"]),
        (r#"{"Prompt":"a","Answer":"b"}"#, "user: a", &["b"]),
        (r#"{"prompt":"a","completion":"b"}"#, "user: a", &["b"]),
        (
            r#"{"prompt":[{"role":"user","content":"a"}],"completion":[{"role":"assistant","content":"b"}]}"#,
            "user: a",
            &["b"],
        ),
        (
            r#"{"prompt":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}]}"#,
            "system: s | user: a | assistant: b | user: c",
            &[],
        ),
        (r#"{"prompt":"a","chosen":"b","rejected":"c"}"#, "user: a", &[]),
        (
            r#"{"chosen":"\n\nHuman: a\n\nAssistant: b","rejected":"\n\nHuman: a\n\nAssistant: c"}"#,
            "user: a",
            &[],
        ),
        (
            r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"assistant","content":"d"}]}"#,
            "user: a | assistant: b | user: c",
            &["d"],
        ),
        (
            r#"{"conversations":[{"from":"gpt","value":"x"},{"from":"human","value":"a"},{"from":"human","value":"b"}],"system":"s"}"#,
            "system: s | user: a\n\nb",
            &[],
        ),
        (
            r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"TS, a"},{"role":"tool","content":"t"},{"role":"assistant","content":"d"}]}"#,
            "user: a",
            &["d"],
        ),
        (r#"{"instruction":"a","input":"i","output":"b"}"#, "user: a\ni", &["b"]),
        (r#"{"question":"a"}"#, "user: a", &[]),
        (r#"{"context":"a","response":"b","ratings":{"safe":1}}"#, "user: a", &["b"]),
        (r#"{"question":"a","answer":"b","label":false}"#, "user: a", &[]),
    ];
    for (record, turns, answers) in cases {
        let (told, found) = one(record);
        assert_eq!(
            (told.as_str(), found),
            (turns, answers.iter().map(ToString::to_string).collect()),
            "{record}"
        );
    }
}

#[test]
fn the_whole_record_is_kept() {
    let (all, reading) = read(r#"{"prompt":"a","kind":"fact","wrong":["x"]}"#, "prompts.jsonl").unwrap();
    assert_eq!(all[0].fields["kind"], "fact");
    assert_eq!(all[0].fields["wrong"][0], "x");
    assert!(all[0].place.ends_with("prompts.jsonl:1"));
    assert_eq!((reading.records, reading.skipped.len()), (1, 0));
}

#[test]
fn plain_text_has_a_prompt_on_each_line() {
    let (all, reading) =
        read("\u{feff}Where does Mina live?\r\n\n  米娜住在哪里？\n\n", "prompts.txt").unwrap();
    let turns: Vec<String> = all.iter().map(|prompt| told(&prompt.messages)).collect();
    assert_eq!(turns, ["user: Where does Mina live?", "user: 米娜住在哪里？"]);
    assert!(all[1].place.ends_with(":3"), "{}", all[1].place);
    assert_eq!(reading.records, 2);
    // A folder has files of records and of text.
    let (folder, _) = file("a\n", "one.txt");
    std::fs::write(folder.path().join("two.jsonl"), r#"{"prompt":"b"}"#).unwrap();
    std::fs::write(folder.path().join("README.md"), "c\n").unwrap();
    let (all, _) = prompts(&[folder.path().to_path_buf()], &Columns::new(), BadRecords::Error).unwrap();
    assert_eq!(all.iter().map(Prompt::question).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn tables_and_own_names_of_columns_are_read() {
    let (_folder, path) =
        file("Query,Gold\nWhat is 3 + 4?,7\nWho?,\"[\"\"Mina\"\",\"\"Lena\"\"]\"\n", "prompts.csv");
    let columns: Columns = [("prompt", "Query"), ("answers", "Gold")]
        .map(|(usual, own)| (usual.to_string(), own.to_string()))
        .into();
    let (all, _) = prompts(&[path], &columns, BadRecords::Error).unwrap();
    assert_eq!(all[0].answers, ["7"]);
    assert_eq!(all[1].answers, ["Mina", "Lena"]);
}

#[test]
fn a_prompt_that_comes_again_is_kept_once_with_all_its_answers() {
    let records = [
        r#"{"prompt":"a","answer":"b"}"#,
        r#"{"prompt":"c"}"#,
        r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"d"}]}"#,
        r#"{"prompt":"a","answer":"b"}"#,
        r#"{"prompt":"a","system":"s"}"#,
    ];
    let (all, reading) = read(&records.join("\n"), "prompts.jsonl").unwrap();
    assert_eq!(
        all.iter().map(|prompt| told(&prompt.messages)).collect::<Vec<_>>(),
        ["user: a", "user: c", "system: s | user: a"]
    );
    assert_eq!(all[0].answers, ["b", "d"]);
    assert_eq!(reading.records, 5);
    assert_eq!(
        reading.skipped.iter().collect::<Vec<_>>(),
        [(&"it is the same prompt as one before it".to_string(), &2)]
    );
}

#[test]
fn what_is_no_prompt_says_so_and_may_be_skipped() {
    for (record, problem) in [
        (r#"{"text":"a"}"#, "its fields are text: expected prompt"),
        (r#"{"prompt":""}"#, "the prompt is empty"),
        (r#"{"prompt":7}"#, "prompt is a number, expected text or turns"),
        (
            r#"{"prompt":"a","answer":{"value":"b"}}"#,
            "answer holds an object, expected a text, a number or a list of them",
        ),
        (r#"{"messages":[{"role":"assistant","content":"a"}]}"#, "it has no question: no turn is the user's"),
        (r#"{"messages":[{"role":"robot","content":"a"}]}"#, "the role \"robot\""),
        (r#"{"prompt":"a","chosen":"b","rejected":"b"}"#, "chosen is equal to rejected"),
    ] {
        let error = read(record, "prompts.jsonl").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("prompts.jsonl:1: ") && text.contains(problem), "{text}");
        let hint = error.hint().unwrap();
        assert!(!hint.contains("sft") && !hint.contains("dpo"), "{hint}");
        let (_folder, path) = file(&format!("{record}\n{{\"prompt\":\"b\"}}"), "prompts.jsonl");
        let (all, reading) = prompts(&[path], &Columns::new(), BadRecords::Skip).unwrap();
        assert_eq!((all.len(), reading.skipped.values().sum::<u64>()), (1, 1));
    }
    let empty = read("\n \n", "prompts.txt").unwrap_err().to_string();
    assert!(empty.contains("it has no records"), "{empty}");
    let broken = read("{\"prompt\": ", "prompts.jsonl").unwrap_err().to_string();
    assert!(broken.contains("not valid JSON"), "{broken}");
}
