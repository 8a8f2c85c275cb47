use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nuwa_infer::{Embedder, WholeText};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::asked::{Asked, apart};
use super::completions::Prompts;
use super::error::ApiError;
use crate::payload::{Reply, json_reply};
use crate::served::ServedModel;
use crate::worker::{EmbedJob, Job};

/// The most texts of one request, as OpenAI has it.
const MOST_TEXTS: usize = 2048;

/// What is asked of `/v1/embeddings`.
#[derive(Debug, Deserialize)]
struct EmbeddingRequest {
    #[serde(default)]
    model: Option<String>,
    input: Prompts,
    #[serde(default)]
    encoding_format: Option<Encoding>,
    #[serde(default)]
    dimensions: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Float,
    Base64,
}

/// `/v1/embeddings`: a vector of length 1 for each text.
pub async fn embeddings(mut asked: Asked) -> Reply {
    match whole(&mut asked).await {
        Ok(value) => {
            asked.record.status(200);
            json_reply(200, &value)
        }
        Err(error) => asked.refused(&error),
    }
}

async fn whole(asked: &mut Asked) -> Result<Value, ApiError> {
    let request: EmbeddingRequest = asked.read()?;
    let model = asked.model(request.model.as_deref())?;
    let embedder = embedder(&model)?;
    if let Some(dimensions) = request.dimensions.filter(|dimensions| *dimensions != embedder.width()) {
        let told = format!("{dimensions}: the vectors of this model have {} numbers and are not cut", embedder.width());
        return Err(ApiError::field("dimensions", &told));
    }
    let (of, input) = (Arc::clone(&model), request.input);
    let (said, texts) = apart(move || read(self::embedder(&of)?, &input, &of)).await?;
    asked.check_prompts(said.iter().map(String::as_str))?;
    let tokens: usize = texts.iter().map(|text| text.ids.len()).sum();
    asked.record.tokens(tokens, 0);
    asked.record.asked(|| said.join("\n"));
    let (told, vectors) = oneshot::channel();
    asked.submit(&model, Job::Embed(EmbedJob { texts, told }))?;
    let vectors = vectors.await.map_err(|_| ApiError::server("the model's thread has ended"))?;
    let vectors = vectors.map_err(|error| ApiError::of_request(&error))?;
    let encoding = request.encoding_format.unwrap_or(Encoding::Float);
    let data: Vec<Value> = vectors.iter().enumerate().map(|(index, vector)| described(index, vector, encoding)).collect();
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    Ok(json!({"object": "list", "model": model.name, "data": data, "usage": usage}))
}

fn embedder(model: &ServedModel) -> Result<&Embedder, ApiError> {
    let told = format!("the model {} makes no vectors: it reads no text as a whole", model.name);
    model.embedder.as_ref().ok_or_else(|| ApiError::invalid(&told).with_code("model_does_not_embed"))
}

/// The texts, and their ids; none of them is cut.
fn read(embedder: &Embedder, input: &Prompts, model: &ServedModel) -> Result<(Vec<String>, Vec<WholeText>), ApiError> {
    let decode = |ids: &Vec<u32>| match &model.engine {
        Some(engine) => engine.tokenizer().decode(ids).map_err(|error| ApiError::of_request(&error.into())),
        None => Err(ApiError::field("input", "expected texts: the ids of another tokenizer would say something else")),
    };
    let texts: Vec<String> = match input {
        Prompts::Text(text) => vec![text.clone()],
        Prompts::Texts(texts) => texts.clone(),
        Prompts::Ids(ids) => vec![decode(ids)?],
        Prompts::ManyIds(many) => many.iter().map(decode).collect::<Result<_, _>>()?,
    };
    if texts.is_empty() || texts.len() > MOST_TEXTS {
        return Err(ApiError::field("input", &format!("{} texts: expected 1 to {MOST_TEXTS}", texts.len())));
    }
    let mut whole = Vec::with_capacity(texts.len());
    for text in &texts {
        let text = embedder.reader().read(text, None).map_err(|error| ApiError::of_request(&error))?;
        if text.cut > 0 {
            return Err(ApiError::too_long(text.ids.len() + text.cut, embedder.reader().context(), "input"));
        }
        whole.push(text);
    }
    Ok((texts, whole))
}

fn described(index: usize, vector: &[f32], encoding: Encoding) -> Value {
    let embedding = match encoding {
        Encoding::Float => json!(vector),
        Encoding::Base64 => {
            let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
            json!(STANDARD.encode(bytes))
        }
    };
    json!({"object": "embedding", "index": index, "embedding": embedding})
}
