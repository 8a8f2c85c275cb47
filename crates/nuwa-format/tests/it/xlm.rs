//! XLM against what transformers computed, and as it is written again; UniLM as the BERT that it is exported as.

use nuwa_format::{export, load_model, save_model};
use nuwa_models::{Batch, Context, Input, Model, ModelConfig, Prediction, Text};
use nuwa_tensor::{AttentionMask, Tape};

use crate::golden_files::{Golden, LENGTH, TOLERANCE, assert_loss_and_gradients, inside, masked, of};
use crate::{difference, ids};

const FOLDERS: [&str; 3] = ["xlm", "xlm_one", "xlm_causal"];
/// The two texts, of which the second is filled up.
fn text(golden: &Golden, name: &str) -> Text {
    let ranges = golden["lengths"].iter().flat_map(|&length| vec![[0, length as u32]; LENGTH]).collect();
    let mask = match name {
        "xlm_causal" => AttentionMask::causal(2, LENGTH),
        _ => AttentionMask::new(2, LENGTH, ranges).unwrap(),
    };
    Text { languages: ids(&golden["languages"]), mask, ..Text::bidirectional(ids(&golden["ids"]), 2) }
}

fn assert_golden(model: &dyn Model, golden: &Golden, name: &str) {
    let tape = Tape::inference();
    let rows = model.hidden(&Context::new(&tape), Input::Text(&text(golden, name))).unwrap();
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
        let predicts = match name {
            "xlm" => Prediction::MaskedTokens,
            "xlm_causal" => Prediction::NextToken,
            _ => Prediction::Nothing,
        };
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
    for name in ["xlm", "xlm_causal"] {
        let (folder, golden) = of(name);
        let model = load_model(&folder).unwrap();
        let (source, targets) = (text(&golden, name), masked(&golden));
        let batch = Batch { source, answer: None, targets, classes: None };
        assert_loss_and_gradients(model.as_ref(), &batch, &golden, name, "");
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
