//! Marian, T5 and BART against what transformers computed, in its newer and older layouts, and as they are written again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use nuwa_format::{load_config, load_for_inference, load_model, save_model};
use nuwa_models::{Batch, Context, Input, Model, NewRows, Targets, Text, backward};
use nuwa_tensor::{DType, Tape};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

use crate::golden::gradients;
use crate::{difference, fixture, golden, ids, model_folders};

/// Ids of a source, filled up.
const LENGTH: usize = 13;

/// transformers' own f32 lies 4e-6 (logits) and 1e-6 (gradients) from float64.
const LOGITS_TOLERANCE: f32 = 2e-5;
const GRADIENT_TOLERANCE: f32 = 5e-6;

type Golden = BTreeMap<String, Vec<f32>>;

fn folders() -> Vec<PathBuf> {
    let is_one = |path: &PathBuf| load_config(path).unwrap().is_encoder_decoder();
    let found: Vec<PathBuf> = model_folders().into_iter().filter(is_one).collect();
    assert_eq!(found.len(), 6);
    found
}

fn of(folder: &Path) -> Golden {
    golden(&folder.join("golden.safetensors"))
}

/// The sources without what fills them up.
fn sources(golden: &Golden) -> Vec<Vec<u32>> {
    let lengths = ids(&golden["lengths"]);
    let rows = golden["source"].chunks_exact(LENGTH).zip(lengths);
    rows.map(|(source, length)| ids(&source[..length as usize])).collect()
}

fn batch(golden: &Golden) -> Batch {
    let sources = sources(golden);
    let sources: Vec<&[u32]> = sources.iter().map(AsRef::as_ref).collect();
    let labels = ids(&golden["labels"]);
    let weights = vec![1.0 / labels.len() as f32; labels.len()];
    Batch {
        source: Text::padded(&sources).unwrap(),
        answer: Some(Text::causal(ids(&golden["answer"]), sources.len())),
        targets: Targets { rows: None, ids: labels, weights },
        classes: None,
    }
}

fn logits(model: &dyn Model, batch: &Batch) -> Vec<f32> {
    let tape = Tape::inference();
    let context = Context::new(&tape);
    let memory = model.encode(&context, &batch.source).unwrap();
    let answer = Input::Answer { text: batch.answer.as_ref().unwrap(), memory: &memory };
    let hidden = model.hidden(&context, answer).unwrap().hidden;
    model.head().logits(&tape, &hidden).unwrap().to_host()
}

/// The most likely ids of an answer to `source`, one at a time through the cache.
fn greedy(model: &dyn Model, source: &[u32], count: usize) -> Vec<u32> {
    let tape = Tape::inference();
    let context = Context::new(&tape);
    let mut cache = model.begin(&context, &[source], count, DType::F32).unwrap().remove(0);
    let mut chosen = vec![model.config().decoder_start().unwrap()];
    while chosen.len() <= count {
        let last = [chosen[chosen.len() - 1]];
        let new = vec![NewRows { cache: &mut cache, ids: &last }];
        let hidden = model.hidden(&context, Input::Next(new)).unwrap().hidden;
        let scores = model.head().logits(&tape, &hidden).unwrap().to_host();
        chosen.push((0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap() as u32);
    }
    chosen.split_off(1)
}

fn assert_golden(model: &dyn Model, golden: &Golden, name: &str) {
    let off = difference(&logits(model, &batch(golden)), &golden["logits"]);
    assert!(off <= LOGITS_TOLERANCE, "{name}: logits differ by {off}");
    let expected = ids(&golden["greedy"]);
    assert_eq!(greedy(model, &sources(golden)[0], expected.len()), expected, "{name}");
}

#[test]
fn logits_loss_gradients_and_greedy_ids_of_answers() {
    for folder in folders() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let (model, golden) = (load_model(&folder).unwrap(), of(&folder));
        assert_golden(model.as_ref(), &golden, &name);
        let tape = Tape::training();
        let loss = backward(model.as_ref(), &Context::new(&tape), &batch(&golden)).unwrap().total();
        assert!((loss - golden["loss"][0]).abs() <= 2e-6, "{name}: loss {loss}");
        let mut found = gradients(model.as_ref());
        // Not trained there either: a buffer.
        found.remove("final_logits_bias");
        let expected: BTreeSet<&str> = golden.keys().filter_map(|key| key.strip_prefix("grad.")).collect();
        assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected, "{name}: parameters");
        for (tensor, gradient) in found {
            let off = difference(&gradient, &golden[&format!("grad.{tensor}")]);
            assert!(off <= GRADIENT_TOLERANCE, "{name}: the gradient of {tensor} differs by {off}");
        }
    }
}

