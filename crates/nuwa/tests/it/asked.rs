//! Verbs that ask a model in words, and talks with a server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::feedback::place;
use super::support::Place;

const SCHEMA: &str = r#"{"type": "object", "required": ["name", "kind"], "additionalProperties": false, "properties": {
    "name": {"type": "string", "maxLength": 6}, "kind": {"enum": ["person", "place"]}, "towns": {"type": "array", "items": {"type": "string", "maxLength": 4}, "maxItems": 2}}}"#;

/// All in one test, since the training takes the time.
#[test]
fn a_model_that_chats_does_what_it_is_asked() {
    let place = place();
    place
        .write("schema.json", SCHEMA)
        .write("notes/a.txt", "Dorn is a town.\n\nMina lives in Dorn, and she has a goat.\n");
    // Its context is too small for the program's own.
    place.write("bare.jinja", "JSON: {{ text }}").write(
        "few.jinja",
        "{% for passage in passages %}[{{ passage.number }}] {{ passage.text }}\n{% endfor %}{{ question }}",
    );
    place.write("notes/b.md", "# Rivers\n\nVell is a river.\n");
    extracts(&place);
    translates_and_sums_up(&place);
    answers(&place);
    classifies(&place);
    refuses(&place);
}

fn extracts(place: &Place) {
    let out = place.succeed("extract tuned Mina Dorn --schema schema.json --prompt-file bare.jinja").out;
    let values: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(values.len(), 2);
    for value in &values {
        let kind = value["kind"].as_str().unwrap();
        assert!(
            value["name"].as_str().unwrap().chars().count() <= 6 && ["person", "place"].contains(&kind),
            "{value}"
        );
    }
    // A long text is read in pieces.
    let long = "Mina lives in Dorn. ".repeat(60);
    let answer = place.nuwa_with_input(
        "extract tuned --schema schema.json --prompt-file bare.jinja --json --max-tokens 40",
        long.as_bytes(),
    );
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let line: Value = serde_json::from_str(&answer.out).unwrap();
    assert!(line["pieces"].as_u64().unwrap() > 1 && line["value"]["kind"].is_string(), "{line}");
    assert_eq!(line["place"], "standard input");
    let short =
        place.failure("extract tuned Mina --schema schema.json --prompt-file bare.jinja --max-tokens 3");
    assert_snapshot!(short, @r"
    error: text 1: the JSON was not finished after 3 tokens
    hint: allow more with --max-tokens, or bound the schema with maxLength and maxItems
    ");
}

fn translates_and_sums_up(place: &Place) {
    let told = place.succeed("translate tuned --to zh --json --max-tokens 12 Dorn").out;
    let line: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&line["source"], &line["pieces"]), (&json!("Dorn"), &json!(1)));
    let own = "{{ text | upper }} INTO {{ to }}";
    place.write("own.jinja", own);
    let told = place.succeed("translate tuned --to zh --prompt-file own.jinja --max-tokens 4 Dorn").out;
    assert!(told.ends_with('\n'));
    place.write("long.txt", "Mina lives in Dorn. She has a goat.\n".repeat(30));
    let told = place.succeed("summarize tuned --file long.txt --json --max-tokens 12 --sentences 1").out;
    let line: Value = serde_json::from_str(&told).unwrap();
    assert!(line["pieces"].as_u64().unwrap() > 2, "{line}");
    place.write("lines.txt", "Dorn\nVell\n").write("right.txt", "一\n二\n");
    let told = place.succeed("translate tuned --to zh --lines --file lines.txt --max-tokens 6").out;
    assert_eq!(told.lines().count(), 2, "{told}");
    let told =
        place.succeed("translate tuned --to zh --file lines.txt --references right.txt --max-tokens 6").out;
    assert!(told.contains("BLEU"), "{told}");
}

