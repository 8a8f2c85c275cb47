//! Data sets of the Hub, from a server on this machine.

use super::support::{Place, serve};

/// The sets of the leaderboard as the Hub lists them.
const LISTINGS: [(&str, &str); 4] = [
    (
        "/api/datasets/allenai/ai2_arc/revision/main",
        r#"{"sha": "a1", "siblings": [{"rfilename": "ARC-Challenge/test.jsonl"},
            {"rfilename": "ARC-Challenge/train.jsonl"}, {"rfilename": "ARC-Easy/test.jsonl"}]}"#,
    ),
    (
        "/api/datasets/Rowan/hellaswag/revision/main",
        r#"{"sha": "b2", "siblings": [{"rfilename": "data/validation.jsonl"}, {"rfilename": "data/train.jsonl"}]}"#,
    ),
    (
        "/api/datasets/cais/mmlu/revision/main",
        r#"{"sha": "c3", "siblings": [{"rfilename": "all/test.jsonl"}, {"rfilename": "all/dev.jsonl"}]}"#,
    ),
    (
        "/api/datasets/truthfulqa/truthful_qa/revision/main",
        r#"{"sha": "d4", "siblings": [{"rfilename": "multiple_choice/validation.jsonl"}]}"#,
    ),
];

/// An item of each of their files, with `NUMBER` in the place of what tells it from others, and how many there are.
const FILES_OF_SETS: [(&str, &str, usize); 7] = [
    ("/datasets/allenai/ai2_arc/resolve/a1/ARC-Challenge/test.jsonl", ARC, 2),
    ("/datasets/allenai/ai2_arc/resolve/a1/ARC-Challenge/train.jsonl", ARC, 27),
    ("/datasets/Rowan/hellaswag/resolve/b2/data/validation.jsonl", HELLASWAG, 3),
    ("/datasets/Rowan/hellaswag/resolve/b2/data/train.jsonl", HELLASWAG, 13),
    ("/datasets/cais/mmlu/resolve/c3/all/test.jsonl", MMLU, 2),
    ("/datasets/cais/mmlu/resolve/c3/all/dev.jsonl", MMLU, 8),
    ("/datasets/truthfulqa/truthful_qa/resolve/d4/multiple_choice/validation.jsonl", TRUTHFULQA, 2),
];

const ARC: &str = r#"{"id": "NUMBER", "question": "What is wet in place NUMBER?", "choices":
    {"text": ["water", "sand"], "label": ["A", "B"]}, "answerKey": "A"}"#;

const HELLASWAG: &str = r#"{"ind": NUMBER, "activity_label": "Cooking", "ctx_a": "She takes pan NUMBER.", "ctx_b": "she",
    "ctx": "She takes pan NUMBER. she", "endings": ["fries an egg.", "flies away.", "sings.", "sleeps."], "label": "0"}"#;

const MMLU: &str =
    r#"{"question": "NUMBER + 0", "subject": "algebra", "choices": ["NUMBER", "x", "y", "z"], "answer": 0}"#;

const TRUTHFULQA: &str = r#"{"question": "Is earth NUMBER flat?", "mc1_targets": {"choices": ["No.", "Yes."], "labels": [1, 0]},
    "mc2_targets": {"choices": ["No.", "Yes."], "labels": [1, 0]}}"#;

fn lines(item: &str, count: usize) -> String {
    let item = item.replace('\n', "");
    (0..count).map(|number| item.replace("NUMBER", &number.to_string()) + "\n").collect()
}

#[test]
fn a_suite_takes_its_data_from_the_hub() {
    let place = Place::new();
    let listings = LISTINGS.map(|(path, text)| (path, text.to_string()));
    let files = FILES_OF_SETS.map(|(path, item, count)| (path, lines(item, count)));
    let address = serve(listings.into_iter().chain(files).collect::<Vec<_>>());
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/eval/model");
    let run = |data: &str| {
        let mut command = place.command(&format!("eval {model} --suite open-llm --json {data}"));
        command.env("HF_ENDPOINT", &address).output().unwrap()
    };
    let answer = run("--data hf:");
    let said = String::from_utf8(answer.stderr).unwrap();
    assert!(answer.status.success(), "{said}");
    let found: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    let suite = &found["suites"]["open-llm"];
    assert_eq!(suite["figures"].as_array().unwrap().len(), 4, "{suite}");
    assert_eq!(found["tasks"]["arc_challenge"]["n"], 2);

    let without = String::from_utf8(run("").stderr).unwrap();
    assert!(
        without.contains("error: the suite open-llm needs one folder of data")
            && without.contains("hint: name it with --data DIR, or take what is on the Hub: --data hf:"),
        "{without}"
    );
    place.write("some/arc_challenge_test.jsonl", lines(ARC, 2));
    let lacking = String::from_utf8(run("--data some").stderr).unwrap();
    assert!(lacking.contains("some lacks data of 3 of the 4 tasks of open-llm: hellaswag ("), "{lacking}");
}

const LISTING: &str = r#"{"sha": "c0ffee", "cardData": {"license": "mit"},
    "siblings": [{"rfilename": "README.md"}, {"rfilename": "train.jsonl"}, {"rfilename": "test.jsonl"}]}"#;

const FILES: &[(&str, &str)] = &[
    ("/api/datasets/some/texts/revision/main", LISTING),
    ("/datasets/some/texts/resolve/c0ffee/train.jsonl", "{\"text\": \"One.\"}\n{\"text\": \"Two.\"}\n"),
];

#[test]
fn a_data_set_is_a_source_like_others() {
    let place = Place::new();
    let address = serve(FILES);
    let run = |arguments: &str| place.command(arguments).env("HF_ENDPOINT", &address).output().unwrap();
    let answer = run("collect hf:some/texts --out documents");
    let said = String::from_utf8(answer.stderr).unwrap();
    assert!(answer.status.success(), "{said}");
    assert!(said.contains("left out 1 of hf:some/texts's files"), "{said}");
    let summary: serde_json::Value = serde_json::from_str(&place.read("documents/collect.json")).unwrap();
    assert_eq!(summary["documents"], 2);

    let answer = run("collect hf:some/other --out other");
    let said = String::from_utf8(answer.stderr).unwrap();
    assert_eq!(answer.status.code(), Some(1));
    assert!(said.contains("(not found)") && said.contains("check the spelling"), "{said}");
}

#[test]
fn without_a_server_the_address_is_named() {
    let place = Place::new();
    let mut command = place.command("collect hf:some/texts --out documents");
    let answer = command.env("HF_ENDPOINT", "http://127.0.0.1:9").output().unwrap();
    let said = String::from_utf8(answer.stderr).unwrap();
    assert!(
        said.contains("error: http://127.0.0.1:9/api/datasets/some/texts") && said.contains("HF_ENDPOINT"),
        "{said}"
    );
    assert!(place.failure("collect hf:texts --out documents").contains("hf:owner/name"));
}
