//! Every model of `fixtures/models` against what transformers computed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use nuwa_format::{load_config, load_model, parts, save_model};
use nuwa_models::{Batch, Context, Model, Text};
use nuwa_tensor::Tape;
use safetensors::SafeTensors;

use crate::{copy, decoders, difference, golden, greedy, ids, logits, model_folders};

/// transformers' own f32 lies 4e-6 (logits) and 5e-7 (gradients) from float64.
const LOGITS_TOLERANCE: f32 = 2e-5;
const GRADIENT_TOLERANCE: f32 = 5e-6;
const LENGTH: usize = 17;

/// The gradient of each tensor by its name at Hugging Face, for labels that are the ids shifted by one, and the loss.
fn backward(model: &dyn Model, ids: &[u32]) -> (f32, BTreeMap<String, Vec<f32>>) {
    let predicted = ids.len() - ids.len() / LENGTH;
    let last = |position: usize| position % LENGTH == LENGTH - 1;
    let targets: Vec<u32> = (0..ids.len()).map(|i| if last(i) { 0 } else { ids[i + 1] }).collect();
    let weights: Vec<f32> =
        (0..ids.len()).map(|i| if last(i) { 0.0 } else { 1.0 / predicted as f32 }).collect();
    let tape = Tape::training();
    let text = Text::causal(ids.to_vec(), ids.len() / LENGTH);
    let batch = Batch::of_every_row(text, targets, weights);
    let loss = nuwa_models::backward(model, &Context::new(&tape), &batch).unwrap().objective();
    (loss, gradients(model))
}

/// The gradient of each tensor by its name at Hugging Face.
pub fn gradients(model: &dyn Model) -> BTreeMap<String, Vec<f32>> {
    let mut gradients = BTreeMap::new();
    for name in model.names() {
        let parameter = model.parameters().get(&name.parameter).unwrap();
        let gradient = parameter.gradient();
        for part in parts(&name, parameter.shape()) {
            gradients.insert(part.name.clone(), part.stored_gradient(&gradient));
        }
    }
    gradients
}

#[test]
fn logits_loss_gradients_and_greedy_ids() {
    for folder in decoders() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let model = load_model(&folder).unwrap();
        let golden = golden(&folder.join("golden.safetensors"));
        let input = ids(&golden["ids"]);

        let off_logits = difference(&logits(model.as_ref(), &input, LENGTH), &golden["logits"]);
        let (loss, gradients) = backward(model.as_ref(), &input);
        let off_loss = (loss - golden["loss"][0]).abs();
        let expected: BTreeSet<&str> = golden.keys().filter_map(|key| key.strip_prefix("grad.")).collect();
        let found: BTreeSet<&str> = gradients.keys().map(String::as_str).collect();
        assert_eq!(found, expected, "{name}: parameters");
        let off_gradients = gradients
            .iter()
            .map(|(name, gradient)| difference(gradient, &golden[&format!("grad.{name}")]))
            .fold(0.0, f32::max);
        println!("{name}: logits {off_logits:.1e}, loss {off_loss:.1e}, gradients {off_gradients:.1e}");
        assert!(off_logits <= LOGITS_TOLERANCE, "{name}: logits differ by {off_logits}");
        assert!(off_loss <= 2e-6, "{name}: loss differs by {off_loss}");
        assert!(off_gradients <= GRADIENT_TOLERANCE, "{name}: gradients differ by {off_gradients}");

        let continuation = ids(&golden["greedy"]);
        assert_eq!(greedy(model.as_ref(), &input[..5], continuation.len()), continuation, "{name}");
    }
}

#[test]
fn the_older_configuration_is_the_same_model() {
    let mut compared = 0;
    for folder in model_folders() {
        let older = folder.join("config_transformers4.json");
        if !older.exists() {
            continue;
        }
        let copied = tempfile::tempdir().unwrap();
        copy(&folder, copied.path());
        fs::write(copied.path().join("config.json"), fs::read(older).unwrap()).unwrap();
        assert_eq!(load_config(copied.path()).unwrap(), load_config(&folder).unwrap());
        compared += 1;
    }
    assert_eq!(compared, 7);
}

/// Name, kind and shape of each tensor.
fn outline(folder: &Path) -> BTreeMap<String, String> {
    let bytes = fs::read(folder.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let outline =
        |view: safetensors::tensor::TensorView<'_>| format!("{:?} {:?}", view.dtype(), view.shape());
    file.tensors().into_iter().map(|(name, view)| (name, outline(view))).collect()
}

#[test]
fn saved_and_loaded_again_nothing_changes() {
    // An encoder without a head is written with the names that it has below one.
    let has_head = |folder: &PathBuf| !["bert_model", "xlm_one"].iter().any(|name| folder.ends_with(name));
    for folder in model_folders().into_iter().filter(has_head) {
        let model = load_model(&folder).unwrap();
        let out = tempfile::tempdir().unwrap();
        let out = out.path().join("a/new/folder");
        save_model(model.as_ref(), &out).unwrap();
        assert_eq!(outline(&out), outline(&folder));
        let text = fs::read_to_string(out.join("config.json")).unwrap();
        let deviation =
            ["\"initializer_range\": 0.02,", "\"init_std\": 0.02,", "\"w_init_variance_scale\": 0.01"].iter();
        let is_answered = model.config().is_encoder_decoder();
        assert!(is_answered || deviation.clone().any(|told| text.contains(told)), "{text}");

        let again = load_model(&out).unwrap();
        assert_eq!(again.config(), model.config());
        assert_eq!(again.parameters().to_host(), model.parameters().to_host());
        let first = fs::read(out.join("model.safetensors")).unwrap();
        save_model(again.as_ref(), &out).unwrap();
        assert_eq!(fs::read(out.join("model.safetensors")).unwrap(), first, "the same bytes each time");
        let mut files: Vec<String> = fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        files.sort();
        assert_eq!(files, ["config.json", "generation_config.json", "model.safetensors"]);
    }
}
