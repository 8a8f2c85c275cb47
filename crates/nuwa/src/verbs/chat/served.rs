//! What an API of OpenAI's kind answers: its models, and an answer as it is written.

use std::io::Read;
use std::path::Path;

use nuwa_infer::{Conversation, Flow, GenerateSettings, SamplingSettings};
use nuwa_tokenizer::Message;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::stream::{LONGEST_EVENT, ServedAnswer, heard, said_in, shortened};
use crate::failure::Problem;
use crate::http::{Http, checked_address};
use crate::input;

/// A server that answers.
pub struct Served {
    http: Http,
    base: String,
    key: Option<String>,
    pub model: String,
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
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

#[cfg(test)]
mod tests {
    use super::*;

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
