//! A server of a tiny model, and a client that says what it likes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nuwa_infer::Engine;
use nuwa_models::ModelConfig;
use nuwa_serve::{Event, RequestRecord, ServeSettings, ServedModel, Server};
use nuwa_tokenizer::{TrainSettings, train};
use serde_json::{Value, json};

/// Positions of the model.
pub const CONTEXT: usize = 640;

/// A server that ends with the test.
pub struct Place {
    pub server: Server,
    events: Arc<Mutex<Vec<Event>>>,
    _folder: tempfile::TempDir,
}

/// An answer, as it came over the wire.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Writes a model of random weights and its tokenizer into `folder`.
pub fn write_model(folder: &Path, seed: u64) {
    let text =
        r#"Nuwa shaped people out of clay, and mended the sky. {"name": "Nuwa", "age": 3} 女娲抟黄土作人。 "#;
    let settings = TrainSettings { vocab_size: 320, min_frequency: 1, ..TrainSettings::default() };
    let tokenizer = train(std::iter::repeat_n(text.to_string(), 9), &settings, &mut |_| {}).unwrap();
    tokenizer.save(folder).unwrap();
    let config = format!(
        r#"{{"model_type": "llama", "vocab_size": {}, "hidden_size": 32, "intermediate_size": 48,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.2,
            "max_position_embeddings": {CONTEXT}}}"#,
        tokenizer.vocab_size()
    );
    let config: ModelConfig = serde_json::from_str(&config).unwrap();
    nuwa_format::save_model(nuwa_models::build(&config, seed).unwrap().as_ref(), folder).unwrap();
}

/// A server of two models, `tiny` and `other`.
pub fn start(settings: ServeSettings) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let models = [("tiny", 1), ("other", 2)].map(|(name, seed)| {
        let place = folder.path().join(name);
        std::fs::create_dir(&place).unwrap();
        write_model(&place, seed);
        ServedModel::writing(name, Engine::load(&place).unwrap(), &place)
    });
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let observer = Arc::new(move |event| seen.lock().unwrap().push(event));
    let settings = ServeSettings { port: 0, ..settings };
    Place { server: Server::start(settings, models.into(), observer).unwrap(), events, _folder: folder }
}

pub fn usual() -> Place {
    start(ServeSettings::default())
}

impl Place {
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Sends what it is given, and reads up to the end.
    pub fn raw(&self, sent: &[u8]) -> Answer {
        let mut stream = self.connect();
        // The server may have answered, and closed, before all was sent.
        let _ = stream.write_all(sent);
        Answer::read(&mut stream)
    }

    pub fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let host = self.server.address();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        self.raw(&[head.as_bytes(), body].concat())
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", b"")
    }

    pub fn post_bytes(&self, path: &str, body: &[u8]) -> Answer {
        self.ask("POST", path, "Content-Type: application/json\r\n", body)
    }

    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.post_bytes(path, body.to_string().as_bytes())
    }

    /// A chat of one question, with other fields.
    pub fn chat(&self, fields: Value) -> Answer {
        self.post("/v1/chat/completions", chat(fields))
    }

    /// What was told of requests.
    pub fn records(&self) -> Vec<RequestRecord> {
        let record = |event: &Event| match event {
            Event::Request(record) => Some(record.clone()),
            _ => None,
        };
        self.events.lock().unwrap().iter().filter_map(record).collect()
    }

    /// The value of a metric of the model `tiny`.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").ok().body;
        let line = format!("{name}{{model=\"tiny\"}} ");
        let value = text.lines().find_map(|own| own.strip_prefix(line.as_str()));
        value.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }
}

/// A chat of one question, with other fields.
pub fn chat(fields: Value) -> Value {
    let mut body = json!({"model": "tiny", "messages": [{"role": "user", "content": "Who shaped people?"}], "max_tokens": 8, "seed": 1});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// Waits until something holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never came that {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Answer {
    pub fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        // A connection that is cut has said what it has said.
        let _ = stream.read_to_end(&mut bytes);
        Self::of(&bytes)
    }

    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return Self { status: 0, head: text, body: String::new() };
        };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let is_chunked = head.to_lowercase().contains("transfer-encoding: chunked");
        let body = if is_chunked { unchunked(body) } else { body.to_string() };
        Self { status, head: head.to_lowercase(), body }
    }

    pub fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{self:?}");
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Status, code and message of an error.
    pub fn error(&self) -> (u16, String, String) {
        let error = &self.json()["error"];
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_string();
        assert!(!text("type").is_empty(), "{self:?}");
        (self.status, text("code"), text("message"))
    }

    /// The objects of a stream, which has come to its end.
    pub fn pieces(&self) -> Vec<Value> {
        assert!(self.head.contains("content-type: text/event-stream"), "{self:?}");
        let mut events: Vec<&str> =
            self.body.split("\n\n").filter(|event| !event.is_empty() && !event.starts_with(':')).collect();
        assert_eq!(events.pop(), Some("data: [DONE]"), "{self:?}");
        events
            .iter()
            .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
            .collect()
    }
}

fn unchunked(body: &str) -> String {
    let (mut text, mut rest) = (Vec::new(), body.as_bytes());
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let length =
            std::str::from_utf8(&rest[..end]).ok().and_then(|length| usize::from_str_radix(length, 16).ok());
        let Some(length) = length.filter(|length| *length > 0 && rest.len() >= end + 2 + length) else {
            break;
        };
        text.extend_from_slice(&rest[end + 2..end + 2 + length]);
        rest = &rest[(end + 4 + length).min(rest.len())..];
    }
    String::from_utf8(text).unwrap()
}
