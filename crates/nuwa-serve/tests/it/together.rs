//! Many at one time: the queue, time limits, cancelled streams, the end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nuwa_serve::ServeSettings;
use serde_json::{Value, json};

use crate::support::{Answer, Place, chat, eventually, start, usual};

/// A request that is sent, and whose answer is not read yet.
fn send(place: &Place, fields: Value) -> TcpStream {
    let body = chat(fields).to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = place.connect();
    stream.write_all((head + &body).as_bytes()).unwrap();
    stream
}

/// Nothing ends such an answer before its last token: the ends of texts are never chosen.
fn long(place: &Place) -> Value {
    let id = place.post("/tokenize", json!({"content": "a"})).ok().json()["tokens"][0].to_string();
    json!({"max_tokens": 200, "logit_bias": {id: 100}})
}

fn streamed(fields: &Value) -> Value {
    let mut fields = fields.clone();
    fields["stream"] = json!(true);
    fields
}

#[test]
fn many_at_once_write_what_each_writes_alone() {
    let place = Arc::new(usual());
    let alone: Vec<Value> =
        (0..24).map(|seed| place.chat(json!({"seed": seed, "max_tokens": 20})).ok().json()).collect();
    let asked = (0..24).map(|seed| {
        let place = Arc::clone(&place);
        thread::spawn(move || place.chat(json!({"seed": seed, "max_tokens": 20})).ok().json())
    });
    let asked: Vec<_> = asked.collect();
    for (thread, alone) in asked.into_iter().zip(alone) {
        assert_eq!(thread.join().unwrap()["choices"], alone["choices"]);
    }
}

#[test]
fn a_full_queue_says_when_to_come_again() {
    let place = start(ServeSettings { slots: 1, queue: 2, ..ServeSettings::default() });
    let long = long(&place);
    // Eight texts one after the other, so that the slot is not free too soon.
    let mut eight = streamed(&long);
    eight["n"] = json!(8);
    let mut first = send(&place, eight);
    eventually("the first is being written", || place.metric("nuwa_running") == 1.0);
    let mut waiting: Vec<TcpStream> = (0..2).map(|_| send(&place, json!({}))).collect();
    eventually("two wait", || place.metric("nuwa_queue_length") == 2.0);
    let refused = place.chat(json!({}));
    assert_eq!((refused.status, refused.error().1.as_str()), (429, "rate_limit_exceeded"));
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    assert_eq!(place.metric("nuwa_refused_total"), 1.0);
    assert_eq!(Answer::read(&mut first).pieces().last().unwrap()["choices"][0]["finish_reason"], "length");
    waiting.iter_mut().for_each(|stream| assert_eq!(Answer::read(stream).status, 200));
}

#[test]
fn a_request_that_takes_too_long_is_ended() {
    let place =
        start(ServeSettings { request_time: Duration::from_millis(1), slots: 1, ..ServeSettings::default() });
    let answer = place.chat(long(&place));
    let (status, code, _) = answer.error();
    assert_eq!((status, code.as_str()), (504, "timeout"));
    assert!(answer.head.contains("x-should-retry: false"), "{}", answer.head);
    eventually("the slot is free", || place.metric("nuwa_running") == 0.0);
}

#[test]
fn a_thousand_cancelled_streams_leave_nothing_behind() {
    let place = start(ServeSettings { slots: 4, queue: 2000, connections: 4000, ..ServeSettings::default() });
    let long = long(&place);
    for round in 0..20 {
        let mut open: Vec<TcpStream> = (0..50).map(|_| send(&place, streamed(&long))).collect();
        if round % 2 == 0 {
            // Some of what was written has come.
            let mut first = [0; 32];
            open[0].read_exact(&mut first).unwrap();
        }
    }
    eventually("all are gone", || {
        place.metric("nuwa_running") == 0.0 && place.metric("nuwa_queue_length") == 0.0
    });
    place.chat(json!({})).ok();
    let began = Instant::now();
    let cancelled = || {
        place
            .records()
            .iter()
            .filter(|record| record.route == "/v1/chat/completions" && record.status == 499)
            .count()
    };
    eventually("they are told of", || cancelled() > 0);
    eventually("tokens of streams whose clients went are counted", || {
        place.records().iter().any(|record| record.status == 499 && record.completion_tokens > 0)
    });
    assert!(began.elapsed() < Duration::from_secs(60));
    // A whole answer whose client goes is ended too.
    let gone = send(&place, long.clone());
    drop(gone);
    eventually("the slot is free", || place.metric("nuwa_running") == 0.0);
}

#[test]
fn a_reader_that_takes_nothing_holds_nobody_up() {
    let place = start(ServeSettings {
        client_time: Duration::from_millis(500),
        slots: 2,
        ..ServeSettings::default()
    });
    let long = long(&place);
    let slow: Vec<TcpStream> = (0..8).map(|_| send(&place, streamed(&long))).collect();
    place.chat(json!({})).ok();
    eventually("all have been written or given up", || {
        place.metric("nuwa_running") == 0.0 && place.metric("nuwa_queue_length") == 0.0
    });
    drop(slow);
}

#[test]
fn the_end_lets_what_runs_end_and_takes_nothing_new() {
    let place = Arc::new(usual());
    let mut running = send(&place, streamed(&long(&place)));
    let mut first = [0; 32];
    running.read_exact(&mut first).unwrap();
    let began = Instant::now();
    place.server.stop();
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    let mut rest = String::new();
    running.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("data: [DONE]"), "{rest}");
    assert!(TcpStream::connect(place.server.address()).is_err());
}
