//! What an API of OpenAI's kind answers: its models, and an answer as it is written.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use nuwa_infer::{Conversation, Flow, GenerateSettings, SamplingSettings};
use nuwa_tokenizer::Message;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::failure::Problem;
use crate::http::{Http, checked_address};
use crate::input;

/// Bytes of one event of a stream, at most: a server that never ends a line does not fill the memory.
const LONGEST_EVENT: u64 = 4 << 20;

/// Characters of what a server said that are shown.
const SHOWN: usize = 300;

/// A server that answers.
pub struct Served {
    http: Http,
    base: String,
    key: Option<String>,
    pub model: String,
}

/// A line of a stream that says something.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

/// An answer of a server.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ServedAnswer {
    pub text: String,
    /// Why it ended, in the server's word; none where it was stopped.
    pub finish: Option<String>,
}

impl Served {
    /// The server at an address, with the key in a file, and the model of this name or the first that it has.
    pub fn connect(address: &str, key: Option<&Path>, model: Option<&str>) -> anyhow::Result<Self> {
        let key = key.map(read_key).transpose()?;
        let base = base_of(checked_address(address, key.is_some(), "leave --api-key out")?);
        let mut served = Self { http: Http::new(), base, key, model: String::new() };
        served.model = match model {
            Some(name) => name.to_string(),
            None => served.first_model()?,
        };
        Ok(served)
    }

    /// Where it is.
    pub fn base(&self) -> &str {
        &self.base
    }

    fn first_model(&self) -> anyhow::Result<String> {
        let url = format!("{}/models", self.base);
        let (status, content) = self
            .http
            .get_json(&url, self.key.as_deref())
            .map_err(|error| unreachable_at(&url, &error.to_string()))?;
        if status != 200 {
            return Err(refused(&url, status, &content));
        }
        let models: Option<Models> = serde_json::from_str(&content).ok();
        let first = models.and_then(|models| models.data.into_iter().next());
        first.map(|model| model.id).ok_or_else(|| {
            Problem::new(format!("{url} names no model: {}", shortened(&content)))
                .hint("name the model that the server has: --model NAME")
                .into()
        })
    }

    /// Answers the last turn; `goes_on` is asked before each piece of it, and `on_text` given the text as it comes.
    pub fn answer(
        &self,
        conversation: &Conversation,
        settings: &GenerateSettings,
        goes_on: &mut dyn FnMut() -> Flow,
        on_text: &mut dyn FnMut(&str),
    ) -> anyhow::Result<ServedAnswer> {
        let url = format!("{}/chat/completions", self.base);
        let body = self.body(conversation, settings);
        let (status, mut content) = self
            .http
            .post_for_stream(&url, self.key.as_deref(), &body)
            .map_err(|error| unreachable_at(&url, &error.to_string()))?;
        if status != 200 {
            let mut said = String::new();
            // What cannot be read of it says nothing.
            let _ = content.take(LONGEST_EVENT).read_to_string(&mut said);
            return Err(refused(&url, status, &said));
        }
        heard(&url, &mut content, goes_on, on_text)
    }

    fn body(&self, conversation: &Conversation, settings: &GenerateSettings) -> Value {
        let system = conversation.system.iter().map(|text| Message::new("system", text.as_str()));
        let turns: Vec<Value> = system
            .chain(conversation.turns.iter().cloned())
            .map(|turn| json!({"role": turn.role, "content": turn.content}))
            .collect();
        let mut body = Map::new();
        body.insert("model".into(), self.model.clone().into());
        body.insert("messages".into(), turns.into());
        body.insert("stream".into(), true.into());
        body.insert("max_tokens".into(), settings.max_tokens.into());
        body.insert("seed".into(), settings.seed.into());
        body.extend(sampling(&settings.sampling));
        Value::Object(body)
    }
}

/// The sampling settings as the API names them. Those that only some servers know are sent where they change something.
fn sampling(settings: &SamplingSettings) -> Map<String, Value> {
    let SamplingSettings { temperature, top_k, top_p, min_p, repetition_penalty, .. } = *settings;
    let usual = [
        ("temperature", temperature),
        ("top_p", top_p),
        ("frequency_penalty", settings.frequency_penalty),
        ("presence_penalty", settings.presence_penalty),
    ];
    let others = [
        ("top_k", top_k as f64, 0.0),
        ("min_p", min_p, 0.0),
        ("repetition_penalty", repetition_penalty, 1.0),
    ];
    let changed =
        others.into_iter().filter(|(_, value, none)| value != none).map(|(name, value, _)| (name, value));
    let number = |(name, value): (&str, f64)| {
        // Whole numbers are sent as such: some servers want them so.
        let is_whole = name == "top_k";
        (name.to_string(), if is_whole { json!(value as u64) } else { json!(value) })
    };
    usual.into_iter().chain(changed).map(number).collect()
}

