//! Data sets of the Hub, from a server on this machine.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use super::support::Place;

/// Serves these paths until the test ends; its address.
fn serve(files: &'static [(&'static str, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            lines.take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty())).for_each(drop);
            let asked = first.split(' ').nth(1).unwrap();
            let (status, body) = match files.iter().find(|(path, _)| *path == asked) {
                Some((_, body)) => ("200 OK", *body),
                None => ("404 Not Found", ""),
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            stream.write_all((head + body).as_bytes()).unwrap();
        }
    });
    address
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
