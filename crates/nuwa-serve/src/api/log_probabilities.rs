use nuwa_infer::{Chosen, Engine, LogProbability};
use serde_json::{Map, Value, json};

/// What is told of a token that was chosen, in a chat.
pub fn in_chat(chosen: &Chosen, engine: &Engine) -> Value {
    let told = |one: &LogProbability| {
        let bytes = bytes(one.id, engine);
        json!({"token": String::from_utf8_lossy(&bytes), "logprob": one.log_probability, "bytes": bytes})
    };
    let mut entry = told(&chosen.token);
    entry["top_logprobs"] = chosen.top.iter().map(told).collect();
    entry
}

/// What is told of the tokens of a completion, whose text begins at `offset` characters.
pub fn in_completion(all: &[Chosen], engine: &Engine, offset: usize) -> Value {
    let text = |id: u32| String::from_utf8_lossy(&bytes(id, engine)).into_owned();
    let tokens: Vec<String> = all.iter().map(|chosen| text(chosen.token.id)).collect();
    let mut at = offset;
    let offsets: Vec<usize> = tokens
        .iter()
        .map(|token| {
            let begins = at;
            at += token.chars().count();
            begins
        })
        .collect();
    let top = |chosen: &Chosen| -> Map<String, Value> {
        chosen.top.iter().map(|one| (text(one.id), json!(one.log_probability))).collect()
    };
    json!({
        "tokens": tokens,
        "token_logprobs": all.iter().map(|chosen| chosen.token.log_probability).collect::<Vec<_>>(),
        "top_logprobs": all.iter().map(top).collect::<Vec<_>>(),
        "text_offset": offsets,
    })
}

fn bytes(id: u32, engine: &Engine) -> Vec<u8> {
    engine.tokenizer().token_bytes(id).unwrap_or_default()
}
