//! XLM against what transformers computed, and as it is written again; UniLM as the BERT that it is exported as.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nuwa_format::{export, load_model, save_model};
use nuwa_models::{Batch, Context, Input, Model, ModelConfig, Prediction, Targets, Text, backward};
use nuwa_tensor::{AttentionMask, Tape};

use crate::golden::gradients;
use crate::{difference, fixture, golden, ids};

const LENGTH: usize = 17;
const FOLDERS: [&str; 2] = ["xlm", "xlm_one"];
const TOLERANCE: f32 = 2e-5;

type Golden = BTreeMap<String, Vec<f32>>;

fn of(name: &str) -> (PathBuf, Golden) {
    let folder = fixture("models").join(name);
    let golden = golden(&folder.join("golden.safetensors"));
    (folder, golden)
}

/// The two texts, of which the second is filled up.
fn text(golden: &Golden) -> Text {
    let ranges = golden["lengths"].iter().flat_map(|&length| vec![[0, length as u32]; LENGTH]).collect();
    let mask = AttentionMask::new(2, LENGTH, ranges).unwrap();
    Text { languages: ids(&golden["languages"]), mask, ..Text::bidirectional(ids(&golden["ids"]), 2) }
}

/// The rows of the texts, without those that fill up.
fn inside(golden: &Golden, rows: &[f32]) -> Vec<f32> {
    let width = rows.len() / (2 * LENGTH);
    let [first, second] = [0, 1].map(|text| golden["lengths"][text] as usize);
    [&rows[..first * width], &rows[LENGTH * width..(LENGTH + second) * width]].concat()
}

fn assert_golden(model: &dyn Model, golden: &Golden, name: &str) {
    let tape = Tape::inference();
    let rows = model.hidden(&Context::new(&tape), Input::Text(&text(golden))).unwrap();
    let off = difference(&inside(golden, &rows.hidden.to_host()), &inside(golden, &golden["hidden"]));
    assert!(off <= TOLERANCE, "{name}: hidden rows differ by {off}");
    if let Some(logits) = golden.get("logits") {
        let found = model.head().logits(&tape, &rows.hidden).unwrap().to_host();
        let off = difference(&inside(golden, &found), &inside(golden, logits));
        assert!(off <= TOLERANCE, "{name}: logits differ by {off}");
    }
}

#[test]
fn hidden_rows_and_logits_here_and_written_again() {
    for name in FOLDERS {
        let (folder, golden) = of(name);
        let model = load_model(&folder).unwrap();
        assert_golden(model.as_ref(), &golden, name);
        let predicts = if name == "xlm" { Prediction::MaskedTokens } else { Prediction::Nothing };
        assert_eq!(model.config().predicts(), predicts);
        let again = tempfile::tempdir().unwrap();
        save_model(model.as_ref(), again.path()).unwrap();
        let read = load_model(again.path()).unwrap();
        assert_eq!(read.config(), model.config());
        assert_eq!(read.parameters().to_host(), model.parameters().to_host());
    }
}

#[test]
fn losses_and_gradients() {
    let (folder, golden) = of("xlm");
    let model = load_model(&folder).unwrap();
    let labelled = golden["labels"].iter().enumerate().filter(|(_, label)| **label >= 0.0);
    let (rows, ids): (Vec<u32>, Vec<u32>) = labelled.map(|(row, &label)| (row as u32, label as u32)).unzip();
    let weights = vec![1.0 / rows.len() as f32; rows.len()];
    let targets = Targets { rows: Some(rows), ids, weights };
    let batch = Batch { source: text(&golden), answer: None, targets, classes: None };
    let tape = Tape::training();
    let loss = backward(model.as_ref(), &Context::new(&tape), &batch).unwrap().total();
    assert!((loss - golden["loss"][0]).abs() <= 2e-6, "loss {loss}");
    let found = gradients(model.as_ref());
    assert_eq!(found.len(), golden.keys().filter(|key| key.starts_with("grad.")).count());
    for (tensor, gradient) in found {
        let off = difference(&gradient, &golden[&format!("grad.{tensor}")]);
        assert!(off <= 5e-6, "the gradient of {tensor} differs by {off}");
    }
}

#[test]
fn unilm_is_exported_as_the_bert_that_it_is() {
    let config: ModelConfig = serde_json::from_str(
        r#"{"model_type": "unilm", "vocab_size": 31, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
            "num_attention_heads": 4, "max_position_embeddings": 10, "type_vocab_size": 6}"#,
    )
    .unwrap();
    let model = nuwa_models::build(&config, 3).unwrap();
    let [own, out] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    save_model(model.as_ref(), own.path()).unwrap();
    assert_eq!(load_model(own.path()).unwrap().config(), config);
    export(own.path(), out.path()).unwrap();
    let exported = load_model(out.path()).unwrap();
    assert_eq!(exported.parameters().to_host(), model.parameters().to_host());
    let told = std::fs::read_to_string(out.path().join("config.json")).unwrap();
    assert!(told.contains("\"bert\"") && told.contains("BertForPreTraining"), "{told}");
}
