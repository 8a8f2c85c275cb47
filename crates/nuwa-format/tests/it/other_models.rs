//! Folders of other families, in other layouts: loaded as what transformers computes, or refused in words for a user, whose
//! hint never leads to a wrong model.

use std::fs;
use std::path::{Path, PathBuf};

use nuwa_format::{load_for_inference, load_model, save_model, weights_memory};
use nuwa_models::Model;
use nuwa_tensor::DType;
use serde_json::{Value, json};

use crate::{difference, fixture, golden, greedy, ids, logits};

const LENGTH: usize = 17;

fn other(name: &str) -> PathBuf {
    fixture("other_models").join(name)
}

/// Whether `model` gives what transformers computed from the model in `folder`.
fn assert_golden(model: &dyn Model, folder: &Path) {
    let golden = golden(&folder.join("golden.safetensors"));
    let name = folder.display();
    let off = difference(&logits(model, &ids(&golden["ids"]), LENGTH), &golden["logits"]);
    assert!(off <= 2e-5, "{name}: logits differ by {off}");
    let continuation = ids(&golden["greedy"]);
    assert_eq!(greedy(model, &ids(&golden["ids"])[..5], continuation.len()), continuation, "{name}");
}

#[test]
fn a_scaling_without_effect_is_kept_when_written_again() {
    let folder = other("llama_rope_dynamic");
    let model = load_model(&folder).unwrap();
    assert_golden(model.as_ref(), &folder);
    let out = tempfile::tempdir().unwrap();
    save_model(model.as_ref(), out.path()).unwrap();
    assert_golden(load_model(out.path()).unwrap().as_ref(), &folder);
    let config = fs::read_to_string(out.path().join("config.json")).unwrap();
    assert!(config.contains("\"rope_type\": \"dynamic\""), "{config}");
}

/// What transformers 5 writes with `save_original_format=False`; written again, each matrix is a tensor.
#[test]
fn experts_in_one_tensor_are_read() {
    for name in ["mixtral_fused", "olmoe_fused"] {
        let model = load_model(&other(name)).unwrap();
        assert_golden(model.as_ref(), &other(name));
        let own = load_model(&fixture("models").join(name.trim_end_matches("_fused"))).unwrap();
        assert!(own.parameters().to_host() == model.parameters().to_host(), "{name}");
        let quick = load_for_inference(&other(name), Some(DType::F32)).unwrap();
        assert_golden(quick.as_ref(), &other(name));
    }
}

#[test]
fn experts_in_another_form_are_named() {
    let folder = changed("mixtral", |folder| {
        let path = folder.join("model.safetensors");
        let bytes = fs::read(&path).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let renamed = file.tensors().into_iter().map(|(name, view)| (name.replace(".w1.", ".v1."), view));
        safetensors::serialize_to_file(renamed, None, &path).unwrap();
    });
    let told = told(&folder);
    assert!(
        told.starts_with(
            "MODEL/model.safetensors: experts are stored neither as model.layers.0.block_sparse_moe.experts.0.w1.weight nor as \
             model.layers.0.mlp.experts.gate_up_proj; found: "
        ) && told.contains("model.layers.0.block_sparse_moe.experts.0.v1.weight"),
        "{told}"
    );
}

/// A copy of `fixtures/models/NAME` that `change` was made to.
fn changed(name: &str, change: impl FnOnce(&Path)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = fixture("models").join(name);
    let from = if from.exists() { from } else { other(name) };
    for file in ["config.json", "model.safetensors"] {
        fs::copy(from.join(file), folder.path().join(file)).unwrap();
    }
    change(folder.path());
    folder
}

fn with_fields(name: &str, fields: Value) -> tempfile::TempDir {
    changed(name, |folder| {
        let path = folder.join("config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for (field, value) in fields.as_object().unwrap() {
            config[field] = value.clone();
        }
        fs::write(path, config.to_string()).unwrap();
    })
}

/// Error and hint about a folder, its name left out.
fn told(folder: &tempfile::TempDir) -> String {
    let error = load_model(folder.path()).err().expect("it is not refused");
    let hint = error.hint().unwrap();
    for wrong in ["correct the field", "change the field", "set ", "edit"] {
        assert!(!hint.contains(wrong), "a hint to another model: {hint}");
    }
    format!("{error}\n  {hint}").replace(&folder.path().display().to_string(), "MODEL")
}

