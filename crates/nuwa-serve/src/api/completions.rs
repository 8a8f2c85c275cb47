use std::sync::Arc;

use nuwa_infer::{Engine, Prompt, Request};
use serde::Deserialize;
use serde_json::{Value, json};

use super::asked::{Asked, apart, engine};
use super::chat::FINGERPRINT;
use super::error::ApiError;
use super::listening::{Heard, Listening, Texts, Usage, WholeAnswer};
use super::log_probabilities;
use super::sampling::{MOST_CHOICES, Sampling};
use super::stream::{Shape, Streamed, now, random_id, streamed};
use crate::payload::{Reply, json_reply};
use crate::served::ServedModel;
use crate::settings::ServeSettings;

/// How many tokens are written where a request does not say, as the interface has it.
const USUAL_TOKENS: usize = 16;
const MOST_TOP: usize = 5;
/// The most prompts of one request, each of which may have several texts.
const MOST_PROMPTS: usize = 64;

/// What is asked of `/v1/completions`.
#[derive(Debug, Deserialize)]
struct CompletionRequest {
    #[serde(default)]
    model: Option<String>,
    prompt: Prompts,
    #[serde(skip)]
    sampling: Sampling,
    #[serde(default)]
    max_tokens: Option<usize>,
    #[serde(default)]
    logprobs: Option<usize>,
    #[serde(default)]
    echo: Option<bool>,
    #[serde(default)]
    best_of: Option<usize>,
    #[serde(default)]
    suffix: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string, a list of strings, a list of ids, or a list of lists of ids")]
pub enum Prompts {
    Text(String),
    Ids(Vec<u32>),
    Texts(Vec<String>),
    ManyIds(Vec<Vec<u32>>),
}

/// A prompt that can be continued.
#[derive(Debug, Clone)]
struct Begun {
    text: String,
    requests: Vec<Request>,
}

/// `/v1/completions`.
pub async fn completions(mut asked: Asked) -> Reply {
    match begin(&mut asked).await {
        Ok((request, model, begun)) => answer(asked, request, model, begun).await,
        Err(error) => asked.refused(&error),
    }
}

async fn begin(asked: &mut Asked) -> Result<(Arc<CompletionRequest>, Arc<ServedModel>, Vec<Begun>), ApiError> {
    // The two are read apart, so that an error names its field.
    let request = Arc::new(CompletionRequest { sampling: asked.read()?, ..asked.read()? });
    request.check(asked)?;
    let model = asked.model(request.model.as_deref())?;
    engine(&model)?;
    let (own, of, app) = (Arc::clone(&request), Arc::clone(&model), Arc::clone(&asked.app));
    let begun = apart(move || own.begun(engine(&of)?, &app.settings)).await?;
    asked.check_prompts(begun.iter().map(|begun| begun.text.as_str()))?;
    asked.record.asked(|| begun.iter().map(|begun| begun.text.clone()).collect::<Vec<_>>().join("\n"));
    Ok((request, model, begun))
}

impl CompletionRequest {
    fn check(&self, asked: &Asked) -> Result<(), ApiError> {
        if self.suffix.as_deref().is_some_and(|suffix| !suffix.is_empty()) {
            return Err(ApiError::field("suffix", "the models here continue a text and do not fill one in"));
        }
        if self.logprobs.is_some_and(|top| top > MOST_TOP) {
            return Err(ApiError::field("logprobs", &format!("expected 0 to {MOST_TOP}")));
        }
        if self.logprobs.is_some() && asked.app.settings.guard.is_some() {
            return Err(ApiError::field("logprobs", "not told here: tokens would show what the server's guard holds back"));
        }
        if self.logprobs.is_some() && self.echoes() {
            return Err(ApiError::field("echo", "the tokens of a prompt are not rated here; leave out echo or logprobs"));
        }
        if self.best_of() > self.sampling.choices()? && self.sampling.is_streamed() {
            return Err(ApiError::field("best_of", "the best can be told only at the end; leave out stream"));
        }
        if !(self.sampling.choices()?..=MOST_CHOICES).contains(&self.best_of()) {
            return Err(ApiError::field("best_of", &format!("expected n to {MOST_CHOICES}")));
        }
        Ok(())
    }

    fn echoes(&self) -> bool {
        self.echo.unwrap_or(false)
    }

