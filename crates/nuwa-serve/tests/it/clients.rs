//! What clients of others send: connections that are kept, requests in a row, two models at one time.

use std::io::{Read, Write};

use serde_json::json;

use crate::support::usual;

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let place = usual();
    let mut stream = place.connect();
    for _ in 0..3 {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"{\"status\":\"ok\"}") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            said.push(byte[0]);
        }
        assert!(said.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
    // Two at once are answered in their order.
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /gone HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("HTTP/1.1 404 "), "{said}");
}

#[test]
fn each_model_answers_by_its_name() {
    let place = usual();
    let content = |model: &str| place.chat(json!({"model": model, "max_tokens": 30, "temperature": 0})).ok().json()["choices"].clone();
    assert_ne!(content("tiny"), content("other"));
    assert_eq!(content("tiny"), content("tiny"));
}
