use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::asked::{Asked, unknown_model};
use crate::payload::{Payload, Reply, json_reply, text_reply};
use crate::served::ServedModel;
use crate::worker::Worker;

/// `/health`: whether all models take requests.
pub fn health(mut asked: Asked) -> Reply {
    let is_alive = asked.app.workers.values().all(Worker::is_alive);
    let (status, told) = match is_alive {
        true => (200, json!({"status": "ok"})),
        false => (503, json!({"error": {"code": 503, "message": "a model takes no requests", "type": "unavailable_error"}})),
    };
    asked.record.status(status);
    json_reply(status, &told)
}

/// `/metrics`: figures for Prometheus.
pub fn metrics(mut asked: Asked) -> Reply {
    let waiting: BTreeMap<String, usize> =
        asked.app.workers.iter().map(|(name, worker)| (name.clone(), worker.waiting())).collect();
    let text = asked.app.metrics.text(&waiting);
    asked.record.status(200);
    text_reply(200, "text/plain; version=0.0.4", Payload::Whole(Some(text.into())))
}

/// `/v1/models`.
pub fn models(mut asked: Asked) -> Reply {
    // The one that is meant where none is named comes first.
    let usual = &asked.app.usual;
    let others = asked.app.models.iter().filter(|(name, _)| *name != usual).map(|(_, model)| model);
    let all: Vec<Value> = asked.app.models.get(usual).into_iter().chain(others).map(|model| described(model)).collect();
    asked.record.status(200);
    json_reply(200, &json!({"object": "list", "data": all}))
}

/// `/v1/models/NAME`.
pub fn model(mut asked: Asked, name: &str) -> Reply {
    match asked.app.models.get(name) {
        Some(model) => {
            asked.record.status(200);
            json_reply(200, &described(model))
        }
        None => {
            let error = unknown_model(&asked.app, name);
            asked.refused(&error)
        }
    }
}

fn described(model: &ServedModel) -> Value {
    let chats = model.engine.as_ref().is_some_and(|engine| engine.tokenizer().chat_template().is_some());
    json!({
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "nuwa",
        "context_length": model.context(),
        "capabilities": {"chat": chats, "completion": model.engine.is_some(), "embeddings": model.embedder.is_some()},
    })
}