fn answers(place: &Place) {
    let asked = place.succeed(
        "answer tuned Where_does_Mina_live? --context notes --prompt-file few.jinja --max-tokens 10",
    );
    let lines: Vec<&str> = asked.out.lines().collect();
    assert!(
        lines.iter().any(|line| line.starts_with("[1] notes/a.txt:1") && line.contains("Mina lives in Dorn")),
        "{asked:?}"
    );
    assert!(asked.err.contains("passages to answer from"), "{asked:?}");
    let nothing = place.succeed("answer tuned Zabo --context notes").out;
    assert_eq!(nothing, "nothing was found: no passage holds a word of the question\n");
    let input = "What is Vell?\nZabo\n".as_bytes();
    let told = place.nuwa_with_input(
        "answer tuned --prompt-file few.jinja --context notes/b.md --json --max-tokens 8",
        input,
    );
    assert_eq!(told.code, Some(0), "{told:?}");
    let lines: Vec<Value> = told.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        lines[0]["answer"].is_string()
            && lines[0]["passages"][0]["text"].as_str().unwrap().contains("Vell is a river")
    );
    assert_eq!(lines[1], json!({"question": "Zabo", "answer": null, "passages": []}));
}

fn classifies(place: &Place) {
    for model in ["tuned", "base"] {
        let told =
            place.succeed(&format!("classify {model} --labels good,bad,neither --json lovely 糟糕")).out;
        let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        for line in &lines {
            let each = line["probabilities"].as_object().unwrap();
            let total: f64 = each.values().map(|value| value.as_f64().unwrap()).sum();
            assert!((total - 1.0).abs() < 1e-9 && each.len() == 3, "{line}");
            assert!(["good", "bad", "neither"].contains(&line["label"].as_str().unwrap()));
        }
        assert_ne!(lines[0]["probabilities"], lines[1]["probabilities"]);
    }
    place.write("labelled.csv", "text,label\nlovely,good\nawful,bad\n");
    let told = place.succeed("classify tuned --labels good,bad --file labelled.csv").out;
    assert!(told.contains("accuracy"), "{told}");
}

