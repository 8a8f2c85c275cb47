use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use nuwa_guard::Side;
use nuwa_infer::Engine;
use serde::de::DeserializeOwned;
use tokio::task::spawn_blocking;

use super::error::ApiError;
use crate::app::App;
use crate::event::Event;
use crate::payload::Reply;
use crate::record::Record;
use crate::served::ServedModel;
use crate::worker::{Client, Job, Worker};

/// A request that was let in, with its body.
pub struct Asked {
    pub app: Arc<App>,
    pub client: Client,
    pub body: Bytes,
    pub record: Record,
}

impl Asked {
    /// What the body says.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let text = std::str::from_utf8(&self.body)
            .map_err(|error| ApiError::invalid(&format!("the body is not UTF-8, from byte {} on", error.valid_up_to())))?;
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = serde_path_to_error::deserialize(&mut reader);
        let read = read.map_err(|error| {
            let (path, told) = (error.path().to_string(), error.inner().to_string());
            match error.inner().is_data() && path != "." {
                true => ApiError::field(&path, &told),
                false => ApiError::invalid(&format!("the body is no JSON as expected: {told}")),
            }
        })?;
        reader.end().map_err(|error| ApiError::invalid(&format!("the body is no JSON: {error}")))?;
        Ok(read)
    }

    /// The model of a name, or the usual one.
    pub fn model(&mut self, name: Option<&str>) -> Result<Arc<ServedModel>, ApiError> {
        let name = name.filter(|name| !name.is_empty()).unwrap_or(&self.app.usual);
        match self.app.models.get(name) {
            Some(model) => {
                self.record.model(&model.name);
                Ok(Arc::clone(model))
            }
            None => Err(unknown_model(&self.app, name)),
        }
    }

    /// Hands a job to the thread of a model.
    pub fn submit(&self, model: &ServedModel, job: Job) -> Result<(), ApiError> {
        let worker: Option<&Worker> = self.app.workers.get(&model.name);
        let worker = worker.ok_or_else(|| unknown_model(&self.app, &model.name))?;
        worker.submit(self.client, job).map_err(|refusal| {
            self.app.metrics.of(&model.name, |own| own.refused += 1);
            ApiError::from(refusal)
        })
    }

    /// When the request has to be done.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.app.settings.request_time
    }

    /// An error where the guard does not let one of these texts be asked.
    pub fn check_prompts<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Result<(), ApiError> {
        let Some(guard) = &self.app.settings.guard else { return Ok(()) };
        let blocked = texts.into_iter().find_map(|text| guard.check(text, Side::Prompt));
        let Some(blocked) = blocked else { return Ok(()) };
        let told = format!("{} ({})", blocked.message, blocked.category);
        (self.app.observer)(Event::Blocked(blocked));
        Err(ApiError::invalid(&told).with_code("content_filter"))
    }

    /// The answer to a request that came to nothing.
    pub fn refused(mut self, error: &ApiError) -> Reply {
        self.record.status(error.status);
        error.reply()
    }
}

pub fn unknown_model(app: &App, name: &str) -> ApiError {
    let known: Vec<&str> = app.models.keys().map(String::as_str).collect();
    let name: String = name.chars().take(100).collect();
    let told = format!("there is no model {name}; known are {}", known.join(", "));
    ApiError::new(404, "invalid_request_error", &told).with_code("model_not_found")
}

/// The engine of a model that writes.
pub fn engine(model: &ServedModel) -> Result<&Engine, ApiError> {
    let told = format!("the model {} writes no text: it is an encoder; it makes vectors at /v1/embeddings", model.name);
    model.engine.as_ref().ok_or_else(|| ApiError::invalid(&told).with_code("model_does_not_write"))
}

/// Does what takes a while on a thread that may: a template, a tokenizer, a schema.
pub async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, ApiError> + Send + 'static) -> Result<T, ApiError> {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(ApiError::server("the request could not be read: this is a fault of the program")),
    }
}
