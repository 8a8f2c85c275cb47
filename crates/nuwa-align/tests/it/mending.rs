//! Records that are not quite in order, and files in other forms than JSON lines.

use std::path::Path;

use nuwa_align::data::{self, Columns, Dialogue, Preference, Reading, dialogue, preference};
use nuwa_align::{BadRecords, Result};

use crate::forms::{file, told};

fn dialogues(content: &str, name: &str) -> Result<(Vec<Dialogue>, Reading)> {
    let (_folder, path) = file(content, name);
    data::read(&[path], &Columns::new(), BadRecords::Error, dialogue)
}

fn preferences(content: &str, name: &str) -> Result<(Vec<Preference>, Reading)> {
    let (_folder, path) = file(content, name);
    data::read(&[path], &Columns::new(), BadRecords::Error, preference)
}

fn all_told(content: &str, name: &str) -> Vec<String> {
    let (read, _) = dialogues(content, name).unwrap();
    read.iter().map(|dialogue| told(&dialogue.messages)).collect()
}

/// A dialogue of turns `u`, `a`, `s`, `t`, each with its content, and what had to be mended.
fn mended(turns: &[(&str, &str)]) -> (String, Vec<String>) {
    let turns: Vec<_> =
        turns.iter().map(|(role, text)| serde_json::json!({"role": role, "content": text})).collect();
    let (read, reading) =
        dialogues(&serde_json::json!({"messages": turns}).to_string(), "data.jsonl").unwrap();
    (told(&read[0].messages), reading.mended.into_keys().collect())
}

#[test]
fn answers_before_the_first_question_are_left_out() {
    let (text, what) = mended(&[("system", "s"), ("assistant", "x"), ("user", "a"), ("assistant", "b")]);
    assert_eq!(text, "system: s | user: a | assistant: b");
    assert_eq!(what, ["began with an answer, which was left out"]);
    let (text, what) = mended(&[("gpt", "x"), ("human", "a"), ("chatgpt", "b"), ("human", "c")]);
    assert_eq!(text, "user: a | assistant: b");
    assert_eq!(what.len(), 1);
}

#[test]
fn turns_of_one_role_are_joined() {
    let (text, what) =
        mended(&[("user", "a"), ("user", "b"), ("assistant", "c"), ("assistant", "d"), ("assistant", "")]);
    assert_eq!(text, "user: a\n\nb | assistant: c\n\nd");
    assert_eq!(what, ["had turns of one role after each other, which were joined"]);
    let (text, what) = mended(&[("system", "s"), ("system", "r"), ("user", "a"), ("assistant", "b")]);
    assert_eq!((text.as_str(), what.len()), ("system: s\n\nr | user: a | assistant: b", 1));
    let (text, what) = mended(&[("user", "a"), ("function_call", "{\"name\": 1}"), ("assistant", "b")]);
    assert_eq!((text.as_str(), what.len()), ("user: a | assistant: {\"name\": 1} | assistant: b", 0));
}

#[test]
fn answers_of_no_weight_are_not_trained_on() {
    let record = |weight: &str| {
        format!(
            r#"{{"messages":[{{"role":"user","content":"a"}},{{"role":"assistant","content":"b",{weight}}},{{"role":"user","content":"c"}},{{"role":"assistant","content":"d","weight":1}}]}}"#
        )
    };
    for (weight, untrained) in [
        ("\"weight\":0", vec![1]),
        ("\"weight\":0.0", vec![1]),
        ("\"train\":false", vec![1]),
        ("\"weight\":1", vec![]),
        ("\"weight\":null", vec![]),
    ] {
        let (read, _) = dialogues(&record(weight), "data.jsonl").unwrap();
        assert_eq!(read[0].untrained, untrained, "{weight}");
        assert!(read[0].messages.iter().all(|message| message.extra.is_empty()), "{weight}");
    }
    let alone =
        r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","weight":0}]}"#;
    let good = r#"{"prompt":"a","completion":"b"}"#;
    let (read, reading) = dialogues(&format!("{alone}\n{good}"), "data.jsonl").unwrap();
    assert_eq!((read.len(), reading.skipped.values().sum::<u64>()), (1, 1));
}

