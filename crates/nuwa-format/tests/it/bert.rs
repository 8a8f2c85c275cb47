//! BERT against what transformers computed, in its newer and older layouts, and as it is written again.

use std::fs;
use std::path::Path;

use nuwa_format::{load_config, load_model, save_model};
use nuwa_models::{Batch, Classes, Context, Input, Model, Prediction, Text};
use nuwa_tensor::{AttentionMask, Tape};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::json;

use crate::golden_files::{Golden, LENGTH, TOLERANCE, assert_loss_and_gradients, inside, masked, of};
use crate::{difference, ids};

const FOLDERS: [&str; 3] = ["bert", "bert_masked", "bert_model"];

/// The two texts, of which the second is filled up.
fn text(golden: &Golden) -> Text {
    let ranges = golden["lengths"].iter().flat_map(|&length| vec![[0, length as u32]; LENGTH]).collect();
    let segments = ids(&golden["segments"]);
    let mask = AttentionMask::new(2, LENGTH, ranges).unwrap();
    Text { segments, mask, ..Text::bidirectional(ids(&golden["ids"]), 2) }
}

fn assert_golden(model: &dyn Model, golden: &Golden, name: &str) {
    let tape = Tape::inference();
    let context = Context::new(&tape);
    let rows = model.hidden(&context, Input::Text(&text(golden))).unwrap();
    let compare = |what: &str, found: &[f32]| {
        let off = difference(found, &golden[what]);
        assert!(off <= TOLERANCE, "{name}: {what} differ by {off}");
    };
    let off = difference(&inside(golden, &rows.hidden.to_host()), &inside(golden, &golden["hidden"]));
    assert!(off <= TOLERANCE, "{name}: hidden rows differ by {off}");
    if golden.contains_key("logits") {
        let logits = model.head().logits(&tape, &rows.hidden).unwrap();
        let off = difference(&inside(golden, &logits.to_host()), &inside(golden, &golden["logits"]));
        assert!(off <= TOLERANCE, "{name}: logits differ by {off}");
    }
    assert_eq!(rows.pooled.is_some(), golden.contains_key("pooled"), "{name}");
    if let Some(pooled) = rows.pooled {
        compare("pooled", &pooled.to_host());
        if let Some(head) = model.class_head() {
            compare("next_logits", &head.logits(&tape, &pooled).unwrap().to_host());
        }
    }
}

#[test]
fn hidden_rows_and_logits() {
    for name in FOLDERS {
        let (folder, golden) = of(name);
        let model = load_model(&folder).unwrap();
        assert_golden(model.as_ref(), &golden, name);
        let predicts = if name == "bert_model" { Prediction::Nothing } else { Prediction::MaskedTokens };
        assert_eq!(model.config().predicts(), predicts);
    }
}

/// The masked tokens and the classes that the fixtures have labels for.
fn batch(golden: &Golden) -> Batch {
    let labels = golden.get("next_labels").map(|labels| ids(labels));
    let classes = labels.map(|labels| Classes { texts: None, labels, weights: vec![0.5; 2] });
    Batch { source: text(golden), answer: None, targets: masked(golden), classes }
}

#[test]
fn losses_and_gradients() {
    for name in ["bert", "bert_masked"] {
        let (folder, golden) = of(name);
        let model = load_model(&folder).unwrap();
        assert_loss_and_gradients(model.as_ref(), &batch(&golden), &golden, name, "");
    }
}

/// Writes the folder `from` again with other names of its tensors, and some of them twice.
fn renamed(from: &Path, to: &Path, name_of: impl Fn(&str) -> Vec<String>) {
    let bytes = fs::read(from.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors: Vec<(String, TensorView<'_>)> = file
        .tensors()
        .into_iter()
        .flat_map(|(name, view)| name_of(&name).into_iter().map(move |name| (name, view.clone())))
        .collect();
    safetensors::serialize_to_file(tensors, None, &to.join("model.safetensors")).unwrap();
    fs::copy(from.join("config.json"), to.join("config.json")).unwrap();
}

/// As the first files of BERT are: norms have gamma and beta, the tied decoder is there, and so is a table of positions.
fn older(name: &str) -> Vec<String> {
    let older =
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
    let decoder = match name {
        "bert.embeddings.word_embeddings.weight" => Some("cls.predictions.decoder.weight".into()),
        "cls.predictions.bias" => Some("cls.predictions.decoder.bias".into()),
        "bert.embeddings.position_embeddings.weight" => Some("bert.embeddings.position_ids".into()),
        _ => None,
    };
    std::iter::once(older).chain(decoder).collect()
}

#[test]
fn older_files_and_other_classes() {
    let (folder, golden) = of("bert");
    let older_folder = tempfile::tempdir().unwrap();
    renamed(&folder, older_folder.path(), older);
    // The first BERT names the class of masked words alone, and holds both heads.
    let mut config: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap();
    config["architectures"] = json!(["BertForMaskedLM"]);
    fs::write(older_folder.path().join("config.json"), config.to_string()).unwrap();
    let model = load_model(older_folder.path()).unwrap();
    assert_golden(model.as_ref(), &golden, "older");
    assert_eq!(model.config().architecture(), "BertForPreTraining");
}

#[test]
fn written_again_it_is_the_same() {
    for name in FOLDERS {
        let (folder, golden) = of(name);
        let out = tempfile::tempdir().unwrap();
        save_model(load_model(&folder).unwrap().as_ref(), out.path()).unwrap();
        assert_golden(load_model(out.path()).unwrap().as_ref(), &golden, name);
        assert_eq!(load_config(out.path()).unwrap(), load_config(&folder).unwrap());
    }
}

#[test]
fn what_is_not_computed_is_refused() {
    let refused = |field: &str, value: serde_json::Value| {
        let folder = tempfile::tempdir().unwrap();
        let (from, _) = of("bert");
        renamed(&from, folder.path(), |name| vec![name.into()]);
        let mut config: serde_json::Value =
            serde_json::from_slice(&fs::read(from.join("config.json")).unwrap()).unwrap();
        config[field] = value;
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let error = load_model(folder.path()).err().unwrap().to_string();
        error.replace(&folder.path().display().to_string(), "MODEL")
    };
    let told = [
        refused("position_embedding_type", json!("relative_key")),
        refused("is_decoder", json!(true)),
        refused("hidden_act", json!("relu")),
        refused("num_attention_heads", json!(5)),
    ];
    insta::assert_snapshot!(told.join("\n"), @r#"
    MODEL/config.json: position_embedding_type = "relative_key" is not supported, only "absolute" is
    MODEL/config.json: is_decoder = true is not supported, only false is
    MODEL/config.json: hidden_act = "relu" is not supported, only gelu, gelu_new, gelu_pytorch_tanh, gelu_fast are
    MODEL/config.json: num_attention_heads = 5: expected a divisor of hidden_size = 32
    "#);
}
