//! Data sets of the Hub, from a server on this machine.

use super::support::{Place, serve};

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