#[test]
fn written_again_it_answers_the_same() {
    for folder in folders() {
        let (golden, out) = (of(&folder), tempfile::tempdir().unwrap());
        save_model(load_model(&folder).unwrap().as_ref(), out.path()).unwrap();
        let name = folder.display().to_string();
        assert_golden(load_model(out.path()).unwrap().as_ref(), &golden, &name);
        assert_golden(load_for_inference(out.path(), None).unwrap().as_ref(), &golden, &name);
        assert_eq!(load_config(out.path()).unwrap(), load_config(&folder).unwrap());
    }
}

/// Writes the folder `from` again with its tensors under the names that `name_of` gives, and its configuration changed.
fn rewritten(from: &Path, to: &Path, name_of: impl Fn(&str) -> Vec<String>, change: impl FnOnce(&mut Value)) {
    let bytes = fs::read(from.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors: Vec<(String, TensorView<'_>)> = file
        .tensors()
        .into_iter()
        .flat_map(|(name, view)| name_of(&name).into_iter().map(move |name| (name, view.clone())))
        .collect();
    safetensors::serialize_to_file(tensors, None, &to.join("model.safetensors")).unwrap();
    let mut config: Value = serde_json::from_slice(&fs::read(from.join("config.json")).unwrap()).unwrap();
    change(&mut config);
    fs::write(to.join("config.json"), config.to_string()).unwrap();
}

/// As transformers 4 wrote them: the embedding several times, tables that are no weights, fields left out.
#[test]
fn older_files_are_read() {
    for (name, repeated, also) in [
        (
            "t5",
            "shared.weight",
            ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"],
        ),
        (
            "bart",
            "model.shared.weight",
            ["model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight"],
        ),
        (
            "marian",
            "model.shared.weight",
            ["model.encoder.embed_tokens.weight", "model.encoder.embed_positions.weight", "lm_head.weight"],
        ),
    ] {
        let (folder, out) = (fixture("models").join(name), tempfile::tempdir().unwrap());
        let names = |tensor: &str| match tensor == repeated {
            true => [tensor].into_iter().chain(also).map(String::from).collect(),
            false => vec![tensor.to_string()],
        };
        rewritten(&folder, out.path(), names, |config| {
            config.as_object_mut().unwrap().remove("is_encoder_decoder");
            config.as_object_mut().unwrap().remove("tie_word_embeddings");
        });
        assert_golden(load_model(out.path()).unwrap().as_ref(), &of(&folder), name);
    }
}

#[test]
fn what_is_not_computed_is_refused() {
    let refused = |name: &str, field: &str, value: Value| {
        let (from, folder) = (fixture("models").join(name), tempfile::tempdir().unwrap());
        rewritten(&from, folder.path(), |name| vec![name.into()], |config| config[field] = value);
        let error = load_model(folder.path()).err().unwrap().to_string();
        error.replace(&folder.path().display().to_string(), "MODEL")
    };
    let told = [
        refused("t5", "is_encoder_decoder", json!(false)),
        refused("t5", "feed_forward_proj", json!("gated-silu")),
        refused("t5", "tie_word_embeddings", json!(false)),
        refused("t5", "relative_attention_num_buckets", json!(6)),
        refused("t5", "relative_attention_max_distance", json!(4)),
        refused("t5_gated", "decoder_start_token_id", json!(97)),
        refused("bart", "normalize_before", json!(true)),
        refused("bart", "normalize_embedding", json!(false)),
        refused("bart", "encoder_attention_heads", json!(5)),
        refused("bart", "decoder_layers", json!("two")),
        refused("marian", "decoder_vocab_size", json!(50)),
        refused("marian", "share_encoder_decoder_embeddings", json!(false)),
        refused("marian", "activation_function", json!("relu6")),
        refused("marian", "max_position_embeddings", json!(1 << 22)),
    ];
    insta::assert_snapshot!(told.join("\n"), @"");
}
