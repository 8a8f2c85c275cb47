//! Imports a model and writes the scores it gives for some ids, for transformers to be held against:
//!
//! ```text
//! cargo run -p nuwa-format --example export_with_logits -- MODEL OUT LOGITS.json
//! python fixtures/models/read_exported.py OUT --logits LOGITS.json          (a model that writes, or answers)
//! python fixtures/models/read_encoder.py compare MODEL OUT LOGITS.json       (an encoder)
//! ```

use std::error::Error;
use std::path::Path;

use nuwa_models::{Context, Input, Prediction, Text};
use nuwa_tensor::{Tape, Tensor};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, out, logits] = &arguments[..] else { return Err("expected MODEL OUT LOGITS.json".into()) };
    let imported = nuwa_format::import(Path::new(model), Path::new(out))?;
    let model = nuwa_format::load_model(Path::new(out))?;
    let length = model.context().min(48);
    let ids: Vec<u32> = (0..length).map(|i| ((i * 37 + 11) % model.vocabulary()) as u32).collect();
    let tape = Tape::inference();
    let context = Context::new(&tape);
    let mut answer = Vec::new();
    let rows = match model.config().predicts() {
        Prediction::NextToken => model.hidden(&context, Input::Text(&Text::causal(ids.clone(), 1)))?,
        Prediction::MaskedTokens | Prediction::AnyOrder | Prediction::Nothing => {
            model.hidden(&context, Input::Text(&Text::bidirectional(ids.clone(), 1)))?
        }
        Prediction::Answer => {
            let memory = model.encode(&context, &Text::bidirectional(ids.clone(), 1))?;
            answer.extend(model.config().decoder_start());
            answer.extend(ids.iter().rev().skip(1));
            model
                .hidden(&context, Input::Answer { text: &Text::causal(answer.clone(), 1), memory: &memory })?
        }
    };
    let logits_of = model.head().logits(&tape, &rows.hidden)?;
    let mut json =
        serde_json::json!({"ids": [ids], "logits": [listed(&logits_of)], "hidden": [listed(&rows.hidden)]});
    if !answer.is_empty() {
        json["answer"] = serde_json::json!([answer]);
    }
    if let (Some(head), Some(pooled)) = (model.class_head(), &rows.pooled) {
        json["class_logits"] = serde_json::json!(listed(&head.logits(&tape, pooled)?));
    }
    nuwa_files::write_json(Path::new(logits), &json)?;
    println!("{} weights, tokenizer: {:?}", imported.parameters, imported.tokenizer);
    Ok(())
}

fn listed(rows: &Tensor) -> Vec<Vec<f32>> {
    (0..rows.rows()).map(|row| rows.row_to_host(row)).collect()
}
