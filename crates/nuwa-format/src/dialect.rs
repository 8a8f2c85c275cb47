//! `config.json` as other families and older programs write it, turned into a family that is computed here, or refused in
//! words for whoever only wants to use the model.
//!
//! What is turned computes the same: Qwen2 and Mistral are LLaMA with other defaults, Qwen2 with biases on queries, keys and
//! values alone; dynamic rotary scaling changes nothing within the context that the configuration names.

use std::path::Path;

use serde_json::{Value, json};

use crate::{Error, Result};

/// What may be set to another value only by training another model.
const DESCRIBES: &str = "config.json describes how the weights were trained: changed, it would give another model that answers \
    wrongly; run this one with transformers, or take a model without this";

/// Fields that change what a model computes, with the one value that is computed here (absent counts as that).
const FIXED: [(&str, Value); 8] = [
    ("scale_attn_weights", Value::Bool(true)),
    ("scale_attn_by_inverse_layer_idx", Value::Bool(false)),
    ("add_cross_attention", Value::Bool(false)),
    ("is_encoder_decoder", Value::Bool(false)),
    ("use_sliding_window", Value::Bool(false)),
    ("attn_logit_softcapping", Value::Null),
    ("final_logit_softcapping", Value::Null),
    ("use_qk_norm", Value::Bool(false)),
];

/// Where programs write that weights are quantised.
const QUANTISED: [&str; 3] = ["quantization_config", "compression_config", "quantization"];

/// The families by their `model_type`.
pub const FAMILIES: &str = "gpt2, llama, mistral or qwen2";

/// A configuration in the words of a family that is computed here.
#[derive(Debug)]
pub struct Translated {
    /// The fields.
    pub config: Value,
    /// The end of the names of tensors that the family there does not have, and that are zero here.
    pub zeros: Option<&'static str>,
}

/// The configuration `config`, read from `path`.
pub fn translate(path: &Path, mut config: Value) -> Result<Translated> {
    let family = family(path, &config)?;
    let refuse = |reason: String| Error::unsupported(path, reason, DESCRIBES);
    quantised(path, &config)?;
    for (field, computed) in &FIXED {
        let found = &config[*field];
        if !found.is_null() && found != computed {
            return Err(refuse(format!("{field} = {found} is not supported, only {computed} is")));
        }
    }
    attention_kinds(&config, &family).map_err(refuse)?;
    activation(&config, &family).map_err(refuse)?;
    // Llama 3 lists several ids that may end a text; the first is the tokenizer's.
    if let Some(first) = config["eos_token_id"].as_array().and_then(|ids| ids.first()).cloned() {
        config["eos_token_id"] = first;
    }
    if family == "gpt2" {
        return Ok(Translated { config, zeros: None });
    }
    rotary(&mut config).map_err(refuse)?;
    defaults(&mut config, &family);
    config["model_type"] = json!("llama");
    let has_biases = family == "qwen2";
    if has_biases {
        config["attention_bias"] = json!(true);
        config["mlp_bias"] = json!(false);
    }
    Ok(Translated { config, zeros: has_biases.then_some(".self_attn.o_proj.bias") })
}

fn family(path: &Path, config: &Value) -> Result<String> {
    match config["model_type"].as_str() {
        Some(known @ ("gpt2" | "llama" | "mistral" | "qwen2")) => Ok(known.into()),
        Some(found) => {
            let (path, found, known) = (path.to_path_buf(), found.to_string(), FAMILIES.into());
            Err(Error::UnknownFamily { path, found, known })
        }
        None => Err(Error::config(path, format!("model_type is missing, expected {FAMILIES}"))),
    }
}

fn quantised(path: &Path, config: &Value) -> Result<()> {
    for field in QUANTISED {
        let found = &config[field];
        if found.is_null() {
            continue;
        }
        let method =
            ["quant_method", "quantization_method", "mode"].iter().find_map(|name| found[*name].as_str());
        let how = match (method, found["bits"].as_u64()) {
            (Some(method), Some(bits)) => format!(" ({method}, {bits} bits)"),
            (Some(method), None) => format!(" ({method})"),
            (None, Some(bits)) => format!(" ({bits} bits)"),
            (None, None) => String::new(),
        };
        let reason = format!("{field} says that the weights are quantised{how}, which is not supported");
        let hint = "take the model as it was before it was quantised: the folder of the same name without GPTQ, AWQ, 4bit or the like, \
            with f32, f16 or bf16 weights";
        return Err(Error::unsupported(path, reason, hint));
    }
    Ok(())
}

