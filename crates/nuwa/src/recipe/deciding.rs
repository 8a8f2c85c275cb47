//! Of settings, what decides a result.
//!
//! A setting that only says how the work goes on (how often a look is taken, how much memory it may use) is marked on its
//! field with `#[schemars(extend("x-decides" = false))]`: another value of it makes nothing anew.

use serde_json::{Map, Value};

use super::keys::resolved;

/// The mark of a field.
const MARK: &str = "x-decides";

/// What decides of `settings`, which this version or an earlier one wrote, by their schema.
///
/// A key that was not yet known has its default, one that is known no more is passed over, and one without a value is left
/// out: so a setting that a new version adds is no difference.
pub fn deciding(schema: &Value, settings: &Value) -> Value {
    DecidingWalk { root: schema }.value(schema, settings)
}

struct DecidingWalk<'a> {
    root: &'a Value,
}

impl DecidingWalk<'_> {
    fn value(&self, schema: &Value, value: &Value) -> Value {
        let schema = resolved(self.root, schema);
        match value {
            Value::Object(object) if schema["properties"].is_object() => self.object(schema, object).into(),
            Value::Array(values) => {
                let of = |index| schema["prefixItems"].get(index).unwrap_or(&schema["items"]);
                values.iter().enumerate().map(|(index, value)| self.value(of(index), value)).collect()
            }
            other => other.clone(),
        }
    }

    fn object(&self, schema: &Value, object: &Map<String, Value>) -> Map<String, Value> {
        let properties = schema["properties"].as_object().into_iter().flatten();
        let decided = properties.filter(|(_, property)| property[MARK] != false);
        let valued = decided.filter_map(|(name, property)| {
            let value = object.get(name).or(property.get("default"))?;
            (!value.is_null()).then(|| (name.clone(), self.value(property, value)))
        });
        valued.collect()
    }
}

#[cfg(test)]
mod tests {
    use schemars::schema_for;
    use serde_json::json;

    use super::super::Recipe;
    use super::*;

    fn decides(key: &str, value: Value) -> bool {
        let schema = schema_for!(Recipe).to_value();
        let usual = serde_json::to_value(Recipe::default()).unwrap();
        let mut other = usual.clone();
        *key.split('.').fold(&mut other, |table, step| &mut table[step]) = value;
        assert!(usual != other, "{key}");
        deciding(&schema, &usual) != deciding(&schema, &other)
    }

    #[test]
    fn what_only_says_how_work_goes_on_does_not_decide() {
        for key in [
            "pretrain.samples",
            "pretrain.checkpoint_seconds",
            "sft.tuning.validations",
            "sft.tuning.checkpoint_seconds",
            "dpo.tuning.validations",
            "dpo.tuning.checkpoint_seconds",
            "collect.crawl.delay",
        ] {
            assert!(!decides(key, json!(7)), "{key}");
        }
        assert!(!decides("pretrain.sample_prompt", json!("Once")));
        assert!(!decides("pretrain.recompute", json!("on")));
        assert!(!decides("clean.memory", json!("2GB")));
    }

    #[test]
    fn all_else_decides() {
        for key in ["seed", "pretrain.warmup", "pretrain.micro_batch_tokens", "model.layers", "sft.epochs"] {
            assert!(decides(key, json!(7)), "{key}");
        }
        assert!(decides("clean.steps", json!(["length"])));
        assert!(decides("dpo.tuning.optimizer.weight_decay", json!(0.5)));
    }

    #[test]
    fn settings_of_another_version_are_read_as_they_were_meant() {
        let schema = schema_for!((Vec<String>, nuwa_train::PretrainSettings)).to_value();
        let now = json!([["a"], nuwa_train::PretrainSettings::default()]);
        let mut earlier = now.clone();
        earlier[1].as_object_mut().unwrap().remove("warmup");
        earlier[1]["optimizer"].as_object_mut().unwrap().remove("weight_decay");
        earlier[1]["gone"] = json!(3);
        earlier[1].as_object_mut().unwrap().remove("dropout");
        assert_eq!(deciding(&schema, &earlier), deciding(&schema, &now));
        earlier[1]["warmup"] = json!(0.5);
        assert_ne!(deciding(&schema, &earlier), deciding(&schema, &now));
    }
}
