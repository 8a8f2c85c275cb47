//! Imports a model and writes the scores it gives for some ids, for transformers to be held against:
//!
//! ```text
//! cargo run -p nuwa-format --example export_with_logits -- MODEL OUT LOGITS.json
//! python fixtures/models/read_exported.py OUT --logits LOGITS.json          (a model that writes)
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
    let text = match model.config().predicts() {
        Prediction::NextToken => Text::causal(ids.clone(), 1),
        Prediction::MaskedTokens | Prediction::AnyOrder | Prediction::Nothing => {
            Text::bidirectional(ids.clone(), 1)
        }
    };
    let rows = model.hidden(&Context::new(&tape), Input::Text(&text))?;
    let logits_of = model.head().logits(&tape, &rows.hidden)?;
    let mut json =
        serde_json::json!({"ids": [ids], "logits": [listed(&logits_of)], "hidden": [listed(&rows.hidden)]});
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