#[test]
fn bad_answers_are_not_learnt() {
    let lines = ["true", "false", "1", "0", "\"False\""]
        .map(|label| format!(r#"{{"prompt":"a","completion":"b","label":{label}}}"#));
    let (read, reading) = dialogues(&lines.join("\n"), "data.jsonl").unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!(
        reading.skipped,
        [("its label says that the answer is a bad one".to_string(), 3)].into_iter().collect()
    );
    let error = dialogues(&lines[1], "data.jsonl").unwrap_err().to_string();
    assert!(error.contains("all of its 1 records were left out"), "{error}");
}

#[test]
fn ends_are_trimmed_and_lines_end_as_everywhere() {
    let cases = [
        r#"{"instruction":"  Say\r\nhi.\r\n","input":"   ","output":"\r\nHi there.  \r\n"}"#,
        r#"{"prompt":"Say\nhi. ","completion":" Hi there."}"#,
        r#"{"messages":[{"role":"user","content":"\rSay\rhi."},{"role":"assistant","content":"Hi there.\n"}]}"#,
    ];
    for record in cases {
        assert_eq!(all_told(record, "data.jsonl"), ["user: Say\nhi. | assistant: Hi there."], "{record}");
    }
    let (read, _) =
        preferences(r#"{"prompt":" a\r\n","chosen":" b ","rejected":"c\r\n"}"#, "data.jsonl").unwrap();
    assert_eq!(
        [told(&read[0].prompt), told(&read[0].chosen), told(&read[0].rejected)].join(" / "),
        "user: a / assistant: b / assistant: c"
    );
}

#[test]
fn json_is_read_in_every_layout() {
    let expected = ["user: a | assistant: b", "user: c | assistant: d"];
    let objects = [r#"{"instruction": "a", "output": "b"}"#, r#"{"instruction": "c", "output": "d"}"#];
    let pretty = objects.map(|object| object.replace(", ", ",\n  ").replace('{', "{\n  "));
    for content in [
        objects.join("\n"),
        format!("\u{feff}{}\r\n\r\n{}\r\n", objects[0], objects[1]),
        format!("[{}]", objects.join(",")),
        pretty.join("\n"),
        format!("{{\"data\": [{}]}}", objects.join(",")),
        format!("{{\n\"version\": 1,\n\"rows\": [\n{}\n]\n}}", pretty.join(",\n")),
        r#"[[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],[{"role":"user","content":"c"},{"role":"assistant","content":"d"}]]"#.into(),
    ] {
        assert_eq!(all_told(&content, "data.json"), expected, "{content}");
    }
}

#[test]
fn a_record_that_is_the_only_one_of_its_file_is_a_record() {
    let record = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "tools": [{"name": "f"}]}"#;
    for content in [record.to_string(), record.replace(", ", ",\n")] {
        assert_eq!(all_told(&content, "data.json"), ["user: a | assistant: b"]);
    }
}

#[test]
fn tables_are_read() {
    let expected = ["user: a, or \"b\"? | assistant: c", "user: d\ne | assistant: f"];
    let comma = "question,answer\n\"a, or \"\"b\"\"?\",c\n\"d\r\ne\",f\n";
    let semicolon = "\u{feff}Question;Answer\r\n\"a, or \"\"b\"\"?\";c\r\n\"d\r\ne\";f";
    let tab = "instruction\toutput\tinput\na, or \"b\"?\tc\t\nd\tf\te\n";
    for (content, name) in [(comma, "a.csv"), (semicolon, "a.CSV"), (tab, "a.tsv")] {
        assert_eq!(all_told(content, name), expected, "{content}");
    }
    let turns = "messages\n\"[{\"\"role\"\":\"\"user\"\",\"\"content\"\":\"\"a\"\"},{\"\"role\"\":\"\"assistant\"\",\"\"content\"\":\"\"b\"\"}]\"\n";
    assert_eq!(all_told(turns, "a.csv"), ["user: a | assistant: b"]);
    let (read, _) = preferences("prompt,chosen,rejected\na,b,c\n", "a.csv").unwrap();
    assert_eq!(read[0].place.rsplit(':').next(), Some("2"));
}

#[test]
fn what_is_wrong_with_a_table_is_said_with_its_line() {
    let mut said = Vec::new();
    for content in [
        "question,answer\na,b\nc,d,e\n",
        "question,answer\na,\"b\nc,d\ne,f\n",
        "question,answer\na,\"b\nc,\"d\"\n",
        "title,body\na,b\n",
        "question,answer\na,b\nc,\n",
    ] {
        let error = dialogues(content, "data.csv").unwrap_err();
        let text = error.to_string();
        said.push(text.rsplit_once("/data").map_or(text.clone(), |(_, rest)| format!("data{rest}")));
    }
    insta::assert_snapshot!(said.join("\n"), @r"
    data.csv:3: the row has 3 columns, expected 2 as in the first row
    data.csv:2: the quote that opens here doesn't end where its cell does
    data.csv:2: the quote that opens here doesn't end where its cell does
    data.csv:2: its fields are body, title: expected messages (chat), conversations (ShareGPT), instruction and output (Alpaca), prompt and completion, or question and answer
    data.csv:3: an answer is empty
    ");
}

#[test]
fn shared_examples_come_out_as_they_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/field/train");
    if !folder.is_dir() {
        println!("skipped: shared_examples_come_out_as_they_should");
        return;
    }
    let read =
        |name: &str| data::read(&[folder.join(name)], &Columns::new(), BadRecords::Error, dialogue).unwrap();
    for (name, count, mends) in [
        ("t04_consec_user.jsonl", 1, 1),
        ("t05_consec_asst.jsonl", 1, 1),
        ("t12_special.jsonl", 1, 0),
        ("t15_sharegpt_names.jsonl", 3, 0),
        ("t36_pretty.json", 1, 0),
        ("faq.csv", 12, 0),
        ("faq.jsonl", 12, 0),
        ("faqqa.jsonl", 12, 0),
    ] {
        let (dialogues, reading) = read(name);
        assert_eq!((dialogues.len(), reading.mended.values().sum::<u64>()), (count, mends), "{name}");
    }
    assert_eq!(told(&read("t18_crlf_ws.jsonl").0[0].messages), "user: Say hi. | assistant: Hi there.");
    assert_eq!(
        told(&read("t20_completion.jsonl").0[0].messages),
        "user: Translate: bread -> | assistant: pain"
    );
    assert_eq!(read("t19_weight.jsonl").0[0].untrained, [1]);
    let error = data::read(&[folder.join("d01_same.jsonl")], &Columns::new(), BadRecords::Error, preference)
        .unwrap_err();
    assert!(error.to_string().ends_with("d01_same.jsonl:1: chosen is equal to rejected"), "{error}");
}
