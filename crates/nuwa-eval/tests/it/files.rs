//! Files of items as they come: read, or refused with file, line, field and what was expected.

use std::path::Path;

use nuwa_eval::TaskResult;
use nuwa_eval::tasks::{Items, Options, Task};

use crate::support::{ByHand, tokenizer};

fn ask(task: &str, name: &str, text: &str) -> Result<TaskResult, nuwa_eval::Error> {
    let scorer = ByHand::new(tokenizer(300), 1 << 14, |_| 1.0);
    let items = Items::parse(Path::new(name), name, text)?;
    Task::built_in(task)?.evaluate(&scorer, &items, &Options::default(), &mut |_| {})
}

/// The right options that were found.
fn right(task: &str, name: &str, text: &str) -> Vec<String> {
    let result = ask(task, name, text).unwrap_or_else(|error| panic!("{error}"));
    result.shown.into_iter().map(|shown| shown.expected).collect()
}

fn told(task: &str, name: &str, text: &str) -> String {
    let error = ask(task, name, text).unwrap_err();
    let told = error.to_string();
    assert!(told.starts_with(&format!("{name}:")) && !told.contains("(in "), "{told}");
    format!("{told}\nhint: {}", error.hint().unwrap())
}

fn mmlu(choices: &str, answer: &str) -> String {
    format!(r#"{{"question": "2+2?", "subject": "x", "choices": {choices}, "answer": {answer}}}"#)
}

#[test]
fn answers_are_numbers_letters_or_texts() {
    let choices = r#"["four", "five", "six", "seven"]"#;
    for answer in ["1", "1.0", "\"1\"", "\"B\"", "\"b\"", "\"(B)\"", "\"five\""] {
        assert_eq!(right("mmlu", "a.jsonl", &mmlu(choices, answer)), ["B"], "{answer}");
    }
    // Texts that are numbers: numbers of options, unless an item shows that texts are meant.
    let numbers = r#"["3", "2", "1", "9"]"#;
    assert_eq!(right("mmlu", "a.jsonl", &mmlu(numbers, "\"1\"")), ["B"]);
    let two = [mmlu(numbers, "\"1\""), mmlu(numbers, "\"9\"")].join("\n");
    assert_eq!(right("mmlu", "a.jsonl", &two), ["C", "D"]);
    assert_eq!(right("mmlu", "a.jsonl", &mmlu("[4, 5, 6, 7]", "\"6\"")), ["C"]);
    let hellaswag = |label: &str| {
        format!(
            r#"{{"activity_label": "Baking", "ctx_a": "A.", "ctx_b": "he", "endings": ["a.", "b."], "label": {label}}}"#
        )
    };
    for label in ["1", "\"1\"", "1.0", "true", "\"b.\""] {
        assert_eq!(right("hellaswag", "a.jsonl", &hellaswag(label)), ["b."], "{label}");
    }
    let winogrande = |answer: &str| {
        format!(
            r#"{{"sentence": "The cup was in the bag, _ was big.", "option1": "it", "option2": "that", "answer": {answer}}}"#
        )
    };
    for answer in ["2", "\"2\"", "\"B\"", "\"that\""] {
        let found = right("winogrande", "a.jsonl", &winogrande(answer));
        assert_eq!(found, ["The cup was in the bag, that"], "{answer}");
    }
    let arc = |labels: &str, key: &str| {
        format!(
            r#"{{"question": "Q", "choices": {{"text": ["ice", "iron"], "label": {labels}}}, "answerKey": {key}}}"#
        )
    };
    for (labels, key) in [
        ("[\"1\", \"2\"]", "\"2\""),
        ("[1, 2]", "\"2\""),
        ("[\"A\", \"B\"]", "\"iron\""),
        ("[\"1\", \"2\"]", "2"),
        ("[\"1\", \"2\"]", "\"B\""),
        ("[\"A\", \"B\"]", "1"),
    ] {
        assert_eq!(right("arc_easy", "a.jsonl", &arc(labels, key)), ["iron"], "{labels} {key}");
    }
}

#[test]
fn tables_and_lists_are_read() {
    let cmmlu = "\u{feff},Question,A,B,C,D,Answer\n0,\"肉,哪个\"\"好\"\"？\",胸,腹,大腿,小腿,C\n";
    assert_eq!(right("cmmlu", "a.csv", cmmlu), ["C"]);
    let table =
        "question,subject,choices,answer\n2+2?,x,\"[\"\"3\"\", \"\"4\"\", \"\"5\"\", \"\"6\"\"]\",B\n";
    assert_eq!(right("mmlu", "a.csv", table), ["B"]);
    let escaped = "goal,sol1,sol2,label\n\"say \\\"hi\\\", now\",a,b,1\n";
    assert_eq!(right("piqa", "a.csv", escaped), ["b"]);
    assert_eq!(
        right("piqa", "a.tsv", "goal\tsol1\tsol2\tlabel\nopen a \"jar\"\tyes, sir\tno\t0\n"),
        ["yes, sir"]
    );
    let pretty = "\u{feff}[\n  {\n    \"goal\": \"g\",\n    \"sol1\": \"a\",\n    \"sol2\": \"b\",\n    \"label\": 1\n  }\n]\n";
    assert_eq!(right("piqa", "a.json", pretty), ["b"]);
    let objects = pretty.replace("[\n", "").replace("]\n", "");
    assert_eq!(right("piqa", "a.jsonl", &objects.repeat(2).replace('\u{feff}', "")), ["b", "b"]);
    assert_eq!(right("piqa", "a.csv", pretty), ["b"], "the content is JSON, whatever the name says");
}

const UNLABELLED: &str =
    "\nhint: benchmarks often publish their test half without answers: take the validation half";
const FIELDS: &str = "\nhint: the fields of an item have to be those that the task's templates name";

#[test]
fn labels_that_are_missing_or_out_of_range_are_named() {
    let cases = [
        (
            "hellaswag",
            r#"{"activity_label": "Baking", "ctx_a": "A.", "ctx_b": "he", "endings": ["a.", "b.", "c.", "d."], "label": ""}"#
                .to_string(),
            r#"e.jsonl:1: label is "", expected the number of the right option, 0 to 3, its letter, A to D, or its text"#,
        ),
        (
            "mmlu",
            mmlu(r#"["4", "5", "6", "7"]"#, "4"),
            "e.jsonl:1: answer is 4, expected the number of the right option, 0 to 3, its letter, A to D, or its text",
        ),
        (
            "piqa",
            r#"{"goal": "g", "sol1": "a", "sol2": "b", "label": -1}"#.into(),
            "e.jsonl:1: label is -1, expected the number of the right option, 0 to 1, its letter, A to B, or its text",
        ),
        (
            "piqa",
            "\n{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\", \"label\": null}".into(),
            "e.jsonl:2: label is missing or null; it has goal, sol1, sol2 (target of task piqa: label)",
        ),
        (
            "winogrande",
            r#"{"sentence": "a _ b", "option1": "c", "option2": "d", "answer": "0"}"#.into(),
            r#"e.jsonl:1: answer is "0", expected the number of the right option, 1 to 2, its letter, A to B, or its text"#,
        ),
        (
            "arc_easy",
            r#"{"question": "Q", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "E"}"#.into(),
            r#"e.jsonl:1: answerKey is "E", expected the number of the right option, 0 to 1, its letter, A to B, or its text"#,
        ),
    ];
    for (task, item, expected) in cases {
        assert_eq!(told(task, "e.jsonl", &item), format!("{expected}{UNLABELLED}"));
    }
    let item = r#"{"question": "Q", "mc2_targets": {"choices": ["a", "b"], "labels": ["0", "0"]}}"#;
    let said = told("truthfulqa_mc2", "e.jsonl", item);
    let expected =
        r#"e.jsonl:1: labels are "0", "0", expected 1 or 0 for each of 2 options, at least one of them 1 ("#;
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn choices_and_texts_that_cannot_be_asked_are_named() {
    for (choices, expected) in [
        (r#"["4"]"#, "e.jsonl:1: choices has length 1, expected 4"),
        (r#"["4", "5", "", "7"]"#, r#"e.jsonl:1: choices[2] is "", expected a text"#),
        ("\"4 5 6 7\"", r#"e.jsonl:1: choices is "4 5 6 7", expected a list of 4"#),
    ] {
        assert_eq!(told("mmlu", "e.jsonl", &mmlu(choices, "0")), format!("{expected}{FIELDS}"));
    }
    let arc = |texts: &str, labels: &str| {
        format!(r#"{{"question": "Q", "choices": {{"text": {texts}, "label": {labels}}}, "answerKey": "A"}}"#)
    };
    for (item, expected) in [
        (arc(r#"["a"]"#, r#"["A"]"#), "e.jsonl:1: choices has length 1, expected two or more ("),
        (arc(r#"["a", null]"#, r#"["A", "B"]"#), "e.jsonl:1: entry 1 of choices is empty, expected a text ("),
        (arc(r#""ab""#, r#"["A", "B"]"#), r#"e.jsonl:1: choices is "ab", expected a list ("#),
    ] {
        let said = told("arc_easy", "e.jsonl", &item);
        assert!(said.starts_with(expected), "{said}");
    }
    let item = r#"{"sentence": "No blank here.", "option1": "a", "option2": "b", "answer": "1"}"#;
    let said = told("winogrande", "e.jsonl", item);
    let expected = r#"e.jsonl:1: there is no "_" in "No blank here.", expected one (contexts of task winogrande: [(sentence | before('_'))"#;
    assert!(said.starts_with(expected), "{said}");
    let said = told("mmlu", "e.csv", "Question,A,B,C,D,Answer\nq,a,b,c,d,A\n");
    assert!(
        said.starts_with("e.csv:2: ") && said.contains("question are missing or null; it has "),
        "{said}"
    );
}

#[test]
fn files_that_are_no_items_are_named_with_their_line() {
    for (name, text, expected) in [
        (
            "e.csv",
            "goal,sol1\na,b\nc,d,e\n",
            "e.csv:3: 3 cells, expected 2, as many as the header names: goal, sol1",
        ),
        ("e.csv", "goal,sol1\na,b\n\"c,d\ne,f\n", "e.csv:3: a quote that opens here is never closed"),
        (
            "e.jsonl",
            "{\"goal\": \"a\"}\n{\"goal\": \"b\"\n{\"goal\": \"c\"}\n",
            "e.jsonl:2: expected `,` or `}` (",
        ),
        ("e.json", "[\n{\"goal\": \"a\"},\n{\"goal\" \"b\"}\n]\n", "e.json:3: expected `:` ("),
        ("e.json", "[\n{\"goal\": \"a\"},\n\n7\n]\n", "e.json:4: found 7, expected an object"),
        ("e.txt", "goal,sol1\na,b\n", "e.txt:1: expected value (line 1, column 1); expected JSON objects"),
        ("e.csv", "goal,sol1\n", "e.csv:1: it holds no item"),
    ] {
        let said = told("piqa", name, text);
        assert!(said.starts_with(expected), "{said}");
    }
}

/// All labels are looked at, the first hundred items are asked.
#[test]
fn the_files_at_hand_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/eval");
    if !folder.is_dir() {
        return println!("skipped: the_files_at_hand_are_read");
    }
    let scorer = ByHand::new(tokenizer(300), 1 << 14, |_| 1.0);
    let options = Options { limit: Some(100), ..Options::default() };
    for (task, file) in [
        ("arc_easy", "arc_easy.jsonl"),
        ("arc_challenge", "arc_challenge_val.jsonl"),
        ("hellaswag", "hellaswag_2000.jsonl"),
        ("mmlu", "mmlu_val.jsonl"),
        ("piqa", "piqa.jsonl"),
        ("winogrande", "winogrande.jsonl"),
        ("sst2", "sst2.jsonl"),
        ("chnsenticorp", "chnsenticorp_hotel.csv"),
        ("truthfulqa_mc1", "truthfulqa/mc_task.json"),
        ("cmmlu", "cmmlu_dev/agronomy.csv"),
    ] {
        let items = Items::read(&folder.join(file)).unwrap();
        let result = Task::built_in(task).unwrap().evaluate(&scorer, &items, &options, &mut |_| {}).unwrap();
        assert!(result.n >= 5, "{task}: {}", result.n);
    }
}
