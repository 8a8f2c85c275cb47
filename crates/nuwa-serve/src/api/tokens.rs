use std::sync::Arc;

use nuwa_tokenizer::Tokenizer;
use serde::Deserialize;
use serde_json::{Value, json};

use super::asked::{Asked, apart, engine};
use super::error::ApiError;
use crate::payload::{Reply, json_reply};

/// What is asked of `/tokenize`, as llama.cpp has it.
#[derive(Debug, Deserialize)]
struct TokenizeRequest {
    #[serde(default)]
    model: Option<String>,
    content: String,
    /// Whether the token comes first that the model expects before a text.
    #[serde(default)]
    add_special: bool,
    /// Whether the names of special tokens stand for them.
    #[serde(default)]
    parse_special: bool,
    #[serde(default)]
    with_pieces: bool,
}

/// What is asked of `/detokenize`.
#[derive(Debug, Deserialize)]
struct DetokenizeRequest {
    #[serde(default)]
    model: Option<String>,
    tokens: Vec<u32>,
}

/// `/tokenize`: the ids of a text.
pub async fn tokenize(mut asked: Asked) -> Reply {
    let done = tokenized(&mut asked).await;
    reply(asked, done)
}

/// `/detokenize`: the text of ids.
pub async fn detokenize(mut asked: Asked) -> Reply {
    let done = detokenized(&mut asked).await;
    reply(asked, done)
}

fn reply(mut asked: Asked, done: Result<Value, ApiError>) -> Reply {
    match done {
        Ok(value) => {
            asked.record.status(200);
            json_reply(200, &value)
        }
        Err(error) => asked.refused(&error),
    }
}

async fn tokenized(asked: &mut Asked) -> Result<Value, ApiError> {
    let request: TokenizeRequest = asked.read()?;
    let model = asked.model(request.model.as_deref())?;
    engine(&model)?;
    apart(move || {
        let engine = engine(&model)?;
        let tokenizer = engine.tokenizer();
        let encoded = match request.parse_special {
            true => tokenizer.encode_with_special_tokens(&request.content),
            false => tokenizer.encode(&request.content),
        };
        let text = encoded.map_err(|error| ApiError::of_request(&error.into()))?;
        let first = tokenizer.bos().filter(|_| request.add_special && tokenizer.adds_bos());
        let ids: Vec<u32> = first.into_iter().chain(text).collect();
        Ok(match request.with_pieces {
            true => json!({"tokens": ids.iter().map(|id| piece(*id, tokenizer)).collect::<Vec<_>>()}),
            false => json!({"tokens": ids}),
        })
    })
    .await
}

/// A token with its text, or its bytes where they are none.
fn piece(id: u32, tokenizer: &Tokenizer) -> Value {
    let bytes = tokenizer.token_bytes(id).unwrap_or_default();
    match String::from_utf8(bytes) {
        Ok(text) => json!({"id": id, "piece": text}),
        Err(error) => json!({"id": id, "piece": error.into_bytes()}),
    }
}

async fn detokenized(asked: &mut Asked) -> Result<Value, ApiError> {
    let request: DetokenizeRequest = asked.read()?;
    let model = asked.model(request.model.as_deref())?;
    engine(&model)?;
    let of = Arc::clone(&model);
    apart(move || {
        let text = engine(&of)?.tokenizer().decode(&request.tokens);
        let text = text.map_err(|error| ApiError::field("tokens", &error.to_string()))?;
        Ok(json!({"content": text}))
    })
    .await
}
