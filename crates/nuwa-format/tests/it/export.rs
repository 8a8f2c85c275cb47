//! Whole folders in and out: half-precision and sharded weights, the older names, what lies beside a model.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use half::{bf16, f16};
use nuwa_format::{Imported, export, import, load_model};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::{copy, difference, fixture, golden, ids, logits};

/// A tensor to write: name, kind, shape, bytes.
type Tensor = (String, Dtype, Vec<usize>, Vec<u8>);

fn read(folder: &Path) -> Vec<Tensor> {
    let bytes = fs::read(folder.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |(name, view): (String, TensorView<'_>)| {
        (name, view.dtype(), view.shape().to_vec(), view.data().to_vec())
    };
    file.tensors().into_iter().map(tensor).collect()
}

fn write(path: &Path, tensors: &[Tensor]) {
    let views = tensors.iter().map(|(name, kind, shape, bytes)| {
        (name.as_str(), TensorView::new(*kind, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}

/// The same numbers as another kind, by the bytes of each.
fn as_kind(tensors: &[Tensor], kind: Dtype, convert: impl Fn(f32) -> [u8; 2]) -> Vec<Tensor> {
    let convert = |(name, _, shape, bytes): &Tensor| {
        let numbers = bytes.as_chunks::<4>().0.iter().copied().map(f32::from_le_bytes);
        (name.clone(), kind, shape.clone(), numbers.flat_map(&convert).collect())
    };
    tensors.iter().map(convert).collect()
}

#[test]
fn half_precision_is_widened() {
    let from = fixture("models/llama");
    let exact = load_model(&from).unwrap();
    let folder = tempfile::tempdir().unwrap();
    copy(&from, folder.path());
    let tensors = read(&from);
    for kind in [Dtype::F16, Dtype::BF16] {
        let rounded = |x: f32| match kind {
            Dtype::F16 => f16::from_f32(x).to_f32(),
            _ => bf16::from_f32(x).to_f32(),
        };
        let half = as_kind(&tensors, kind, |x| match kind {
            Dtype::F16 => f16::from_f32(x).to_le_bytes(),
            _ => bf16::from_f32(x).to_le_bytes(),
        });
        write(&folder.path().join("model.safetensors"), &half);
        let model = load_model(folder.path()).unwrap();
        let expected: Vec<f32> = exact.parameters().to_host().iter().map(|&x| rounded(x)).collect();
        assert_eq!(model.parameters().to_host(), expected);
    }
}

#[test]
fn shards_are_one_model() {
    let from = fixture("models/gpt2");
    let folder = tempfile::tempdir().unwrap();
    copy(&from, folder.path());
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let mut tensors = read(&from);
    let second = tensors.split_off(9);
    let mut map = HashMap::new();
    for (name, part) in
        [("model-00001-of-00002.safetensors", &tensors), ("model-00002-of-00002.safetensors", &second)]
    {
        write(&folder.path().join(name), part);
        map.extend(part.iter().map(|tensor| (tensor.0.clone(), name)));
    }
    let index = serde_json::json!({"metadata": {"total_size": 1}, "weight_map": map});
    fs::write(folder.path().join("model.safetensors.index.json"), index.to_string()).unwrap();
    let model = load_model(folder.path()).unwrap();
    assert_eq!(model.parameters().to_host(), load_model(&from).unwrap().parameters().to_host());

    fs::remove_file(folder.path().join("model-00002-of-00002.safetensors")).unwrap();
    let message = load_model(folder.path()).err().unwrap().to_string();
    assert!(message.contains("model-00002-of-00002.safetensors"), "{message}");
}

#[test]
fn the_names_of_the_first_gpt2_files() {
    // The original files lack the prefix and hold each layer's causal mask.
    let from = fixture("models/gpt2");
    let folder = tempfile::tempdir().unwrap();
    copy(&from, folder.path());
    let mut tensors = read(&from);
    for tensor in &mut tensors {
        tensor.0 = tensor.0.strip_prefix("transformer.").unwrap().to_string();
    }
    tensors.push(("h.0.attn.bias".into(), Dtype::F32, vec![1, 1, 2, 2], vec![0; 16]));
    tensors.push(("h.0.attn.masked_bias".into(), Dtype::F32, vec![], vec![0; 4]));
    write(&folder.path().join("model.safetensors"), &tensors);
    let model = load_model(folder.path()).unwrap();
    assert_eq!(model.parameters().to_host(), load_model(&from).unwrap().parameters().to_host());
}

#[test]
fn a_tied_head_may_be_repeated_but_not_differ() {
    let from = fixture("models/llama_tied");
    let folder = tempfile::tempdir().unwrap();
    copy(&from, folder.path());
    let mut tensors = read(&from);
    let embedding = tensors.iter().find(|tensor| tensor.0 == "model.embed_tokens.weight").unwrap().clone();
    tensors.push(("lm_head.weight".into(), embedding.1, embedding.2, embedding.3));
    write(&folder.path().join("model.safetensors"), &tensors);
    assert!(load_model(folder.path()).is_ok());
    let head = tensors.last_mut().unwrap();
    head.3[..4].copy_from_slice(&7.5_f32.to_le_bytes());
    write(&folder.path().join("model.safetensors"), &tensors);
    let message = load_model(folder.path()).err().unwrap().to_string();
    assert!(
        message.ends_with("ties the output head to the embedding, but lm_head.weight differs"),
        "{message}"
    );
}

#[test]
fn export_takes_tokenizer_and_card_along() {
    let folder = tempfile::tempdir().unwrap();
    let (model, out) = (folder.path().join("model"), folder.path().join("out"));
    copy(&fixture("models/llama"), &model);
    assert_eq!(import(&model, &out).unwrap().tokenizer, None);

    let texts = ["to be or not to be"].repeat(4).into_iter().map(String::from);
    let settings = nuwa_tokenizer::TrainSettings { vocab_size: 262, ..Default::default() };
    let tokenizer = nuwa_tokenizer::train(texts, &settings, &mut |_| {}).unwrap();
    tokenizer.save(&model).unwrap();
    let message = export(&model, &out).unwrap_err().to_string();
    assert!(message.ends_with("the tokenizer has 262 ids, but the model knows 97"), "{message}");

    let gpt2 = r#"{"model_type": "gpt2", "vocab_size": 300, "n_positions": 8, "n_embd": 4, "n_layer": 1, "n_head": 2}"#;
    let config: nuwa_models::ModelConfig = serde_json::from_str(gpt2).unwrap();
    let fresh = nuwa_models::build(&config, 1).unwrap();
    nuwa_format::save_model(fresh.as_ref(), &model).unwrap();
    fs::write(model.join("README.md"), "a card").unwrap();
    let exported = export(&model, &out).unwrap();
    assert_eq!(exported, Imported { parameters: fresh.parameters().count(), tokenizer: Some(262) });
    for name in ["config.json", "model.safetensors", "tokenizer.json", "README.md"] {
        assert_eq!(fs::read(out.join(name)).unwrap(), fs::read(model.join(name)).unwrap(), "{name}");
    }
}

/// The ends that other programs read.
fn ends(folder: &Path) -> serde_json::Value {
    let text = fs::read(folder.join("generation_config.json")).unwrap();
    serde_json::from_slice::<serde_json::Value>(&text).unwrap()["eos_token_id"].clone()
}

#[test]
fn other_programs_are_told_what_ends_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (model, out) = (folder.path().join("model"), folder.path().join("out"));
    let texts = ["to be or not to be"].repeat(4).into_iter().map(String::from);
    let settings = nuwa_tokenizer::TrainSettings { vocab_size: 262, ..Default::default() };
    let ours = nuwa_tokenizer::train(texts, &settings, &mut |_| {}).unwrap();
    let [end, turn] = ["<|endoftext|>", "<|im_end|>"].map(|name| ours.token_to_id(name).unwrap());
    let config = format!(
        r#"{{"model_type": "gpt2", "vocab_size": 300, "n_positions": 8, "n_embd": 4, "n_layer": 1, "n_head": 2, "eos_token_id": {end}}}"#
    );
    let config: nuwa_models::ModelConfig = serde_json::from_str(&config).unwrap();
    let fresh = nuwa_models::build(&config, 1).unwrap();
    let zephyr = "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}\n{% endfor %}";
    let plain = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}";
    for (template, expected) in [
        (nuwa_tokenizer::CHAT_TEMPLATE, serde_json::json!([turn, end])),
        (zephyr, serde_json::json!(end)),
        (plain, serde_json::json!(end)),
    ] {
        let tokenizer = ours.with_chat_template(template).unwrap();
        nuwa_format::save_with_tokenizer(fresh.as_ref(), &tokenizer, &model).unwrap();
        assert_eq!(ends(&model), expected, "{template}");
        // What an older program wrote does not win, and loses nothing.
        fs::write(model.join("generation_config.json"), r#"{"eos_token_id": [7], "top_k": 5}"#).unwrap();
        export(&model, &out).unwrap();
        let mut all = expected.as_array().cloned().unwrap_or(vec![expected]);
        all.push(7.into());
        assert_eq!(ends(&out), serde_json::json!(all), "{template}");
        let text = fs::read_to_string(out.join("generation_config.json")).unwrap();
        assert!(text.contains("\"top_k\": 5"), "{text}");
    }
}

/// GPT-3 whose layers are all dense is a GPT-2 without biases of queries, keys and values.
#[test]
fn a_dense_gpt_neo_is_exported_as_gpt2() {
    for (name, model_type) in [("gpt_neo_dense", "gpt2"), ("gpt_neo", "gpt_neo")] {
        let out = tempfile::tempdir().unwrap();
        export(&fixture("models").join(name), out.path()).unwrap();
        let config = fs::read_to_string(out.path().join("config.json")).unwrap();
        assert!(config.contains(&format!("\"model_type\": \"{model_type}\"")), "{config}");
        let golden = golden(&fixture("models").join(name).join("golden.safetensors"));
        let found = logits(load_model(out.path()).unwrap().as_ref(), &ids(&golden["ids"]), 17);
        let off = difference(&found, &golden["logits"]);
        assert!(off <= 2e-5, "{name}: logits differ by {off}");
    }
}