/// Attention that sees the whole context, in every layer.
fn attention_kinds(config: &Value, family: &str) -> Result<(), String> {
    let kinds = config["layer_types"].as_array().into_iter().flatten();
    if let Some(other) = kinds.into_iter().find(|kind| *kind != "full_attention") {
        return Err(format!("layer_types holds {other}: only \"full_attention\" is supported"));
    }
    // Others have the field and do not look at it.
    let (window, context) = (&config["sliding_window"], &config["max_position_embeddings"]);
    match (window.as_u64(), context.as_u64()) {
        (Some(window), Some(context)) if family == "mistral" && window < context => Err(format!(
            "sliding_window = {window} with max_position_embeddings = {context}: attention within a window is not supported"
        )),
        (Some(window), None) if family == "mistral" => {
            Err(format!("sliding_window = {window}: attention within a window is not supported"))
        }
        _ => Ok(()),
    }
}

/// The activation by name; what is no text is the reader's to refuse.
fn activation(config: &Value, family: &str) -> Result<(), String> {
    let (field, known): (_, &[&str]) = match family {
        "gpt2" => ("activation_function", &["gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu"]),
        _ => ("hidden_act", &["silu", "swish", "gelu", "gelu_pytorch_tanh", "gelu_new"]),
    };
    match config[field].as_str() {
        Some(found) if !known.contains(&found) => {
            Err(format!("{field} = \"{found}\" is not supported, only {} are", known.join(", ")))
        }
        _ => Ok(()),
    }
}

/// Rotary settings with one name for each kind; those of two places agree.
fn rotary(config: &mut Value) -> Result<(), String> {
    let share = &config["partial_rotary_factor"];
    if !share.is_null() && share.as_f64() != Some(1.0) {
        return Err(format!("partial_rotary_factor = {share} is not supported, only 1 is"));
    }
    let context = config["max_position_embeddings"].clone();
    let mut kinds = Vec::new();
    for place in ["rope_parameters", "rope_scaling"] {
        let Some(rope) = config[place].as_object_mut() else { continue };
        if let Some(layers) = rope.iter().find_map(|(name, value)| value.is_object().then_some(name)) {
            return Err(format!(
                "{place} has settings of its own for {layers} layers, which is not supported"
            ));
        }
        let older = rope.remove("type");
        if !rope.contains_key("rope_type") {
            rope.insert("rope_type".into(), older.unwrap_or_else(|| json!("default")));
        }
        plain_kind(place, rope, &context)?;
        kinds.push(rope.clone());
    }
    let same = |a: &Value, b: &Value| match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    };
    if let [first, second] = &kinds[..] {
        let differs =
            second.iter().find(|(name, value)| !first.get(*name).is_some_and(|own| same(own, value)));
        if let Some((name, value)) = differs {
            let own = first.get(name).unwrap_or(&Value::Null);
            return Err(format!("rope_parameters and rope_scaling differ: {name} is {own} and {value}"));
        }
    }
    Ok(())
}

/// A kind of rotary scaling that is computed here.
fn plain_kind(place: &str, rope: &mut serde_json::Map<String, Value>, context: &Value) -> Result<(), String> {
    let share = rope.get("partial_rotary_factor").filter(|share| share.as_f64() != Some(1.0));
    if let Some(share) = share {
        return Err(format!("{place}: partial_rotary_factor = {share} is not supported, only 1 is"));
    }
    match rope["rope_type"].as_str() {
        // Frequencies change beyond the context alone, and nothing here goes beyond it.
        Some("dynamic") => {
            let original = rope.get("original_max_position_embeddings");
            if original.is_some_and(|original| original != context) {
                return Err(format!(
                    "{place}: dynamic scaling of a context of {} is not supported",
                    original.unwrap_or(context)
                ));
            }
            rope.retain(|name, _| name == "rope_theta");
            rope.insert("rope_type".into(), json!("default"));
            Ok(())
        }
        Some("default" | "linear" | "llama3") => Ok(()),
        _ => Err(format!(
            "{place}: rope_type = {} is not supported, only default, linear, dynamic and llama3 are",
            rope["rope_type"]
        )),
    }
}

/// What transformers takes where a family's configuration does not say.
fn defaults(config: &mut Value, family: &str) {
    let own: &[(&str, u64)] = match family {
        "mistral" => &[("max_position_embeddings", 4096 * 32), ("num_key_value_heads", 8)],
        "qwen2" => &[("max_position_embeddings", 32_768), ("num_key_value_heads", 32)],
        _ => &[],
    };
    let Some(fields) = config.as_object_mut() else { return };
    for (field, value) in own {
        fields.entry(*field).or_insert_with(|| json!(value));
    }
}
