//! Bodies, keys, hosts and origins that are refused.

use std::io::Write;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use nuwa_serve::{ApiKey, ServeSettings};
use serde_json::json;

use crate::support::{Answer, start, usual};

const JSON: &str = "Content-Type: application/json\r\n";

#[test]
fn what_is_no_json_and_no_utf8_is_told_so() {
    let place = usual();
    let chat = |body: &[u8]| place.post_bytes("/v1/chat/completions", body).error();
    let (status, _, message) = chat(b"{\"messages\": [");
    assert!(status == 400 && message.contains("no JSON"), "{message}");
    let (status, _, message) = chat(b"{\"messages\": \"\xff\"}");
    assert!(status == 400 && message.contains("not UTF-8, from byte 14"), "{message}");
    assert_eq!(chat(b"").0, 400);
    assert_eq!(chat(b"[]").0, 400);
    assert_eq!(chat(b"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]} x").0, 400);
    assert_eq!(chat("[".repeat(100_000).as_bytes()).0, 400);
    assert_eq!(chat(format!("{{\"tools\": {}", "{\"a\":".repeat(100_000)).as_bytes()).0, 400);
    place.chat(json!({})).ok();
}

#[test]
fn large_bodies_and_heads_are_refused_and_the_next_request_is_answered() {
    let place = usual();
    let large = vec![b' '; 20 << 20];
    let (status, code, _) = place.post_bytes("/v1/chat/completions", &large).error();
    assert_eq!((status, code.as_str()), (413, "body_too_large"));
    // Its length is not told beforehand.
    let mut chunked = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
                       Transfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    for _ in 0..20 {
        chunked.extend(format!("{:x}\r\n", 1 << 20).as_bytes());
        chunked.extend(vec![b' '; 1 << 20]);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    assert_eq!(place.raw(&chunked).error().0, 413);
    let header = format!("X-Long: {}\r\n", "a".repeat(100_000));
    assert_eq!(place.ask("GET", "/health", &header, b"").status, 431);
    let many: String = (0..300).map(|n| format!("X-{n}: a\r\n")).collect();
    assert_eq!(place.ask("GET", "/health", &many, b"").status, 431);
    assert_eq!(place.raw(b"\x16\x03\x01 this is no HTTP\r\n\r\n").status, 400);
    place.get("/health").ok();
}

#[test]
fn a_key_opens_all_and_without_one_only_health_and_the_page_are_open() {
    let keys = vec![ApiKey::new("0123456789abcdef").unwrap()];
    let place = start(ServeSettings { keys, ..ServeSettings::default() });
    let with = |headers: &str| place.ask("GET", "/v1/models", headers, b"").status;
    assert_eq!(with(""), 401);
    assert_eq!(with("Authorization: Bearer 0123456789abcdee\r\n"), 401);
    assert_eq!(with("Authorization: Bearer 0123456789abcdef\r\n"), 200);
    assert_eq!(with("X-Api-Key: 0123456789abcdef\r\n"), 200);
    assert_eq!(place.get("/metrics").error().1, "invalid_api_key");
    assert_eq!(place.chat(json!({})).status, 401);
    place.get("/health").ok();
    place.get("/").ok();
}

#[test]
fn other_hosts_and_other_pages_are_refused() {
    let origins = vec!["http://good.example".to_string()];
    let place = start(ServeSettings { allowed_origins: origins, ..ServeSettings::default() });
    let host = |host: &str| place.raw(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes()).status;
    assert_eq!([host("localhost:1"), host("127.0.0.1"), host("evil.example")], [200, 200, 403]);
    let origin = |origin: &str| place.ask("POST", "/tokenize", &format!("{JSON}Origin: {origin}\r\n"), b"{\"content\": \"a\"}");
    assert_eq!(origin("http://evil.example").error().1, "origin_not_allowed");
    assert_eq!(origin("null").status, 403);
    let own = origin(&format!("http://{}", place.server.address())).ok();
    assert!(!own.head.contains("access-control"), "{}", own.head);
    let good = origin("http://good.example").ok();
    assert!(good.head.contains("access-control-allow-origin: http://good.example"), "{}", good.head);
    let before = place.ask("OPTIONS", "/v1/chat/completions", "Origin: http://good.example\r\n", b"");
    assert!(before.status == 204 && before.head.contains("access-control-allow-methods"), "{before:?}");
    assert_eq!(place.ask("OPTIONS", "/v1/chat/completions", "", b"").status, 405);
    // A form of another site cannot say that it sends JSON.
    assert_eq!(place.ask("POST", "/tokenize", "Content-Type: text/plain\r\n", b"{\"content\": \"a\"}").status, 415);
}

#[test]
fn slow_and_half_open_connections_are_cut_while_others_are_served() {
    let place = start(ServeSettings { client_time: Duration::from_millis(400), ..ServeSettings::default() });
    let began = Instant::now();
    let mut silent = place.connect();
    let mut half = place.connect();
    half.write_all(b"GET /health HTTP/1.1\r\nHost: loc").unwrap();
    let mut bodiless = place.connect();
    let head = format!("POST /tokenize HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: 100\r\n\r\n{{");
    bodiless.write_all(head.as_bytes()).unwrap();
    let half_closed = place.connect();
    half_closed.shutdown(Shutdown::Write).unwrap();
    place.get("/health").ok();
    assert_eq!(Answer::read(&mut bodiless).status, 408);
    for stream in [&mut silent, &mut half] {
        // Closed, with a word or without.
        let said = Answer::read(stream);
        assert!(said.status == 0 || said.status == 408, "{said:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    place.chat(json!({})).ok();
}
