use std::sync::Arc;

use nuwa_infer::{Chosen, Engine, GenerateSettings, JsonSchema, OrderedJson, Prompt, Request};
use nuwa_tokenizer::Message;
use serde::Deserialize;
use serde_json::{Value, json};

use super::asked::{Asked, apart, engine};
use super::error::ApiError;
use super::listening::{Heard, Listening, Texts, Usage, WholeAnswer};
use super::log_probabilities;
use super::messages::{SentMessage, messages};
use super::sampling::Sampling;
use super::stream::{Shape, Streamed, now, random_id, streamed};
use super::tools::{Calls, Tools};
use crate::payload::{Reply, json_reply};
use crate::served::ServedModel;

/// The most of the likeliest tokens that are told.
const MOST_TOP: usize = 20;

/// What is asked of `/v1/chat/completions`. Fields that say nothing of the answer are not read.
#[derive(Debug, Deserialize)]
struct ChatRequest {
    #[serde(default)]
    model: Option<String>,
    messages: Vec<SentMessage>,
    #[serde(skip)]
    sampling: Sampling,
    #[serde(default)]
    max_tokens: Option<usize>,
    #[serde(default)]
    max_completion_tokens: Option<usize>,
    #[serde(default)]
    logprobs: Option<bool>,
    #[serde(default)]
    top_logprobs: Option<usize>,
    #[serde(default)]
    response_format: Option<OrderedJson>,
    #[serde(default)]
    tools: Option<Vec<OrderedJson>>,
    #[serde(default)]
    tool_choice: Option<OrderedJson>,
    #[serde(default)]
    functions: Option<OrderedJson>,
    #[serde(default)]
    audio: Option<OrderedJson>,
    #[serde(default)]
    web_search_options: Option<OrderedJson>,
}

/// A chat that can be written.
struct Ready {
    requests: Vec<Request>,
    tools: Option<Tools>,
}

/// `/v1/chat/completions`.
pub async fn chat(mut asked: Asked) -> Reply {
    match begin(&mut asked).await {
        Ok((request, model, ready, listening)) => answer(asked, request, model, ready, listening).await,
        Err(error) => asked.refused(&error),
    }
}

async fn begin(asked: &mut Asked) -> Result<(Arc<ChatRequest>, Arc<ServedModel>, Ready, Listening), ApiError> {
    // The two are read apart, so that an error names its field.
    let request = Arc::new(ChatRequest { sampling: asked.read()?, ..asked.read()? });
    request.check(asked)?;
    let model = asked.model(request.model.as_deref())?;
    engine(&model)?;
    let said = messages(&request.messages)?;
    asked.check_prompts(said.iter().filter(|own| own.role != "assistant").map(|own| own.content.as_str()))?;
    asked.record.asked(|| said.iter().map(|own| format!("{}: {}", own.role, own.content)).collect::<Vec<_>>().join("\n"));
    let (own, of, app) = (Arc::clone(&request), Arc::clone(&model), Arc::clone(&asked.app));
    let ready = apart(move || own.ready(engine(&of)?, &said, &app.settings)).await?;
    let listening = Listening::begin(asked, &model, ready.requests.clone())?;
    Ok((request, model, ready, listening))
}

impl ChatRequest {
    /// Refuses what is known and cannot be done.
    fn check(&self, asked: &Asked) -> Result<(), ApiError> {
        let absent = [
            ("functions", self.functions.is_some(), "send tools in their place"),
            ("audio", self.audio.is_some(), "the model writes text only"),
            ("web_search_options", self.web_search_options.is_some(), "this server searches nothing"),
        ];
        if let Some((name, _, told)) = absent.into_iter().find(|(_, is_there, _)| *is_there) {
            return Err(ApiError::field(name, told));
        }
        let top = self.top_logprobs.unwrap_or(0);
        if top > MOST_TOP {
            return Err(ApiError::field("top_logprobs", &format!("{top}: expected 0 to {MOST_TOP}")));
        }
        if top > 0 && !self.wants_log_probabilities() {
            return Err(ApiError::field("top_logprobs", "needs \"logprobs\": true"));
        }
        if self.wants_log_probabilities() && asked.app.settings.guard.is_some() {
            return Err(ApiError::field("logprobs", "not told here: tokens would show what the server's guard holds back"));
        }
        Ok(())
    }

    fn wants_log_probabilities(&self) -> bool {
        self.logprobs.unwrap_or(false)
    }