/// Reads a stream of events to its end.
fn heard(
    url: &str,
    content: &mut dyn Read,
    goes_on: &mut dyn FnMut() -> Flow,
    on_text: &mut dyn FnMut(&str),
) -> anyhow::Result<ServedAnswer> {
    let mut lines = BufReader::new(content);
    let mut answer = ServedAnswer::default();
    loop {
        if goes_on().is_break() {
            return Ok(ServedAnswer { finish: None, ..answer });
        }
        let mut line = Vec::new();
        let read = (&mut lines).take(LONGEST_EVENT).read_until(b'\n', &mut line);
        let read = read.map_err(|error| broken(url, &error.to_string()))?;
        if read == 0 {
            return match answer.finish {
                Some(_) => Ok(answer),
                None => Err(broken(url, "the connection was closed")),
            };
        }
        let line = String::from_utf8_lossy(&line);
        // Lines without data name events, keep the connection open, or stand between.
        let Some(data) = line.trim_end().strip_prefix("data:").map(str::trim) else { continue };
        if data == "[DONE]" {
            answer.finish.get_or_insert_with(|| "stop".to_string());
            return Ok(answer);
        }
        let event: Event = serde_json::from_str(data)
            .map_err(|error| broken(url, &format!("{error} in {}", shortened(data))))?;
        if let Some(error) = event.error {
            return Err(Problem::new(format!("{url} broke the answer off: {}", said_in(&error)))
                .hint("ask again, or look at what the server says")
                .into());
        }
        let Some(choice) = event.choices.into_iter().next() else { continue };
        if let Some(text) = choice.delta.content.filter(|text| !text.is_empty()) {
            on_text(&text);
            answer.text += &text;
        }
        answer.finish = choice.finish_reason.or(answer.finish);
    }
}

/// The address up to `/v1`, which may be left out.
fn base_of(address: &str) -> String {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    match host.contains('/') {
        true => address.trim_end_matches("/chat/completions").to_string(),
        false => format!("{address}/v1"),
    }
}

/// The key in a file: its first line.
fn read_key(path: &Path) -> anyhow::Result<String> {
    let content = input::file(path)?;
    match content.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(key) => Ok(key.to_string()),
        None => {
            let problem = Problem::new(format!("{} holds no key", path.display()));
            Err(problem.hint("put the key into it, in a line by itself").into())
        }
    }
}

fn unreachable_at(url: &str, reason: &str) -> anyhow::Error {
    Problem::new(format!("{url} cannot be reached: {reason}"))
        .hint("check the address, and that the server runs: nuwa serve MODEL")
        .into()
}

fn broken(url: &str, reason: &str) -> anyhow::Error {
    Problem::new(format!("the answer of {url} ended before its end: {reason}"))
        .hint("ask again; if it goes on so, look at what the server says")
        .into()
}

fn refused(url: &str, status: u16, content: &str) -> anyhow::Error {
    let parsed: Option<Value> = serde_json::from_str(content).ok();
    let said = parsed.as_ref().map_or_else(|| shortened(content), |parsed| said_in(&parsed["error"]));
    let hint = match status {
        401 | 403 => "name a file with the key: --api-key FILE",
        404 => "check the address and the name of the model: --model NAME",
        429 => "the server is busy: ask again in a moment",
        400 => "shorten the conversation (/reset), or change the setting that it names",
        _ => "ask again; if it goes on so, look at what the server says",
    };
    Problem::new(format!("{url} answered {status}: {said}")).hint(hint).into()
}

/// The message of an error in one of the forms that servers give it.
fn said_in(error: &Value) -> String {
    let message = error["message"].as_str().or(error.as_str());
    shortened(message.map_or_else(|| error.to_string(), str::to_string).as_str())
}

/// One line of what a server said.
fn shortened(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(stream: &str) -> Result<(ServedAnswer, Vec<String>), String> {
        let mut pieces = Vec::new();
        let mut goes_on = || Flow::Continue(());
        let heard =
            heard("u", &mut stream.as_bytes(), &mut goes_on, &mut |text| pieces.push(text.to_string()));
        heard.map(|answer| (answer, pieces)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_stream_is_heard_piece_by_piece_to_its_end() {
        let stream = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n: ping\n\n\
            data: {\"choices\":[{\"delta\":{\"content\":\"女\"}}]}\r\n\r\ndata:{\"choices\":[{\"delta\":{\"content\":\"娲.\"}}]}\n\n\
            data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\ndata: {\"choices\":[],\"usage\":{}}\n\ndata: [DONE]\n\n";
        let (answer, pieces) = told(stream).unwrap();
        assert_eq!((answer.text.as_str(), answer.finish.as_deref()), ("女娲.", Some("length")));
        assert_eq!(pieces, ["女", "娲."]);
    }

    #[test]
    fn a_stream_that_breaks_is_told_of() {
        let begun = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
        assert_eq!(
            told(begun).unwrap_err(),
            "the answer of u ended before its end: the connection was closed"
        );
        let failed = format!("{begun}data: {{\"error\":{{\"message\":\"out of memory\"}}}}\n\n");
        assert_eq!(told(&failed).unwrap_err(), "u broke the answer off: out of memory");
        assert!(
            told("data: {\"choices\":\n")
                .unwrap_err()
                .starts_with("the answer of u ended before its end: EOF")
        );
    }

    #[test]
    fn the_path_of_the_api_may_be_left_out() {
        for (given, base) in [
            ("http://localhost:8080", "http://localhost:8080/v1"),
            ("https://a.org/v1", "https://a.org/v1"),
            ("https://a.org/openai/v1/chat/completions", "https://a.org/openai/v1"),
        ] {
            assert_eq!(base_of(given), base);
        }
    }

    #[test]
    fn only_what_every_server_knows_is_sent_unless_it_was_set() {
        let usual = sampling(&SamplingSettings::default());
        assert!(!usual.contains_key("top_k") && !usual.contains_key("repetition_penalty"), "{usual:?}");
        let own = sampling(&SamplingSettings { top_k: 40, min_p: 0.1, ..SamplingSettings::default() });
        assert_eq!((own["top_k"].clone(), own["min_p"].clone()), (json!(40), json!(0.1)));
    }
}
