//! Records in every form.

use std::path::Path;

use nuwa_align::data::{self, Columns, Dialogue, Preference, dialogue, preference};
use nuwa_align::{BadRecords, Result};

pub fn file(content: &str, name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

fn dialogues(content: &str, columns: &[(&str, &str)]) -> Result<Vec<Dialogue>> {
    let (_folder, path) = file(content, "data.jsonl");
    let columns: Columns = columns.iter().map(|(usual, own)| (usual.to_string(), own.to_string())).collect();
    data::read(&[path], &columns, BadRecords::Error, dialogue).map(|(read, _)| read)
}

fn preferences(content: &str) -> Result<Vec<Preference>> {
    let (_folder, path) = file(content, "data.jsonl");
    data::read(&[path], &Columns::new(), BadRecords::Error, preference).map(|(read, _)| read)
}

/// `user: a | assistant: b`.
pub fn told(messages: &[nuwa_tokenizer::Message]) -> String {
    messages.iter().map(|turn| format!("{}: {}", turn.role, turn.content)).collect::<Vec<_>>().join(" | ")
}

#[test]
fn each_usual_form_is_recognised() {
    let cases = [
        (r#"{"instruction":"Add","input":"1 and 2","output":"3"}"#, "user: Add\n1 and 2 | assistant: 3"),
        (
            r#"{"instruction":"Add","input":"","output":"3","system":"Be brief","history":[["a","b"]]}"#,
            "system: Be brief | user: a | assistant: b | user: Add | assistant: 3",
        ),
        (
            r#"{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"},{"from":"human","value":"c"}]}"#,
            "user: a | assistant: b",
        ),
        (
            r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#,
            "system: s | user: a | assistant: b",
        ),
        (r#"{"prompt":"a","completion":"b"}"#, "user: a | assistant: b"),
        (
            r#"{"prompt":[{"role":"user","content":"a"}],"completion":[{"role":"assistant","content":"b"}]}"#,
            "user: a | assistant: b",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f"}}]},{"role":"tool","content":"7"},{"role":"assistant","content":"b"}]}"#,
            "user: a | assistant:  | tool: 7 | assistant: b",
        ),
    ];
    for (record, expected) in cases {
        assert_eq!(told(&dialogues(record, &[]).unwrap()[0].messages), expected);
    }
    let own = r#"{"question":"a","reply":"b","hint":""}"#;
    let read = dialogues(own, &[("instruction", "question"), ("output", "reply")]).unwrap();
    assert_eq!(told(&read[0].messages), "user: a | assistant: b");
}

#[test]
fn preferences_are_recognised_in_each_form() {
    let cases = [
        r#"{"prompt":"a","chosen":"b","rejected":"c"}"#,
        r#"{"conversations":[{"from":"human","value":"a"}],"chosen":{"from":"gpt","value":"b"},"rejected":{"from":"gpt","value":"c"}}"#,
        r#"{"instruction":"a","input":"","output":"b","chosen":"b","rejected":"c"}"#,
        r#"{"prompt":"a","chosen":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"rejected":[{"role":"user","content":"a"},{"role":"assistant","content":"c"}]}"#,
        r#"{"chosen":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"rejected":[{"role":"user","content":"a"},{"role":"assistant","content":"c"}]}"#,
        r#"{"chosen":"\n\nHuman: a\n\nAssistant: b","rejected":"\n\nHuman: a\n\nAssistant: c"}"#,
    ];
    for record in cases {
        let read = preferences(record).unwrap().remove(0);
        let told = [told(&read.prompt), told(&read.chosen), told(&read.rejected)].join(" / ");
        assert_eq!(told, "user: a / assistant: b / assistant: c", "{record}");
    }
}

/// An error and its hint, without the folder of the test.
fn told_of(error: &nuwa_align::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once("/data").map_or(text.clone(), |(_, rest)| format!("data{rest}"));
    format!("{text}\n  {}", error.hint().unwrap_or_default())
}

#[test]
fn what_is_wrong_with_a_record_is_said() {
    let mut said = Vec::new();
    for record in [
        r#"{"messages":[{"role":"user","content":"a"}]}"#,
        r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":" "}]}"#,
        r#"{"messages":[{"role":"robot","content":"a"}]}"#,
        r#"{"messages":"a"}"#,
        r#"{"instruction":"a","output":7}"#,
        r#"{"title":"a","body":"b"}"#,
        r#"{"prompt":"a","chosen":"b","rejected":"c"}"#,
        r#"{"messages":[{"role":"assistant","content":"a"}]}"#,
        r#"{"messages":[{"role":"user","content":"a"},{"role":"tool","content":"b"},{"role":"assistant","content":"c"}]}"#,
        r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","weight":0.5}]}"#,
        r#"[1]"#,
        r#"{"prompt":"a""#,
        "",
    ] {
        said.push(told_of(&dialogues(record, &[]).unwrap_err()));
    }
    for record in [
        r#"{"prompt":"a","chosen":"b","rejected":"b"}"#,
        r#"{"prompt":"a","chosen":"b","rejected":""}"#,
        r#"{"prompt":"a","chosen":"b"}"#,
        r#"{"chosen":"b","rejected":"c"}"#,
        r#"{"prompt":"a","chosen":"b\r\n","rejected":" b"}"#,
        r#"{"prompt":"a","completion":"b","label":true}"#,
    ] {
        said.push(told_of(&preferences(record).unwrap_err()));
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn bad_records_may_be_left_out_and_are_counted() {
    let content = "{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"prompt\":\"a\",\"completion\":\"\"}\n\n{\"messages\":[]}\n";
    let (_folder, path) = file(content, "data.jsonl");
    let (read, reading) = data::read(&[path], &Columns::new(), BadRecords::Skip, dialogue).unwrap();
    assert_eq!((read.len(), reading.records, reading.skipped.values().sum::<u64>()), (1, 3, 2));
}

#[test]
fn real_files_are_read() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !data.is_dir() {
        println!("skipped: real_files_are_read");
        return;
    }
    let dialogues = |path: &str| {
        let (read, reading) =
            data::read(&[data.join(path)], &Columns::new(), BadRecords::Skip, dialogue).unwrap();
        println!("{path}: {} of {} {:?} {:?}", read.len(), reading.records, reading.skipped, reading.mended);
        (read.len() as u64, reading)
    };
    for path in [
        "sft/instruction_data/instruction-data.json",
        "sft/alpaca_zh_demo.json",
        "sft/alpaca_en_demo.json",
        "sft/glaive_toolcall_en_demo.json",
        "sft/identity.json",
    ] {
        let (read, reading) = dialogues(path);
        assert!(read as f64 > 0.98 * reading.records as f64, "{path}: {read} of {}", reading.records);
    }
    // Without mending 141 of its 200 were kept.
    let (read, reading) = dialogues("sft/sharegpt_200.jsonl.gz");
    assert!(read > 141 && reading.records == 200 && !reading.mended.is_empty(), "{read} {reading:?}");
    let (read, reading) = dialogues("pref/kto_en_demo.json");
    let bad = reading.skipped.get("its label says that the answer is a bad one").copied().unwrap_or(0);
    assert!(read > 0 && bad > 0, "{read} {reading:?}");
    for (path, least) in [
        ("pref/hh_harmless_1800.jsonl.gz", 1700),
        ("pref/dpo_zh_demo.json", 295),
        ("pref/dpo_en_demo.json", 295),
    ] {
        let (read, reading) =
            data::read(&[data.join(path)], &Columns::new(), BadRecords::Skip, preference).unwrap();
        println!("{path}: {} of {} {:?} {:?}", read.len(), reading.records, reading.skipped, reading.mended);
        assert!(read.len() >= least, "{path}: {}", read.len());
    }
}
