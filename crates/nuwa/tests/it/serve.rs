//! `nuwa serve` from outside: its address, its answers, Ctrl-C, kill -9, and what it says about wrong input.

use std::io::{Read, Write};
use std::net::TcpStream;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::serving::Serving;
use super::support::{Place, story};

const SIZES: &str = "--params 20k --tokens 8k --set model.context=512 --set model.layers=1";

/// A model that was only pretrained, in `base`.
fn place() -> Place {
    let place = Place::new();
    place.write("texts/story.txt", story(400));
    place.succeed("collect texts --out documents");
    place.succeed("tokenizer train documents --vocab-size 400 --out tokenizer");
    place.succeed("tokenize documents --tokenizer tokenizer --out shards");
    place.succeed(&format!("pretrain --data shards --out base {SIZES}"));
    place
}

/// Status and body.
fn ask(address: &str, path: &str, headers: &str, body: Option<Value>) -> (u16, String) {
    let host = address.strip_prefix("http://").unwrap();
    let sent = body.map_or_else(String::new, |body| body.to_string());
    let method = if sent.is_empty() { "GET" } else { "POST" };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n",
        sent.len()
    );
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all((head + &sent).as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_string())
}

/// All in one test, since the training takes the time.
#[test]
fn a_model_is_served_until_ctrl_c_and_again_after_a_kill() {
    let place = place();
    let serving = Serving::start(&place, "serve small=base/model same=base --port 0");
    let (status, models) = ask(&serving.address, "/v1/models", "", None);
    assert!(status == 200 && models.contains("\"small\"") && models.contains("\"same\""), "{models}");
    let completion = json!({"model": "small", "prompt": "mi ra", "max_tokens": 5, "seed": 1});
    let (status, first) = ask(&serving.address, "/v1/completions", "", Some(completion.clone()));
    assert_eq!(status, 200, "{first}");
    let address = serving.address.clone();
    let port = address.rsplit(':').next().unwrap();
    serving.kill();
    let serving = Serving::start(&place, &format!("serve small=base --port {port} --max-tokens 2"));
    assert_eq!(serving.address, address);
    let (status, second) = ask(&address, "/v1/completions", "", Some(completion));
    let tokens = serde_json::from_str::<Value>(&second).unwrap()["usage"]["completion_tokens"].clone();
    assert!(status == 200 && tokens.as_u64().unwrap() <= 2, "{second}");
    let taken = place.failure(&format!("serve base --port {port}"));
    assert!(taken.ends_with("hint: another program has the port: name another one with --port\n"), "{taken}");
    let said = serving.end();
    assert!(said.contains("200 POST /v1/completions small, ") && !said.contains("mi ra"), "{said}");
    with_a_key(&place);
}

fn with_a_key(place: &Place) {
    place.write("keys.txt", "# for the house\n0123456789abcdef\n");
    let serving = Serving::start(place, "serve base --port 0 --api-key keys.txt --log-texts");
    assert_eq!(ask(&serving.address, "/v1/models", "", None).0, 401);
    let key = "Authorization: Bearer 0123456789abcdef\r\n";
    assert_eq!(ask(&serving.address, "/v1/models", key, None).0, 200);
    let completion = json!({"prompt": "mi ra", "max_tokens": 2});
    assert_eq!(ask(&serving.address, "/v1/completions", key, Some(completion)).0, 200);
    let said = serving.end();
    assert!(said.contains("asked: \"mi ra\"") && !said.contains("0123456789abcdef"), "{said}");
}

#[test]
fn what_cannot_be_served_is_told() {
    let place = Place::new();
    place
        .write("short.txt", "secret\n")
        .write("none.txt", "# nothing\n")
        .write("keys.txt", "0123456789abcdef\n");
    assert_snapshot!(place.failure("serve"), @r"
    error: there is no model in runs/
    hint: name a model folder, or make one first: nuwa build
    ");
    assert_snapshot!(place.failure("serve --host 0.0.0.0"), @r"
    error: 0.0.0.0 can be reached from other machines, and there is no key that they would have to know
    hint: write a key of at least 16 characters into a file and name it with --api-key FILE, or listen on 127.0.0.1
    ");
    assert_snapshot!(place.failure("serve --api-key short.txt"), @r"
    error: short.txt, line 1: key = a text of 6 bytes: expected at least 16 visible ASCII characters without blanks
    hint: make one: openssl rand -hex 32
    ");
    assert_snapshot!(place.failure("serve --api-key none.txt"), @r"
    error: none.txt holds no key
    hint: write one on its first line, such as that of: openssl rand -hex 32
    ");
    assert_snapshot!(place.failure("serve gone --host 0.0.0.0 --api-key keys.txt"), @r"
    error: there is no gone
    hint: name a model folder, or the folder of a run: runs/NAME
    ");
    assert_snapshot!(place.failure("serve --temperature -1"), @r"
    error: temperature = -1: expected 0 or more
    hint: `nuwa serve --help` says what is expected
    ");
}
