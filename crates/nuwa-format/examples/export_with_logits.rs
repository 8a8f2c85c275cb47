//! Imports a model and writes the scores it gives for some ids, for transformers to be held against:
//!
//! ```text
//! cargo run -p nuwa-format --example export_with_logits -- MODEL OUT LOGITS.json
//! python fixtures/models/read_exported.py OUT --logits LOGITS.json
//! ```

use std::error::Error;
use std::path::Path;

use nuwa_models::{Input, Sequences};
use nuwa_tensor::Tape;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, out, logits] = &arguments[..] else { return Err("expected MODEL OUT LOGITS.json".into()) };
    let imported = nuwa_format::import(Path::new(model), Path::new(out))?;
    let model = nuwa_format::load_model(Path::new(out))?;
    let length = model.context().min(48);
    let ids: Vec<u32> = (0..length).map(|i| ((i * 37 + 11) % model.vocabulary()) as u32).collect();
    let tape = Tape::inference();
    let hidden = model.hidden(&tape, &ids, Input::Sequences(&Sequences::causal(1, length)))?;
    let scores = tape.logits(&hidden, model.head())?;
    let rows: Vec<Vec<f32>> = (0..length).map(|row| scores.row_to_host(row)).collect();
    let json = serde_json::json!({"ids": [ids], "logits": [rows]});
    nuwa_files::write_json(Path::new(logits), &json)?;
    println!("{} weights, tokenizer: {:?}", imported.parameters, imported.tokenizer);
    Ok(())
}
