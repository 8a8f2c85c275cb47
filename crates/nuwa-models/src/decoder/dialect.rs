//! What a `config.json` of LLaMA's kind may say in several ways, put into one, or refused in words for a user.

use serde_json::{Map, Value, json};

/// Fields that change what is computed, with the one value that is.
pub(crate) const FIXED: &[(&str, Value)] = &[
    ("is_encoder_decoder", Value::Bool(false)),
    ("attn_logit_softcapping", Value::Null),
    ("final_logit_softcapping", Value::Null),
    ("use_qk_norm", Value::Bool(false)),
];

/// An error where a layer does not attend to the whole context.
pub(crate) fn full_attention(config: &Value) -> Result<(), String> {
    if config["use_sliding_window"] == true {
        return Err("use_sliding_window = true is not supported, only false is".into());
    }
    let kinds = config["layer_types"].as_array().into_iter().flatten();
    match kinds.into_iter().find(|kind| *kind != "full_attention") {
        Some(other) => Err(format!("layer_types holds {other}: only \"full_attention\" is supported")),
        None => Ok(()),
    }
}

/// What transformers takes where a family's configuration does not say.
pub(crate) fn defaults(config: &mut Value, own: &[(&str, Value)]) {
    let Some(fields) = config.as_object_mut() else { return };
    for (field, value) in own {
        fields.entry(*field).or_insert_with(|| value.clone());
    }
}

/// Rotary settings with one name for each kind; those of two places agree.
pub(crate) fn rotary(config: &mut Value) -> Result<(), String> {
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
        known_kind(place, rope, &context)?;
        kinds.push(rope.clone());
    }
    match &kinds[..] {
        [first, second] => same_settings(first, second),
        _ => Ok(()),
    }
}

/// An error where `rope_scaling`, which comes second, says something else.
fn same_settings(first: &Map<String, Value>, second: &Map<String, Value>) -> Result<(), String> {
    let same = |a: &Value, b: &Value| match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    };
    let differs = second.iter().find(|(name, value)| !first.get(*name).is_some_and(|own| same(own, value)));
    match differs {
        None => Ok(()),
        Some((name, value)) => {
            let own = first.get(name).unwrap_or(&Value::Null);
            Err(format!("rope_parameters and rope_scaling differ: {name} is {own} and {value}"))
        }
    }
}

/// A kind of rotary scaling that is computed here, with what transformers takes where it does not say.
fn known_kind(place: &str, rope: &mut Map<String, Value>, context: &Value) -> Result<(), String> {
    let share = rope.get("partial_rotary_factor").filter(|share| share.as_f64() != Some(1.0));
    if let Some(share) = share {
        return Err(format!("{place}: partial_rotary_factor = {share} is not supported, only 1 is"));
    }
    match rope["rope_type"].as_str() {
        Some("default" | "linear") => Ok(()),
        // Frequencies change beyond the context alone, and nothing here goes beyond it.
        Some("dynamic") => {
            let original = rope.get("original_max_position_embeddings");
            if original.is_some_and(|original| original != context) {
                return Err(format!(
                    "{place}: dynamic scaling of a context of {} is not supported",
                    original.unwrap_or(context)
                ));
            }
            Ok(())
        }
        Some("yarn" | "llama3") => {
            let original = rope.entry("original_max_position_embeddings").or_insert_with(|| context.clone());
            let share = context.as_f64().zip(original.as_f64()).map(|(context, original)| context / original);
            if let Some(share) = share.filter(|_| rope.get("factor").is_some_and(Value::is_null)) {
                rope.insert("factor".into(), json!(share));
            }
            Ok(())
        }
        _ => Err(format!(
            "{place}: rope_type = {} is not supported, only default, linear, dynamic, yarn and llama3 are",
            rope["rope_type"]
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(config: Value) -> String {
        let mut config = config;
        rotary(&mut config).unwrap_err()
    }

    #[test]
    fn what_is_left_out_is_what_transformers_takes() {
        let mut config = json!({ "max_position_embeddings": 128,
            "rope_scaling": { "type": "yarn", "factor": null, "original_max_position_embeddings": 32 } });
        rotary(&mut config).unwrap();
        assert_eq!(config["rope_scaling"]["factor"], 4.0);
        let mut config = json!({ "max_position_embeddings": 128, "rope_parameters": { "rope_type": "yarn", "factor": 2 } });
        rotary(&mut config).unwrap();
        assert_eq!(config["rope_parameters"]["original_max_position_embeddings"], 128);
    }

    #[test]
    fn what_is_not_computed_is_named() {
        let longrope = told(json!({ "rope_scaling": { "type": "longrope" } }));
        assert!(
            longrope.starts_with("rope_scaling: rope_type = \"longrope\" is not supported"),
            "{longrope}"
        );
        let two =
            told(json!({ "rope_parameters": {}, "rope_scaling": { "rope_type": "linear", "factor": 2 } }));
        assert!(two.starts_with("rope_parameters and rope_scaling differ: factor is null and 2"), "{two}");
    }
}