#[test]
fn what_falcon_and_lamda_do_not_compute_is_refused() {
    let refused = [
        ("falcon", json!({ "alibi": false, "rotary": false })),
        ("falcon", json!({ "rope_scaling": { "type": "linear", "factor": 2.0 } })),
        ("falcon", json!({ "activation": "relu" })),
        ("lamda", json!({ "feed_forward_proj": "relu" })),
    ];
    let all =
        refused.map(|(name, fields)| told(&with_fields(name, fields)).lines().next().unwrap().to_string());
    insta::assert_snapshot!(all.join("\n"), @r#"
    MODEL/config.json: rotary = false with alibi = false: positions are one of the two
    MODEL/config.json: rope_type = "linear" is not supported for falcon, only "default" is
    MODEL/config.json: activation = "relu" is not supported, only gelu, gelu_new, gelu_pytorch_tanh, gelu_fast are
    MODEL/config.json: feed_forward_proj = "relu" is not supported, only gated-gelu are
    "#);
}

#[test]
fn what_is_not_computed_is_refused() {
    let refused = [
        ("llama", json!({ "model_type": "phi3" })),
        ("llama", json!({ "hidden_act": "relu2" })),
        ("gpt2", json!({ "activation_function": "relu" })),
        (
            "llama",
            json!({ "rope_parameters": null, "rope_scaling": { "type": "longrope", "short_factor": [1] } }),
        ),
        ("llama", json!({ "rope_scaling": { "type": "linear", "factor": 2.0 } })),
        ("llama", json!({ "rope_parameters": { "full_attention": { "rope_type": "default" } } })),
        (
            "llama",
            json!({ "rope_parameters": { "rope_type": "dynamic", "original_max_position_embeddings": 32 } }),
        ),
        ("llama", json!({ "partial_rotary_factor": 0.5 })),
        ("llama", json!({ "quantization_config": { "quant_method": "gptq", "bits": 4 } })),
        ("llama", json!({ "quantization": { "group_size": 64, "bits": 8 } })),
        ("llama", json!({ "use_sliding_window": true, "sliding_window": 32 })),
        ("mistral", json!({ "layer_types": ["full_attention", "sliding_attention"] })),
        ("gpt2", json!({ "scale_attn_by_inverse_layer_idx": true })),
    ];
    let all = refused.map(|(name, fields)| told(&with_fields(name, fields)));
    insta::assert_snapshot!(all.join("\n"), @r#"
    MODEL/config.json: unknown model_type "phi3", expected bart, bert, custom, falcon, gpt2, gpt_neo, gru, lamda, llama, lstm, marian, mistral, mixtral, olmoe, qwen2, qwen3, qwen3_moe, recurrent_gemma, t5, unilm, xlm or xlnet
      take a model of one of these kinds (Llama 3, TinyLlama, SmolLM2, Mistral, Qwen2.5, Qwen3, GPT-2 and GPT-Neo are), or run this one with transformers; another model_type in config.json does not make it one of them
    MODEL/config.json: hidden_act = "relu2" is not supported, only silu, swish, gelu, gelu_pytorch_tanh, gelu_new are
      config.json describes how the weights were trained: changed, it would give another model that answers wrongly; run this one with transformers, or take a model without this
    MODEL/config.json: activation_function = "relu" is not supported, only gelu_new, gelu_pytorch_tanh, gelu_fast, gelu are
      config.json describes how the weights were trained: changed, it would give another model that answers wrongly; run this one with transformers, or take a model without this
    MODEL/config.json: rope_scaling: rope_type = "longrope" is not supported, only default, linear, dynamic, yarn and llama3 are
      config.json describes how the weights were trained: changed, it would give another model that answers wrongly; run this one with transformers, or take a model without this
    MODEL/config.json: rope_parameters and rope_scaling differ: factor is null and 2.0
      config.json describes how the weights were trained: changed, it would give another model that answers wrongly; run this one with transformers, or take a model without this
    MODEL/config.json: rope_parameters has settings of its own for full_attention layers, which is not supported
      config.json describes how the weights were trained: changed, it would give another model that answers wrongly; run this one with transformers, or take a model without this
    MODEL/config.json: rope_parameters: dynamic scaling of a context of 32 is not supported
      config.json describes how the weights were trained: changed, it would give another model that answers wrongly; run this one with transformers, or take a model without this
    MODEL/config.json: partial_rotary_factor = 0.5 is not supported, only 1 is
      config.json describes how the weights were trained: changed, it would give another model that answers wrongly; run this one with transformers, or take a model without this
    MODEL/config.json: quantization_config says that the weights are quantised (gptq, 4 bits), which is not supported
      take the model as it was before it was quantised: the folder of the same name without GPTQ, AWQ, 4bit or the like, with f32, f16 or bf16 weights
    MODEL/config.json: quantization says that the weights are quantised (8 bits), which is not supported
      take the model as it was before it was quantised: the folder of the same name without GPTQ, AWQ, 4bit or the like, with f32, f16 or bf16 weights
    MODEL/config.json: use_sliding_window = true is not supported, only false is
      config.json describes how the weights were trained: changed, it would give another model that answers wrongly; run this one with transformers, or take a model without this
    MODEL/config.json: layer_types holds "sliding_attention": only "full_attention" is supported
      config.json describes how the weights were trained: changed, it would give another model that answers wrongly; run this one with transformers, or take a model without this
    MODEL/config.json: scale_attn_by_inverse_layer_idx = true is not supported, only false is
      config.json describes how the weights were trained: changed, it would give another model that answers wrongly; run this one with transformers, or take a model without this
    "#);
}

#[test]
fn what_makes_no_difference_is_no_reason_to_refuse() {
    for (name, fields) in [
        ("llama", json!({ "hidden_act": "swish", "sliding_window": 32, "quantization_config": null })),
        ("llama", json!({ "rope_scaling": { "type": "default" }, "partial_rotary_factor": 1.0 })),
        (
            "llama_rope_linear",
            json!({ "rope_parameters": null, "rope_scaling": { "type": "linear", "factor": 4 } }),
        ),
    ] {
        let (as_it_was, now) =
            (load_model(&fixture("models").join(name)).unwrap(), with_fields(name, fields));
        assert_eq!(load_model(now.path()).unwrap().config(), as_it_was.config());
    }
    let wide = with_fields("mistral", json!({ "sliding_window": 64 }));
    assert_golden(load_model(wide.path()).unwrap().as_ref(), &fixture("models/mistral"));
}

/// Header and numbers of the tensors of a file for which `wanted` holds, as a file of its own.
fn part(bytes: &[u8], wanted: impl Fn(usize) -> bool) -> Vec<u8> {
    let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
    let mut tensors = file.tensors();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let chosen =
        tensors.into_iter().enumerate().filter(|(index, _)| wanted(*index)).map(|(_, tensor)| tensor);
    safetensors::serialize(chosen, None).unwrap()
}

/// The weights of a folder in three parts, without an index.
fn in_parts(folder: &Path) {
    let bytes = fs::read(folder.join("model.safetensors")).unwrap();
    fs::remove_file(folder.join("model.safetensors")).unwrap();
    for number in 0..3 {
        let name = format!("model-{:05}-of-00003.safetensors", number + 1);
        fs::write(folder.join(name), part(&bytes, |index| index % 3 == number)).unwrap();
    }
}

#[test]
fn parts_without_an_index_are_read_and_a_missing_one_is_named() {
    let whole = load_model(&fixture("models/llama")).unwrap();
    let parts = changed("llama", in_parts);
    assert_eq!(load_model(parts.path()).unwrap().parameters().to_host(), whole.parameters().to_host());
    fs::remove_file(parts.path().join("model-00002-of-00003.safetensors")).unwrap();
    let missing = told(&parts);
    fs::write(parts.path().join("model-00001-of-00002.safetensors"), "").unwrap();
    let mixed = told(&parts);
    let indexed = changed("llama", |folder| {
        in_parts(folder);
        let index = json!({ "weight_map": { "lm_head.weight": "model-00001-of-00009.safetensors" } });
        fs::write(folder.join("model.safetensors.index.json"), index.to_string()).unwrap();
    });
    insta::assert_snapshot!([missing, mixed, told(&indexed)].join("\n"), @r#"
    MODEL: model-00002-of-00003.safetensors is missing; model-00001-of-00003.safetensors says that there are 3 parts
      fetch the whole folder again: every file of the model has to lie in it
    MODEL is not valid: it holds parts of two models, model-00001-of-00002.safetensors and model-00001-of-00003.safetensors
      the file is damaged or of another kind; fetch or export it again
    MODEL: model-00001-of-00009.safetensors is missing; model.safetensors.index.json names it
      fetch the whole folder again: every file of the model has to lie in it
    "#);
}

#[test]
fn weights_that_are_not_there_are_told_apart() {
    let instead = |name: &str, content: &str| {
        told(&changed("llama", |folder| {
            fs::remove_file(folder.join("model.safetensors")).unwrap();
            fs::write(folder.join(name), content).unwrap();
        }))
    };
    let all = [
        instead("README.md", ""),
        instead(
            "model.safetensors",
            "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 95160\n",
        ),
        instead("model.fp16.safetensors", ""),
        instead("llama-q4_0.gguf", ""),
        instead("pytorch_model-00001-of-00002.bin", ""),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    MODEL is no model folder: it has no model.safetensors
      weights are read from model.safetensors, or from its parts (model-00001-of-00002.safetensors and so on); fetch the model's whole folder in this form
    MODEL/model.safetensors: it is a pointer of Git LFS, not the weights themselves
      fetch the file itself, in the folder that was cloned: git lfs pull
    MODEL: its weights are called model.fp16.safetensors, expected model.safetensors
      if they are the weights of config.json beside them, rename the file
    MODEL: it holds no model.safetensors, but llama-q4_0.gguf, which is a whole model by itself
      name the GGUF file and not its folder
    MODEL is no model folder: it has no model.safetensors
      its weights are a PyTorch pickle, which is not read; load it in transformers and save it again with save_pretrained, which writes model.safetensors
    "#);
}

#[test]
fn each_tensor_may_have_a_kind_of_its_own() {
    let whole = load_model(&fixture("models/llama")).unwrap();
    let mixed = changed("llama", |folder| {
        let bytes = fs::read(folder.join("model.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let wide = |view: &safetensors::tensor::TensorView<'_>| -> Vec<u8> {
            let words = view.data().as_chunks::<4>().0.iter();
            words.flat_map(|word| f64::from(f32::from_le_bytes(*word)).to_le_bytes()).collect()
        };
        let all: Vec<_> = file
            .tensors()
            .into_iter()
            .map(|(name, view)| (name, view.shape().to_vec(), wide(&view)))
            .collect();
        let views = all.iter().map(|(name, shape, data)| {
            (
                name,
                safetensors::tensor::TensorView::new(safetensors::Dtype::F64, shape.clone(), data).unwrap(),
            )
        });
        fs::write(folder.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    });
    assert_eq!(load_model(mixed.path()).unwrap().parameters().to_host(), whole.parameters().to_host());
}

#[test]
fn weights_for_inference_are_of_the_kind_of_the_file() {
    let narrow = |only_matrices: bool| {
        changed("llama", move |folder| {
            let bytes = fs::read(folder.join("model.safetensors")).unwrap();
            let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            let upper_half = |view: &safetensors::tensor::TensorView<'_>| -> Vec<u8> {
                view.data().as_chunks::<4>().0.iter().flat_map(|word| [word[2], word[3]]).collect()
            };
            let all: Vec<_> = file
                .tensors()
                .into_iter()
                .map(|(name, view)| match !only_matrices || view.shape().len() > 1 {
                    true => (name, safetensors::Dtype::BF16, view.shape().to_vec(), upper_half(&view)),
                    false => (name, view.dtype(), view.shape().to_vec(), view.data().to_vec()),
                })
                .collect();
            let views = all.iter().map(|(name, dtype, shape, data)| {
                (name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap())
            });
            let written = safetensors::serialize(views, None).unwrap();
            fs::write(folder.join("model.safetensors"), written).unwrap();
        })
    };
    let wide = fixture("models/llama");
    let elements = weights_memory(&wide, Some(DType::Bf16)).unwrap() / 2;
    assert_eq!(weights_memory(&wide, None).unwrap(), 4 * elements);
    for folder in [narrow(false), narrow(true)] {
        assert_eq!(weights_memory(folder.path(), None).unwrap(), 2 * elements);
        let (plain, kept) =
            (load_model(folder.path()).unwrap(), load_for_inference(folder.path(), None).unwrap());
        for (plain, kept) in plain.parameters().iter().zip(kept.parameters().iter()) {
            assert_eq!(plain.to_host(), kept.to_host(), "{}", plain.entry().path());
        }
    }
}

#[test]
fn folders_from_the_field_are_loaded_or_refused_rightly() {
    let field = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/field/train");
    if !field.exists() {
        println!("skipped: folders_from_the_field_are_loaded_or_refused_rightly");
        return;
    }
    for name in ["qwen2", "rope_dynamic", "act_gelu", "sharded_noindex"] {
        assert!(load_model(&field.join(name)).is_ok(), "{name}");
    }
    let error = load_model(&field.join("quant")).err().unwrap().to_string();
    assert!(error.contains("quantised (gptq, 4 bits)"), "{error}");
}