    fn ready(
        &self,
        engine: &Engine,
        said: &[Message],
        server: &crate::settings::ServeSettings,
    ) -> Result<Ready, ApiError> {
        let tools = Tools::read(self.tools.as_deref(), self.tool_choice.as_ref(), engine)?;
        let schema = schema(self.response_format.as_ref())?;
        if schema.is_some() && tools.is_some() {
            return Err(ApiError::field("response_format", "an answer that is held to a schema calls no tools; set \"tool_choice\": \"none\""));
        }
        let tokenizer = engine.tokenizer();
        let failed = |error: nuwa_tokenizer::Error| ApiError::of_request(&error.into());
        let written = tokenizer.chat(said, tools.as_ref().map(|tools| &tools.list), true).map_err(failed)?;
        let mut ids = tokenizer.encode_chat(&written).map_err(failed)?;
        if let Some(opening) = tools.as_ref().and_then(Tools::opening) {
            ids.extend(tokenizer.encode_with_special_tokens(opening).map_err(failed)?);
        }
        let context = engine.model().context();
        if ids.len() >= context {
            return Err(ApiError::too_long(ids.len(), context, "messages"));
        }
        let most = self.max_completion_tokens.or(self.max_tokens);
        let settings: GenerateSettings = self.sampling.settings(server, most, context - ids.len())?;
        let ends: Vec<u32> = tokenizer.end_of_turn().into_iter().chain(tokenizer.eos()).collect();
        let request = Request {
            top_log_probabilities: self.top_logprobs.unwrap_or(0),
            bias: self.sampling.bias(engine)?,
            schema: tools.as_ref().and_then(|tools| tools.schema.clone()).or(schema),
            within_context: true,
            ..Request::new(Prompt::of(ids), &settings, &ends)
        };
        Ok(Ready { requests: request.candidates(self.sampling.choices()?), tools })
    }
}

/// What an answer is held to.
fn schema(format: Option<&OrderedJson>) -> Result<Option<Arc<JsonSchema>>, ApiError> {
    let Some(format) = format.filter(|format| **format != OrderedJson::Null) else { return Ok(None) };
    let compiled = |schema: &OrderedJson| {
        let compiled = JsonSchema::of(schema).map_err(|error| ApiError::of_request(&error))?;
        Ok(Some(Arc::new(compiled)))
    };
    let kind = format.get("type").and_then(OrderedJson::as_str);
    match kind {
        Some("text") => Ok(None),
        // The schema beside it is llama.cpp's form.
        Some("json_object") => match format.get("schema") {
            Some(schema) => compiled(schema),
            None => Ok(Some(Arc::new(JsonSchema::object()))),
        },
        Some("json_schema") => match format.get("json_schema").and_then(|own| own.get("schema")).or_else(|| format.get("schema")) {
            Some(schema) => compiled(schema),
            None => Err(ApiError::field("response_format.json_schema.schema", "missing")),
        },
        _ => Err(ApiError::field("response_format.type", "expected text, json_object or json_schema")),
    }
}

async fn answer(mut asked: Asked, request: Arc<ChatRequest>, model: Arc<ServedModel>, ready: Ready, listening: Listening) -> Reply {
    let count = ready.requests.len();
    let ends = ready.requests.first().map_or_else(Vec::new, |request| request.ends.clone());
    let calls = || ready.tools.as_ref().map(Tools::calls);
    let frame = Frame { id: format!("chatcmpl-{}", random_id()), created: now(), model };
    let tells = request.wants_log_probabilities();
    if request.sampling.is_streamed() {
        let shape = ChatShape { frame, tells, calls: (0..count).map(|_| calls()).collect(), has_usage: request.sampling.tells_usage() };
        let tells_usage = request.sampling.tells_usage();
        return streamed(asked, Streamed { listening, count, ends, trims: true, tells_usage, shape }).await;
    }
    let app = Arc::clone(&asked.app);
    let mut texts = Texts::new(&app, listening, count, ends, true);
    let whole = texts.whole().await;
    let usage = texts.usage();
    asked.record.tokens(usage.prompt, usage.written);
    let answers = match whole {
        Ok(answers) => answers,
        Err(error) => return asked.refused(&error),
    };
    answers.iter().for_each(|answer| asked.record.answered(&answer.text));
    let choices: Vec<Value> =
        answers.into_iter().enumerate().map(|(index, answer)| frame.choice(index, answer, calls(), tells)).collect();
    asked.record.status(200);
    json_reply(200, &frame.around("chat.completion", choices, Some(usage)))
}

/// What all pieces of an answer have in common.
struct Frame {
    id: String,
    created: u64,
    model: Arc<ServedModel>,
}