    fn best_of(&self) -> usize {
        self.best_of.or(self.sampling.choices().ok()).unwrap_or(1)
    }

    fn begun(&self, engine: &Engine, server: &ServeSettings) -> Result<Vec<Begun>, ApiError> {
        let failed = |error: nuwa_infer::Error| ApiError::of_request(&error);
        type Read = Result<(String, Vec<u32>), ApiError>;
        let of_text = |text: &String| -> Read { Ok((text.clone(), engine.prompt_ids(text).map_err(failed)?)) };
        let of_ids = |ids: &Vec<u32>| -> Read {
            let text = engine.tokenizer().decode(ids).map_err(|error| failed(error.into()))?;
            Ok((text, ids.clone()))
        };
        let prompts: Vec<(String, Vec<u32>)> = match &self.prompt {
            Prompts::Text(text) => vec![of_text(text)?],
            Prompts::Ids(ids) => vec![of_ids(ids)?],
            Prompts::Texts(texts) => texts.iter().map(of_text).collect::<Result<_, _>>()?,
            Prompts::ManyIds(many) => many.iter().map(of_ids).collect::<Result<_, _>>()?,
        };
        if prompts.len() > MOST_PROMPTS || prompts.is_empty() {
            return Err(ApiError::field("prompt", &format!("{} prompts: expected 1 to {MOST_PROMPTS}", prompts.len())));
        }
        prompts.into_iter().map(|(text, ids)| self.request(text, ids, engine, server)).collect()
    }

    fn request(&self, text: String, ids: Vec<u32>, engine: &Engine, server: &ServeSettings) -> Result<Begun, ApiError> {
        let context = engine.model().context();
        if ids.is_empty() {
            return Err(ApiError::field("prompt", "a prompt without ids"));
        }
        if ids.len() >= context {
            return Err(ApiError::too_long(ids.len(), context, "prompt"));
        }
        // With an echo nothing but the prompt may be wanted.
        let most = Some(self.max_tokens.unwrap_or(USUAL_TOKENS));
        let is_echo_alone = self.echoes() && most == Some(0);
        let asked = if is_echo_alone { Some(1) } else { most };
        let mut settings = self.sampling.settings(server, asked, context - ids.len())?;
        if is_echo_alone {
            settings.max_tokens = 0;
        }
        let request = Request {
            top_log_probabilities: self.logprobs.unwrap_or(0),
            bias: self.sampling.bias(engine)?,
            within_context: true,
            ..Request::new(Prompt::of(ids), &settings, &engine.ends_of_text())
        };
        Ok(Begun { text, requests: request.candidates(self.best_of()) })
    }
}

async fn answer(mut asked: Asked, request: Arc<CompletionRequest>, model: Arc<ServedModel>, begun: Vec<Begun>) -> Reply {
    let frame = Frame { id: format!("cmpl-{}", random_id()), created: now(), model, tells: request.logprobs.is_some() };
    if request.sampling.is_streamed() {
        let [begun] = begun.as_slice() else {
            return asked.refused(&ApiError::field("prompt", "a stream continues one prompt; send one request for each"));
        };
        let listening = match Listening::begin(&asked, &frame.model, begun.requests.clone()) {
            Ok(listening) => listening,
            Err(error) => return asked.refused(&error),
        };
        let (count, ends) = (begun.requests.len(), ends(begun));
        let tells_usage = request.sampling.tells_usage();
        let echo = request.echoes().then(|| begun.text.clone());
        let shape = CompletionShape { frame, echo, offsets: vec![0; count], has_usage: tells_usage };
        return streamed(asked, Streamed { listening, count, ends, trims: false, tells_usage, shape }).await;
    }
    match whole(&mut asked, &request, &frame, &begun).await {
        Ok(value) => {
            asked.record.status(200);
            json_reply(200, &value)
        }
        Err(error) => asked.refused(&error),
    }
}

fn ends(begun: &Begun) -> Vec<u32> {
    begun.requests.first().map_or_else(Vec::new, |request| request.ends.clone())
}

async fn whole(asked: &mut Asked, request: &CompletionRequest, frame: &Frame, begun: &[Begun]) -> Result<Value, ApiError> {
    let app = Arc::clone(&asked.app);
    // All prompts are handed over before the first is heard, so that they are written together.
    let listening: Vec<Listening> =
        begun.iter().map(|begun| Listening::begin(asked, &frame.model, begun.requests.clone())).collect::<Result<_, _>>()?;
    let (mut choices, mut usage) = (Vec::new(), Usage::default());
    for (begun, listening) in begun.iter().zip(listening) {
        let mut texts = Texts::new(&app, listening, begun.requests.len(), ends(begun), false);
        let mut answers = texts.whole().await?;
        let own = texts.usage();
        usage = Usage { prompt: usage.prompt + own.prompt, reused: usage.reused + own.reused, written: usage.written + own.written };
        asked.record.tokens(usage.prompt, usage.written);
        // Where nothing is chosen among, they stay in the order of their seeds.
        if request.best_of() > request.sampling.choices()? {
            answers.sort_by(|a, b| likelihood(b).total_cmp(&likelihood(a)));
        }
        for answer in answers.into_iter().take(request.sampling.choices()?) {
            asked.record.answered(&answer.text);
            let echo = if request.echoes() { begun.text.as_str() } else { "" };
            choices.push(frame.choice(choices.len(), echo, &answer));
        }
    }
    Ok(frame.around(choices, Some(usage)))
}

/// The mean logarithm of the probabilities of a text's tokens.
fn likelihood(answer: &WholeAnswer) -> f64 {
    let sum: f64 = answer.chosen.iter().map(|chosen| f64::from(chosen.token.log_probability)).sum();
    sum / answer.chosen.len().max(1) as f64
}

/// What all pieces of an answer have in common.
struct Frame {
    id: String,
    created: u64,
    model: Arc<ServedModel>,
    tells: bool,
}

impl Frame {
    fn around(&self, choices: Vec<Value>, usage: Option<Usage>) -> Value {
        json!({
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model.name,
            "system_fingerprint": FINGERPRINT,
            "choices": choices,
            "usage": usage.map(Usage::value),
        })
    }

