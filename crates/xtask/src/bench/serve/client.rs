//! A client of the API: it asks, and reads the stream of the answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// What is asked, in turn.
const QUESTIONS: [&str; 6] = [
    "Who are you?",
    "Where does Mina live?",
    "What is the capital of the valley?",
    "Tell me about the sea.",
    "Why is the sky blue?",
    "What is three and four?",
];

/// A connection that is kept.
pub struct Client {
    stream: BufReader<TcpStream>,
    address: String,
}

pub enum Answer {
    Whole { first: Option<Duration>, whole: Duration, tokens: usize },
    Refused(u16),
}

impl Client {
    pub fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).context("no connection")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        Ok(Self { stream: BufReader::new(stream), address: address.to_string() })
    }

    /// Asks a question, and reads the stream of its answer.
    pub fn ask(&mut self, number: usize, tokens: usize) -> Result<Answer> {
        let question = QUESTIONS[number % QUESTIONS.len()];
        let body = json!({
            "messages": [{"role": "user", "content": question}], "max_tokens": tokens, "seed": number, "stream": true,
            "stream_options": {"include_usage": true},
        });
        let began = Instant::now();
        let status = self.send(body.to_string().as_bytes())?;
        if status != 200 {
            return Ok(Answer::Refused(status));
        }
        let (mut first, mut written, mut held, mut is_whole) = (None, 0, String::new(), false);
        while let Some(chunk) = self.chunk()? {
            held += &chunk;
            while let Some(end) = held.find("\n\n") {
                let event: String = held.drain(..end + 2).collect();
                let data = event.trim().strip_prefix("data: ").unwrap_or_default();
                is_whole |= data == "[DONE]";
                let Ok(piece) = serde_json::from_str::<Value>(data) else { continue };
                ensure!(piece["error"].is_null(), "an error in the stream: {}", piece["error"]["message"]);
                if piece["choices"][0]["delta"]["content"].as_str().is_some_and(|text| !text.is_empty()) {
                    first.get_or_insert(began.elapsed());
                }
                written += piece["usage"]["completion_tokens"].as_u64().unwrap_or(0) as usize;
            }
        }
        ensure!(is_whole, "a stream without its end");
        Ok(Answer::Whole { first, whole: began.elapsed(), tokens: written })
    }

    /// Sends a body for a chat; the status of the answer.
    pub fn send(&mut self, body: &[u8]) -> Result<u16> {
        let Self { stream, address } = self;
        let stream = stream.get_mut();
        let length = body.len();
        write!(
            stream,
            "POST /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
        .context("not sent")?;
        // Who refuses a body may do so before all of it is there.
        let sent = stream.write_all(body);
        self.head().or_else(|error| sent.context("not sent").and(Err(error)))
    }

    /// Reads a head; the status.
    fn head(&mut self) -> Result<u16> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no head")?;
        while !self.line()?.is_empty() {}
        Ok(status)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.stream.read_line(&mut line).context("nothing came")? > 0, "the connection was closed");
        Ok(line.trim_end().to_string())
    }

    /// The next chunk of a body; none at its end.
    pub fn chunk(&mut self) -> Result<Option<String>> {
        let length = usize::from_str_radix(&self.line()?, 16).context("no chunk")?;
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes).context("a chunk broke off")?;
        bytes.truncate(length);
        Ok((length > 0).then(|| String::from_utf8_lossy(&bytes).into_owned()))
    }
}