impl Frame {
    fn around(&self, object: &str, choices: Vec<Value>, usage: Option<Usage>) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model.name,
            "system_fingerprint": FINGERPRINT,
            "choices": choices,
            "usage": usage.map(Usage::value),
        })
    }

    fn choice(&self, index: usize, answer: WholeAnswer, calls: Option<Calls>, tells: bool) -> Value {
        let (content, found) = match calls {
            None => (answer.text, Vec::new()),
            Some(mut calls) => {
                let shown = calls.push(&answer.text);
                let (rest, found) = calls.finish();
                (shown + &rest, found)
            }
        };
        let mut message = json!({"role": "assistant", "content": content, "refusal": null});
        let mut finish = answer.finish;
        if !found.is_empty() {
            let called = found.iter().enumerate().map(|(index, call)| {
                let mut call = call.value(index);
                if let Some(members) = call.as_object_mut() {
                    members.remove("index");
                }
                call
            });
            message["tool_calls"] = called.collect();
            if content.trim().is_empty() {
                message["content"] = Value::Null;
            }
            finish = if finish == "stop" { "tool_calls" } else { finish };
        }
        let told = self.told(&answer.chosen, tells);
        json!({"index": index, "message": message, "logprobs": told, "finish_reason": finish})
    }

    fn told(&self, chosen: &[Chosen], tells: bool) -> Value {
        match &self.model.engine {
            Some(engine) if tells => {
                let content: Vec<Value> = chosen.iter().map(|chosen| log_probabilities::in_chat(chosen, engine)).collect();
                json!({"content": content, "refusal": null})
            }
            _ => Value::Null,
        }
    }
}

/// Answers change with the program's version, not with that of a service.
pub const FINGERPRINT: &str = concat!("nuwa-", env!("CARGO_PKG_VERSION"));

impl Usage {
    pub fn value(self) -> Value {
        json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.written,
            "total_tokens": self.prompt + self.written,
            "prompt_tokens_details": {"cached_tokens": self.reused},
        })
    }
}

/// The pieces of a chat.
struct ChatShape {
    frame: Frame,
    tells: bool,
    calls: Vec<Option<Calls>>,
    has_usage: bool,
}

impl ChatShape {
    fn piece(&self, choice: usize, delta: Value, told: Value, finish: Option<&str>) -> Value {
        let choice = json!({"index": choice, "delta": delta, "logprobs": told, "finish_reason": finish});
        self.around(vec![choice], None)
    }

    fn around(&self, choices: Vec<Value>, usage: Option<Usage>) -> Value {
        let mut piece = self.frame.around("chat.completion.chunk", choices, usage);
        if let Some(members) = piece.as_object_mut().filter(|_| !self.has_usage) {
            members.remove("usage");
        }
        piece
    }
}

impl Shape for ChatShape {
    fn begin(&mut self, choice: usize) -> Option<Value> {
        Some(self.piece(choice, json!({"role": "assistant", "content": "", "refusal": null}), Value::Null, None))
    }

    fn heard(&mut self, heard: &Heard) -> Vec<Value> {
        let (mut text, mut found) = (heard.text.clone(), Vec::new());
        if let Some(calls) = self.calls.get_mut(heard.choice).and_then(Option::as_mut) {
            text = calls.push(&text);
            if heard.finish.is_some() {
                let (rest, last) = calls.finish();
                text += &rest;
                found = last;
            }
        }
        let told = self.frame.told(&heard.chosen, self.tells && !heard.chosen.is_empty());
        let mut pieces = Vec::new();
        if !text.is_empty() || !told.is_null() {
            pieces.push(self.piece(heard.choice, json!({"content": text}), told, None));
        }
        let has_called = !found.is_empty();
        for (index, call) in found.iter().enumerate() {
            pieces.push(self.piece(heard.choice, json!({"tool_calls": [call.value(index)]}), Value::Null, None));
        }
        if let Some(finish) = heard.finish {
            let finish = if has_called && finish == "stop" { "tool_calls" } else { finish };
            pieces.push(self.piece(heard.choice, json!({}), Value::Null, Some(finish)));
        }
        pieces
    }

    fn usage(&self, usage: Usage) -> Value {
        self.around(Vec::new(), Some(usage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_cannot_be_held_to_is_refused() {
        let of = |format: &str| schema(Some(&serde_json::from_str(format).unwrap()));
        assert!(of(r#"{"type": "text"}"#).unwrap().is_none());
        assert!(of("null").unwrap().is_none());
        assert!(of(r#"{"type": "json_object"}"#).unwrap().is_some());
        assert!(of(r#"{"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "string"}}}"#).unwrap().is_some());
        for wrong in [
            r#"{"type": "json_schema", "json_schema": {"name": "a", "schema": {"not": {}}}}"#,
            r#"{"type": "json_schema"}"#,
            r#"{"type": "xml"}"#,
            "{}",
        ] {
            assert_eq!(of(wrong).unwrap_err().status, 400, "{wrong}");
        }
    }
}