    fn choice(&self, index: usize, echo: &str, answer: &WholeAnswer) -> Value {
        let told = match &self.model.engine {
            Some(engine) if self.tells => log_probabilities::in_completion(&answer.chosen, engine, echo.chars().count()),
            _ => Value::Null,
        };
        let text = format!("{echo}{}", answer.text);
        json!({"index": index, "text": text, "logprobs": told, "finish_reason": answer.finish})
    }
}

/// The pieces of a completion.
struct CompletionShape {
    frame: Frame,
    echo: Option<String>,
    /// Characters of each text so far.
    offsets: Vec<usize>,
    has_usage: bool,
}

impl CompletionShape {
    fn piece(&self, choice: usize, text: &str, told: Value, finish: Option<&str>) -> Value {
        self.around(vec![json!({"index": choice, "text": text, "logprobs": told, "finish_reason": finish})], None)
    }

    fn around(&self, choices: Vec<Value>, usage: Option<Usage>) -> Value {
        let mut piece = self.frame.around(choices, usage);
        if let Some(members) = piece.as_object_mut().filter(|_| !self.has_usage) {
            members.remove("usage");
        }
        piece
    }
}

impl Shape for CompletionShape {
    fn begin(&mut self, choice: usize) -> Option<Value> {
        let echo = self.echo.clone()?;
        self.offsets[choice] = echo.chars().count();
        Some(self.piece(choice, &echo, Value::Null, None))
    }

    fn heard(&mut self, heard: &Heard) -> Vec<Value> {
        let offset = self.offsets.get(heard.choice).copied().unwrap_or_default();
        let told = match &self.frame.model.engine {
            Some(engine) if self.frame.tells && !heard.chosen.is_empty() => {
                log_probabilities::in_completion(&heard.chosen, engine, offset)
            }
            _ => Value::Null,
        };
        if let Some(offset) = self.offsets.get_mut(heard.choice) {
            *offset += heard.text.chars().count();
        }
        match heard.text.is_empty() && told.is_null() && heard.finish.is_none() {
            true => Vec::new(),
            false => vec![self.piece(heard.choice, &heard.text, told, heard.finish)],
        }
    }

    fn usage(&self, usage: Usage) -> Value {
        self.around(Vec::new(), Some(usage))
    }
}
