//! `config.json` of LLaMA as other families and older programs write it.
//!
//! What is turned computes the same: Qwen2 and Mistral are LLaMA with other defaults, Qwen2 with biases on queries, keys and
//! values alone; dynamic rotary scaling changes nothing within the context that the configuration names.

use serde_json::{Map, Value, json};

/// See [`FamilyConfig::translate`](crate::FamilyConfig::translate).
pub fn translate(config: &mut Value, model_type: &str) -> Result<Option<&'static str>, String> {
    attention_kinds(config, model_type)?;
    rotary(config)?;
    defaults(config, model_type);
    let has_biases = model_type == "qwen2";
    if has_biases {
        config["attention_bias"] = json!(true);
        config["mlp_bias"] = json!(false);
    }
    Ok(has_biases.then_some(".self_attn.o_proj.bias"))
}

/// Attention that sees the whole context, in every layer.
fn attention_kinds(config: &Value, model_type: &str) -> Result<(), String> {
    let kinds = config["layer_types"].as_array().into_iter().flatten();
    if let Some(other) = kinds.into_iter().find(|kind| *kind != "full_attention") {
        return Err(format!("layer_types holds {other}: only \"full_attention\" is supported"));
    }
    // Others have the field and do not look at it.
    let (window, context) = (&config["sliding_window"], &config["max_position_embeddings"]);
    match (window.as_u64(), context.as_u64()) {
        (Some(window), Some(context)) if model_type == "mistral" && window < context => Err(format!(
            "sliding_window = {window} with max_position_embeddings = {context}: attention within a window is not supported"
        )),
        (Some(window), None) if model_type == "mistral" => {
            Err(format!("sliding_window = {window}: attention within a window is not supported"))
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
fn plain_kind(place: &str, rope: &mut Map<String, Value>, context: &Value) -> Result<(), String> {
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
fn defaults(config: &mut Value, model_type: &str) {
    let own: &[(&str, u64)] = match model_type {
        "mistral" => &[("max_position_embeddings", 4096 * 32), ("num_key_value_heads", 8)],
        "qwen2" => &[("max_position_embeddings", 32_768), ("num_key_value_heads", 32)],
        _ => &[],
    };
    let Some(fields) = config.as_object_mut() else { return };
    for (field, value) in own {
        fields.entry(*field).or_insert_with(|| json!(value));
    }
}