fn refuses(place: &Place) {
    assert_snapshot!(place.failure("translate tuned Dorn"), @r"
    error: this model chats, and is not told which language to translate into
    hint: name it: --to Chinese
    ");
    assert_snapshot!(place.failure("translate tuned --to zh --align Dorn"), @r"
    error: --align is for encoder-decoders, and this model is asked in words
    hint: leave it out; --prompt-file FILE changes the words, and long texts are read in pieces
    ");
    assert_snapshot!(place.failure("summarize base Dorn"), @r"
    error: base/model is a base model: it continues text, and does not do what it is asked
    hint: teach it to answer first: nuwa sft --help
    ");
    place.write("wrong.jinja", "{{ texte }}");
    assert_snapshot!(place.failure("summarize tuned Dorn --prompt-file wrong.jinja"), @r"
    error: wrong.jinja, line 1: undefined value: `texte` is undefined
    hint: it is a Jinja template; its first comment in the program's own (crates/nuwa/prompts) names the values that there are
    ");
    place.write("wrong.json", r#"{"properties": {"a": {"not": {}}}}"#);
    assert_snapshot!(place.failure("extract tuned Dorn --schema wrong.json"), @r"
    error: wrong.json cannot be used
    cause: the schema, at #/properties/a: text cannot be held to `not` here; leave it out, and check it afterwards
    hint: correct the schema there; the rest of it is not left out in silence
    ");
    assert_snapshot!(place.failure("classify tuned --labels good Dorn"), @r"
    error: --labels names fewer than two
    hint: name each once, with commas between: --labels good,bad
    ");
    assert_snapshot!(place.failure("answer tuned Dorn --context nowhere"), @r"
    error: nowhere does not exist
    hint: check the spelling; a relative path starts at the current folder
    ");
}

/// A server that answers requests with these, one after the other: status, kind and content. Its address, and what it was asked.
fn server(answers: Vec<(u16, &'static str, String)>) -> (String, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (asked, seen) = channel();
    std::thread::spawn(move || {
        for (status, kind, content) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
                head += &line;
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            asked.send((head, String::from_utf8(body).unwrap())).unwrap();
            let head = format!("HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n");
            stream.write_all((head + &content).as_bytes()).unwrap();
        }
    });
    (address, seen)
}

fn streamed(pieces: &[&str]) -> (u16, &'static str, String) {
    let piece =
        |text: &&str| format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}}]}));
    let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    let content = pieces.iter().map(piece).collect::<String>() + &format!("data: {end}\n\ndata: [DONE]\n\n");
    (200, "text/event-stream", content)
}

#[test]
fn a_talk_with_a_server_is_told_all_turns_and_sends_the_key() {
    let place = Place::new();
    place.write("key", "secret\n");
    let models = json!({"object": "list", "data": [{"id": "first"}, {"id": "second"}]}).to_string();
    let answers =
        vec![(200, "application/json", models), streamed(&["She is ", "女娲."]), streamed(&["Clay."])];
    let (address, seen) = server(answers);
    let arguments = format!("chat --server {address} --api-key key --temperature 0 --max-tokens 9");
    let input = "/system Be brief.\nWho is Nuwa?\nOf what?\n/save talk.json\n";
    let told = place.nuwa_with_input(&arguments, input.as_bytes());
    assert_eq!((told.code, told.out.as_str()), (Some(0), "She is 女娲.\nClay.\n"), "{told:?}");
    let (head, _) = seen.recv().unwrap();
    assert!(
        head.starts_with("GET /v1/models ") && head.to_lowercase().contains("authorization: bearer secret"),
        "{head}"
    );
    let (head, body) = seen.recv().unwrap();
    assert!(head.starts_with("POST /v1/chat/completions "), "{head}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&body["model"], &body["stream"], &body["max_tokens"]),
        (&json!("first"), &json!(true), &json!(9))
    );
    assert_eq!(body["temperature"], json!(0.0));
    let body: Value = serde_json::from_str(&seen.recv().unwrap().1).unwrap();
    let turn = |role: &str, content: &str| json!({"role": role, "content": content});
    let turns = json!([
        turn("system", "Be brief."),
        turn("user", "Who is Nuwa?"),
        turn("assistant", "She is 女娲."),
        turn("user", "Of what?")
    ]);
    assert_eq!(body["messages"], turns);
    assert!(place.read("talk.json").contains("Clay."));
}

#[test]
fn what_a_server_refuses_is_told_with_what_to_do() {
    let place = Place::new();
    let refused =
        json!({"error": {"message": "no key was given", "type": "invalid_request_error"}}).to_string();
    let (address, _seen) = server(vec![(401, "application/json", refused)]);
    let said = place
        .failure(&format!("chat --server {address} --model m --prompt Hello"))
        .replace(&address, "SERVER");
    assert_snapshot!(said, @r"
    error: SERVER/v1/chat/completions answered 401: no key was given
    hint: name a file with the key: --api-key FILE
    ");
    let (address, _seen) = server(vec![(200, "text/event-stream", "data: {\"choices\":[]}\n\n".into())]);
    let said = place
        .failure(&format!("chat --server {address} --model m --prompt Hello"))
        .replace(&address, "SERVER");
    assert_snapshot!(said, @r"
    error: the answer of SERVER/v1/chat/completions ended before its end: the connection was closed
    hint: ask again; if it goes on so, look at what the server says
    ");
    assert_snapshot!(place.failure("chat --server localhost:80 --prompt Hello"), @r"
    error: localhost:80: expected an address that begins with http:// or https://
    hint: name the address of the API: https://HOST/v1
    ");
    place.write("key", "secret");
    assert_snapshot!(place.failure("chat --server http://example.org --api-key key --prompt Hello"), @r"
    error: http://example.org: a key is not sent over a connection that others can read
    hint: name an https:// address, or leave --api-key out
    ");
    place.write("empty", "\n");
    assert_snapshot!(place.failure("chat --server http://127.0.0.1:9 --api-key empty --prompt Hello"), @r"
    error: empty holds no key
    hint: put the key into it, in a line by itself
    ");
}
