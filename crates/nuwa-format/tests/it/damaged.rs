//! Whatever is wrong with a folder is an error that names file, field or tensor, and says what to do.

use std::fs;
use std::path::Path;

use nuwa_format::load_model;
use serde_json::{Value, json};

use crate::{copy, fixture};

/// The message about a copy of a fixture that `damage` was done to, with the folder's name left out.
fn message(name: &str, damage: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    copy(&fixture("models").join(name), &path);
    damage(&path);
    let error = load_model(&path).err().expect("the damage goes unnoticed");
    assert!(error.hint().is_some(), "no hint for {error}");
    error.to_string().replace(&format!("{}", path.display()), "MODEL")
}

/// The message about a configuration in which `change` was made.
fn with_config(name: &str, change: impl FnOnce(&mut Value)) -> String {
    message(name, |folder| {
        let path = folder.join("config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut config);
        fs::write(&path, config.to_string()).unwrap();
    })
}

/// The message about weights whose bytes `change` changed.
fn with_weights(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    message(name, |folder| {
        let path = folder.join("model.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
    })
}

/// Replaces text in the header by text of the same length.
fn rewrite(bytes: &mut [u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
}

#[test]
fn missing_files() {
    insta::assert_snapshot!(message("llama", |m| fs::remove_dir_all(m).unwrap()), @"MODEL does not exist");
    insta::assert_snapshot!(message("llama", |m| fs::remove_file(m.join("config.json")).unwrap()), @"MODEL is no model folder: it has no config.json");
    insta::assert_snapshot!(message("llama", |m| fs::remove_file(m.join("model.safetensors")).unwrap()), @"MODEL is no model folder: it has no model.safetensors");
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture("models/gpt2"), folder.path());
    fs::rename(folder.path().join("model.safetensors"), folder.path().join("pytorch_model.bin")).unwrap();
    let hint = load_model(folder.path()).err().unwrap().hint().unwrap();
    insta::assert_snapshot!(hint, @"its weights are a PyTorch pickle, which is not read; load it in transformers and save it again with save_pretrained, which writes model.safetensors");
}

#[test]
fn configurations() {
    insta::assert_snapshot!(message("llama", |m| fs::write(m.join("config.json"), "{\"model_type\": ").unwrap()), @"MODEL/config.json is not valid: EOF while parsing a value at line 1 column 15");
    insta::assert_snapshot!(message("llama", |m| fs::write(m.join("config.json"), "[1, 2]").unwrap()), @"MODEL/config.json: model_type is missing, expected bart, bert, custom, falcon, gpt2, gpt_neo, gru, lamda, llama, lstm, marian, mistral, mixtral, olmoe, qwen2, qwen3, qwen3_moe, recurrent_gemma, t5, unilm, xlm or xlnet");
    insta::assert_snapshot!(with_config("llama", |c| c["model_type"] = json!("mamba")), @r#"MODEL/config.json: unknown model_type "mamba", expected bart, bert, custom, falcon, gpt2, gpt_neo, gru, lamda, llama, lstm, marian, mistral, mixtral, olmoe, qwen2, qwen3, qwen3_moe, recurrent_gemma, t5, unilm, xlm or xlnet"#);
    insta::assert_snapshot!(with_config("llama", |c| c["hidden_size"] = json!("big")), @r#"MODEL/config.json: hidden_size: invalid type: string "big", expected a whole number"#);
    insta::assert_snapshot!(with_config("llama", |c| c["hidden_size"] = json!(-1)), @"MODEL/config.json: hidden_size: invalid value: integer `-1`, expected a whole number");
    insta::assert_snapshot!(with_config("llama", |c| { c.as_object_mut().unwrap().remove("hidden_size"); }), @"MODEL/config.json: missing field `hidden_size`");
    insta::assert_snapshot!(with_config("llama", |c| c["num_attention_heads"] = json!(0)), @"MODEL/config.json: num_attention_heads = 0: expected a whole number of at least 1");
    insta::assert_snapshot!(with_config("llama", |c| c["num_key_value_heads"] = json!(3)), @"MODEL/config.json: num_key_value_heads = 3: expected a divisor of num_attention_heads = 4");
    insta::assert_snapshot!(with_config("llama", |c| c["hidden_act"] = json!("relu")), @r#"MODEL/config.json: hidden_act = "relu" is not supported, only silu, swish, gelu, gelu_pytorch_tanh, gelu_new are"#);
    insta::assert_snapshot!(with_config("llama", |c| c["rope_parameters"] = json!({"rope_type": "longrope", "factor": 2})), @r#"MODEL/config.json: rope_parameters: rope_type = "longrope" is not supported, only default, linear, dynamic, yarn and llama3 are"#);
    insta::assert_snapshot!(with_config("qwen3_rope_yarn", |c| c["rope_parameters"]["beta_fast"] = json!(0.1)), @"MODEL/config.json: beta_fast = 0.1: expected a number of at least beta_slow = 0.5");
    insta::assert_snapshot!(with_config("mistral_window", |c| c["sliding_window"] = json!(0)), @"MODEL/config.json: sliding_window = 0: expected a whole number of at least 1");
    insta::assert_snapshot!(with_config("mistral_window", |c| c["hidden_size"] = json!("big")), @r#"MODEL/config.json: hidden_size: invalid type: string "big", expected a whole number"#);
    insta::assert_snapshot!(with_config("llama", |c| c["rms_norm_eps"] = json!(0)), @"MODEL/config.json: rms_norm_eps = 0: expected a number above 0");
    insta::assert_snapshot!(with_config("llama", |c| c["max_position_embeddings"] = json!(1 << 29)), @"MODEL/config.json: a context of 536870912 positions; expected at most 4194304");
    insta::assert_snapshot!(with_config("llama", |c| c["quantization_config"] = json!({"bits": 4})), @"MODEL/config.json: quantization_config says that the weights are quantised (4 bits), which is not supported");
    insta::assert_snapshot!(with_config("llama_rope_llama3", |c| c["rope_parameters"]["high_freq_factor"] = json!(1)), @"MODEL/config.json: high_freq_factor = 1: expected a number above low_freq_factor = 1");
    insta::assert_snapshot!(with_config("gpt2", |c| c["n_head"] = json!(5)), @"MODEL/config.json: n_head = 5: expected a divisor of n_embd = 32");
    insta::assert_snapshot!(with_config("gpt2", |c| c["activation_function"] = json!("relu")), @r#"MODEL/config.json: activation_function = "relu" is not supported, only gelu_new, gelu_pytorch_tanh, gelu_fast, gelu are"#);
    insta::assert_snapshot!(with_config("gpt2", |c| c["scale_attn_by_inverse_layer_idx"] = json!(true)), @"MODEL/config.json: scale_attn_by_inverse_layer_idx = true is not supported, only false is");
}

#[test]
fn configurations_that_do_not_fit_the_weights() {
    insta::assert_snapshot!(with_config("llama", |c| c["num_hidden_layers"] = json!(1)), @"MODEL/model.safetensors: 9 tensors have no place in the model: model.layers.1.input_layernorm.weight, model.layers.1.mlp.down_proj.weight, model.layers.1.mlp.gate_proj.weight, ...");
    insta::assert_snapshot!(with_config("llama", |c| c["num_hidden_layers"] = json!(3)), @"MODEL/model.safetensors: tensor model.layers.2.self_attn.q_proj.weight is missing");
    insta::assert_snapshot!(with_config("llama", |c| c["num_hidden_layers"] = json!(1 << 29)), @"MODEL/model.safetensors: tensor of layer 536870911 is missing");
    insta::assert_snapshot!(with_config("llama", |c| c["vocab_size"] = json!(1 << 29)), @"MODEL/model.safetensors: tensor model.embed_tokens.weight has shape [97, 32], but config.json asks for [536870912, 32]");
    insta::assert_snapshot!(with_config("llama", |c| c["hidden_size"] = json!(36)), @"MODEL/model.safetensors: tensor model.embed_tokens.weight has shape [97, 32], but config.json asks for [97, 36]");
    insta::assert_snapshot!(with_config("llama", |c| c["attention_bias"] = json!(true)), @"MODEL/model.safetensors: tensor model.layers.0.self_attn.q_proj.bias is missing");
    insta::assert_snapshot!(with_config("llama", |c| c["tie_word_embeddings"] = json!(true)), @"MODEL/model.safetensors: config.json ties the output head to the embedding, but lm_head.weight differs");
    insta::assert_snapshot!(with_config("llama_bias", |c| c["attention_bias"] = json!(false)), @"MODEL/model.safetensors: 4 tensors have no place in the model: model.layers.0.self_attn.k_proj.bias, model.layers.0.self_attn.o_proj.bias, model.layers.0.self_attn.q_proj.bias, ...");
    insta::assert_snapshot!(with_config("gpt2", |c| c["n_inner"] = json!(64)), @"MODEL/model.safetensors: tensor transformer.h.0.mlp.c_fc.weight has shape [32, 128], but config.json asks for [32, 64]");
}

#[test]
fn weights() {
    insta::assert_snapshot!(with_weights("llama", |b| b.truncate(50_000)), @"MODEL/model.safetensors is 50000 bytes long, expected 95160 by its header");
    insta::assert_snapshot!(with_weights("llama", |b| b.truncate(100)), @"MODEL/model.safetensors is 100 bytes long, expected 2104 by its header");
    insta::assert_snapshot!(with_weights("llama", |b| b.clear()), @"MODEL/model.safetensors is not valid: it has 0 bytes, a safetensors file has at least 8");
    insta::assert_snapshot!(with_weights("llama", |b| b.extend([0; 5])), @"MODEL/model.safetensors is 95165 bytes long, expected 95160 by its header");
    insta::assert_snapshot!(with_weights("llama", |b| b[..8].fill(0xff)), @"MODEL/model.safetensors is not valid: its first 8 bytes say that its header has 18446744073709551615 bytes: no safetensors file");
    insta::assert_snapshot!(with_weights("llama", |b| b[9] = b'!'), @"MODEL/model.safetensors is not valid: its header of 2096 bytes: key must be a string at line 1 column 2");
    insta::assert_snapshot!(with_weights("llama", |b| rewrite(b, "\"F32\"", "\"I32\"")), @"MODEL/model.safetensors: tensor lm_head.weight holds I32, expected F32, F16, BF16 or F64");
    insta::assert_snapshot!(with_weights("llama", |b| rewrite(b, "model.norm.weight", "model.nora.weight")), @"MODEL/model.safetensors: tensor model.norm.weight is missing");
    insta::assert_snapshot!(with_weights("llama", |b| rewrite(b, "[97,32]", "[32,97]")), @"MODEL/model.safetensors: tensor lm_head.weight has shape [32, 97], but config.json asks for [97, 32]");
    insta::assert_snapshot!(with_weights("llama", |b| { let end = b.len(); b[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes()); }), @"MODEL/model.safetensors: tensor model.norm.weight holds NaN at element 31, expected finite numbers");
}

/// Any change of the header or of a configuration is an error or a model, never a panic.
#[test]
fn no_byte_makes_it_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    copy(&fixture("models/gpt2_gelu_exact"), folder.path());
    let good = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    for at in (0..header).step_by(3) {
        let mut bytes = good.clone();
        bytes[at] = bytes[at].wrapping_add(1 + (at % 7) as u8);
        fs::write(&path, &bytes).unwrap();
        if let Err(error) = load_model(folder.path()) {
            assert!(!error.to_string().is_empty());
        }
    }
}

/// Nor does any value of any field.
#[test]
fn no_field_makes_it_panic() {
    let strange = [
        json!(null),
        json!(0),
        json!(1),
        json!(-1),
        json!(3),
        json!(0.5),
        json!(1e300),
        json!(u64::MAX),
        json!(1_u64 << 29),
        json!("x"),
        json!([]),
        json!([1, 2]),
        json!({}),
        json!(true),
    ];
    for name in ["gpt2", "llama_rope_llama3", "gpt_neo", "qwen3_rope_yarn", "qwen2_window"] {
        let folder = tempfile::tempdir().unwrap();
        copy(&fixture("models").join(name), folder.path());
        let path = folder.path().join("config.json");
        let config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let fields: Vec<String> = config.as_object().unwrap().keys().cloned().collect();
        for (field, value) in fields.iter().flat_map(|field| strange.iter().map(move |value| (field, value)))
        {
            let mut changed = config.clone();
            changed[field] = value.clone();
            fs::write(&path, changed.to_string()).unwrap();
            if let Err(error) = load_model(folder.path()) {
                let message = error.to_string();
                let named = ["config.json", "model.safetensors"].iter().any(|file| message.contains(file));
                assert!(named, "{field} = {value}: {message}");
            }
        }
    }
}

/// A folder with `config` and with weights of which only the header is there: `tensors` names and shapes of no bytes.
fn empty_tensors(config: &Value, tensors: &[(&str, Vec<usize>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let info = |(name, shape): &(&str, Vec<usize>)| {
        (name.to_string(), json!({"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}))
    };
    let header = Value::Object(tensors.iter().map(info).collect()).to_string();
    let length = (header.len() as u64).to_le_bytes();
    fs::write(folder.path().join("model.safetensors"), [&length[..], header.as_bytes()].concat()).unwrap();
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

/// Tensors of no bytes have the right number of rows; nothing may be asked for on their word.
#[test]
fn tensors_without_bytes_ask_for_no_memory() {
    let config = json!({"model_type": "gpt2", "vocab_size": 1 << 29, "n_positions": 1024, "n_embd": 1 << 20,
        "n_layer": 1, "n_head": 1});
    let mut tensors = vec![
        ("transformer.wte.weight", vec![1 << 29, 0]),
        ("transformer.wpe.weight", vec![1024, 0]),
        ("transformer.ln_f.weight", vec![0]),
        ("transformer.ln_f.bias", vec![0]),
    ];
    let folder = empty_tensors(&config, &tensors);
    let told = load_model(folder.path()).err().unwrap().to_string();
    assert!(
        told.ends_with("wte.weight has shape [536870912, 0], but config.json asks for [536870912, 1048576]"),
        "{told}"
    );
    tensors.truncate(1);
    tensors[0].1 = vec![usize::MAX, usize::MAX, 0];
    assert!(load_model(empty_tensors(&config, &tensors).path()).is_err());
}

#[test]
fn a_table_of_positions_is_no_larger_than_the_weights() {
    let text = with_config("llama", |c| {
        c["max_position_embeddings"] = json!(4_194_304);
        c["head_dim"] = json!(8);
    });
    insta::assert_snapshot!(text, @"MODEL/config.json: a context of 4194304 positions of 8 numbers each: such a table is larger than the weights; expected at most 2100060");
}

#[test]
fn an_adapter_without_rank_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (rank, alpha) in [(json!(0.5), json!(1)), (json!(0), json!(1)), (json!(1), json!(1e300))] {
        let config = json!({"r": rank, "lora_alpha": alpha});
        fs::write(folder.path().join("adapter_config.json"), config.to_string()).unwrap();
        let told = nuwa_format::load_adapter(folder.path()).unwrap_err().to_string();
        assert!(told.contains("expected a whole number above 0") || told.contains("lora_alpha is"), "{told}");
    }
}

#[test]
fn shards_cannot_lie_elsewhere() {
    let text = message("llama", |m| {
        fs::remove_file(m.join("model.safetensors")).unwrap();
        let index = json!({"weight_map": {"model.norm.weight": "../secret.safetensors"}});
        fs::write(m.join("model.safetensors.index.json"), index.to_string()).unwrap();
    });
    insta::assert_snapshot!(text, @r#"MODEL/model.safetensors.index.json is not valid: shard "../secret.safetensors" is not the name of a file beside it"#);
}
