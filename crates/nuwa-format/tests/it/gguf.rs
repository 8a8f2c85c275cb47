//! GGUF files: those of `fixtures/gguf` against the logits of the folders that they were made from, what is written read again, and
//! damaged ones.

use std::fs;
use std::path::Path;

use nuwa_format::{Mixture, check_trainable, export_gguf, load_config, load_for_inference, load_model};
use nuwa_models::ModelConfig;
use nuwa_tensor::DType;
use nuwa_tokenizer::{Tokenizer, TrainSettings, train};

use crate::{difference, fixture, golden, ids, logits};

/// The files of `fixtures/gguf` with the ending `.gguf`, by name.
fn files() -> Vec<String> {
    let entries = fs::read_dir(fixture("gguf")).unwrap().map(|entry| entry.unwrap().file_name());
    let names = entries.filter_map(|name| Some(name.to_str()?.strip_suffix(".gguf")?.to_string()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names.len(), 17, "files in fixtures/gguf");
    names
}

#[test]
fn logits_are_those_of_the_folders() {
    for name in files() {
        let file = fixture("gguf").join(format!("{name}.gguf"));
        let rounded = fixture("gguf").join(format!("{name}.safetensors"));
        let beside =
            if rounded.exists() { rounded } else { fixture("models").join(&name).join("golden.safetensors") };
        let golden = golden(&beside);
        let input = ids(&golden["ids"]);
        for model in [load_model(&file).unwrap(), load_for_inference(&file, Some(DType::F32)).unwrap()] {
            let off = difference(&logits(model.as_ref(), &input, 17), &golden["logits"]);
            // The divisors of frequencies are f32 in the file.
            assert!(off < 5e-5, "{name}: {off}");
        }
        // Quantised matrices are multiplied by inputs that are rounded to 8 bits.
        let as_they_lie = load_for_inference(&file, None).unwrap();
        let largest = golden["logits"].iter().fold(0.0, |most: f32, logit| logit.abs().max(most));
        let off = difference(&logits(as_they_lie.as_ref(), &input, 17), &golden["logits"]);
        let is_quantised = as_they_lie.parameters().iter().any(|parameter| parameter.entry().is_quantised());
        assert_eq!(is_quantised, name.contains("_q"), "{name}");
        assert!(off < if is_quantised { 0.05 * largest } else { 5e-5 }, "{name}: {off} of {largest}");
    }
}

#[test]
fn a_configuration_is_that_of_the_folder() {
    for name in files() {
        let folder = fixture("models").join(&name);
        if !folder.exists() {
            continue;
        }
        let (own, other) = (
            load_config(&fixture("gguf").join(format!("{name}.gguf"))).unwrap(),
            load_config(&folder).unwrap(),
        );
        let told = |config: &ModelConfig| {
            (config.layers(), config.width(), config.heads(), config.vocabulary(), config.context())
        };
        assert_eq!(told(&own), told(&other), "{name}");
        assert_eq!(own.names().len(), other.names().len(), "{name}");
    }
}

/// Configurations of models wide enough for blocks of 256, with a vocabulary that bytes fit into.
fn wide() -> Vec<ModelConfig> {
    let decoder = r#""vocab_size": 300, "hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 8,
        "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 48"#;
    [
        format!(r#"{{"model_type": "llama", {decoder}, "attention_bias": true}}"#),
        format!(r#"{{"model_type": "mistral", {decoder}, "sliding_window": 16, "tie_word_embeddings": true}}"#),
        format!(r#"{{"model_type": "mixtral", {decoder}, "num_local_experts": 8}}"#),
        format!(r#"{{"model_type": "qwen2", {decoder}}}"#),
        format!(r#"{{"model_type": "qwen3", {decoder}}}"#),
        format!(r#"{{"model_type": "qwen3_moe", {decoder}, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 256, "norm_topk_prob": true}}"#),
        format!(r#"{{"model_type": "olmoe", {decoder}, "num_experts": 4, "num_experts_per_tok": 2}}"#),
        r#"{"model_type": "gpt2", "vocab_size": 300, "n_embd": 256, "n_layer": 2, "n_head": 4, "n_positions": 48}"#.into(),
        r#"{"model_type": "falcon", "vocab_size": 300, "hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
            "max_position_embeddings": 48}"#
            .into(),
        r#"{"model_type": "falcon", "vocab_size": 300, "hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 8,
            "num_kv_heads": 2, "new_decoder_architecture": true, "max_position_embeddings": 48}"#
            .into(),
    ]
    .iter()
    .map(|json| serde_json::from_str(json).unwrap())
    .collect()
}

fn tokenizer() -> Tokenizer {
    let settings = TrainSettings { vocab_size: 280, ..TrainSettings::default() };
    train(std::iter::once("clay and water 女娲造人 ".repeat(30)), &settings, &mut |_| {}).unwrap()
}

/// A model folder of that configuration.
fn folder(config: &ModelConfig, at: &Path) {
    let model = nuwa_models::build(config, 5).unwrap();
    nuwa_format::save_with_tokenizer(model.as_ref(), &tokenizer(), at).unwrap();
}

#[test]
fn what_is_written_gives_the_same_logits() {
    let place = tempfile::tempdir().unwrap();
    let input: Vec<u32> = (0..16).map(|i| (i * 13 + 5) % 300).collect();
    for (number, config) in wide().iter().enumerate() {
        let family = config.family();
        let model = place.path().join(format!("{number}"));
        folder(config, &model);
        let original = logits(load_model(&model).unwrap().as_ref(), &input, 16);
        let largest = original.iter().fold(0.0, |most: f32, logit| logit.abs().max(most));
        for (mixture, allowed) in
            [(Mixture::F32, 1e-5), (Mixture::BF16, 0.05), (Mixture::Q8_0, 0.08), (Mixture::Q4_K_M, 0.6)]
        {
            let out = model.join(format!("{}.gguf", mixture.name()));
            let written = export_gguf(&model, &out, mixture, None).unwrap();
            assert_eq!(written.bytes, out.metadata().unwrap().len());
            let read = load_model(&out).unwrap();
            assert_eq!(read.config().family(), if number == 1 { nuwa_models::Family::Llama } else { family });
            let off = difference(&logits(read.as_ref(), &input, 16), &original);
            assert!(off <= allowed * largest, "{family:?} {}: {off} of {largest}", mixture.name());
            assert!(mixture != Mixture::Q4_K_M || off > 0.0, "4 bits are not the same");
            let own = Tokenizer::load(&out).unwrap();
            assert_eq!(own.encode("clay 女娲 12\n").unwrap(), tokenizer().encode("clay 女娲 12\n").unwrap());
        }
        assert!(model.join("Modelfile").exists());
    }
}

#[test]
fn a_file_is_turned_into_a_folder() {
    let place = tempfile::tempdir().unwrap();
    let (model, file, out) =
        (place.path().join("model"), place.path().join("a.gguf"), place.path().join("out"));
    folder(&wide()[3], &model);
    export_gguf(&model, &file, Mixture::Q8_0, None).unwrap();
    let imported = nuwa_format::import(&file, &out).unwrap();
    assert_eq!(imported.tokenizer, Some(280));
    let [own, other] = [load_model(&file).unwrap(), load_model(&out).unwrap()];
    assert_eq!(own.parameters().to_host(), other.parameters().to_host());
    assert_eq!(Tokenizer::load(&out).unwrap().eos(), tokenizer().eos());
    let told = check_trainable(&file).unwrap_err();
    assert!(told.to_string().contains("its weights are quantised (Q8_0)"), "{told}");
    check_trainable(&out).unwrap();
}

#[test]
fn what_llama_cpp_does_not_compute_is_not_written() {
    let cases = [
        (
            r#"{"model_type": "gpt2", "vocab_size": 300, "n_embd": 32, "n_layer": 1, "n_head": 4, "n_positions": 48,
                "activation_function": "gelu"}"#,
            "it computes GELU by the error function",
        ),
        (
            r#"{"model_type": "falcon", "vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4,
                "alibi": true, "max_position_embeddings": 48}"#,
            "its positions are ALiBi's, which llama.cpp does not compute in Falcon",
        ),
    ];
    for (config, expected) in cases {
        let place = tempfile::tempdir().unwrap();
        let (model, out) = (place.path().join("model"), place.path().join("a.gguf"));
        folder(&serde_json::from_str(config).unwrap(), &model);
        let error = export_gguf(&model, &out, Mixture::F32, None).unwrap_err().to_string();
        assert!(error.contains("a.gguf is not written: ") && error.contains(expected), "{error}");
        assert!(!out.exists(), "{expected}");
    }
}

/// A file that is whole, small and of many kinds of tensors and keys.
fn whole_file(place: &Path) -> std::path::PathBuf {
    let (model, file) = (place.join("model"), place.join("a.gguf"));
    let config = r#"{"model_type": "llama", "vocab_size": 290, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 48}"#;
    folder(&serde_json::from_str(config).unwrap(), &model);
    export_gguf(&model, &file, Mixture::Q4_0, None).unwrap();
    file
}

fn try_to_read(file: &Path) -> Result<(), String> {
    load_for_inference(file, None).map_err(|error| error.to_string())?;
    Tokenizer::load(file).map(drop).map_err(|error| error.to_string())
}

#[test]
fn a_file_cut_at_any_place_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let file = whole_file(place.path());
    try_to_read(&file).unwrap();
    let whole = fs::read(&file).unwrap();
    // A tensor ends where the padding of 32 bytes begins.
    let needed = whole.len() - 32;
    for number in 0..200 {
        let length = needed * number / 200;
        fs::write(&file, &whole[..length]).unwrap();
        assert!(try_to_read(&file).is_err(), "cut to {length} of {}", whole.len());
    }
}

#[test]
fn damaged_numbers_are_refused_or_read() {
    let place = tempfile::tempdir().unwrap();
    let file = whole_file(place.path());
    let whole = fs::read(&file).unwrap();
    let mut state = 7_u64;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut refused = 0;
    for _ in 0..400 {
        let mut damaged = whole.clone();
        let at = draw(whole.len() - 8);
        match draw(4) {
            0 => damaged[at] ^= 1 << draw(8),
            1 => damaged[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes()),
            2 => damaged[at..at + 4].copy_from_slice(&(draw(1 << 31) as u32).to_le_bytes()),
            _ => damaged[at..at + 8].copy_from_slice(&0_u64.to_le_bytes()),
        }
        fs::write(&file, &damaged).unwrap();
        refused += usize::from(try_to_read(&file).is_err());
    }
    assert!(refused > 20, "{refused} of 400 were refused");
}
