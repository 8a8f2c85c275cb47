//! Published sizes by name: the shape of a model as its paper or its `config.json` has it. The vocabulary is that of the tokenizer.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::config::{Result, Shape};
use crate::{Family, ModelConfig};

/// A published size of a family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preset {
    /// What it is called here.
    pub name: &'static str,
    /// Model width.
    pub width: usize,
    /// Blocks; of an encoder-decoder those of both stacks together.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Key-value heads, where they are not as many.
    pub kv_heads: Option<usize>,
    /// Positions of most of its training.
    pub context: usize,
    /// Whether the head is a matrix of its own.
    pub untied_head: bool,
    /// Further fields of `config.json`, in objects of JSON.
    pub fields: &'static [&'static str],
    /// The highest learning rate it was trained at, where that is known.
    pub learning_rate: Option<f32>,
    /// Tokens a step it was trained with, where that is known.
    pub batch_tokens: Option<u64>,
}

impl Preset {
    /// With layers, width and heads, a tied head, and nothing known of its training.
    pub(crate) const fn new(
        name: &'static str,
        [layers, width, heads]: [usize; 3],
        context: usize,
        fields: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            width,
            layers,
            heads,
            kv_heads: None,
            context,
            untied_head: false,
            fields,
            learning_rate: None,
            batch_tokens: None,
        }
    }

    /// The same with fewer key-value heads.
    #[must_use]
    pub(crate) const fn grouped(self, kv_heads: usize) -> Self {
        Self { kv_heads: Some(kv_heads), ..self }
    }

    /// The same with a head of its own.
    #[must_use]
    pub(crate) const fn untied(self) -> Self {
        Self { untied_head: true, ..self }
    }

    /// The same trained at this rate.
    #[must_use]
    pub(crate) const fn at(self, learning_rate: f32) -> Self {
        Self { learning_rate: Some(learning_rate), ..self }
    }

    /// The same trained with so many tokens a step.
    #[must_use]
    pub(crate) const fn in_batches_of(self, tokens: u64) -> Self {
        Self { batch_tokens: Some(tokens), ..self }
    }

    fn further_fields(&self) -> impl Iterator<Item = (String, Value)> {
        let object = |text: &&str| -> Map<String, Value> {
            serde_json::from_str(text).expect("the fields of a preset are objects of JSON")
        };
        self.fields.iter().flat_map(object)
    }

    /// Its shape for a vocabulary, with its own context where none is said.
    fn shape(&self, vocabulary: usize, context: Option<usize>, eos: Option<u32>) -> Shape {
        Shape {
            vocabulary,
            width: self.width,
            layers: self.layers,
            heads: self.heads,
            kv_heads: self.kv_heads,
            context: context.unwrap_or(self.context),
            untied_head: self.untied_head,
            eos,
        }
    }
}

/// The name of a [`Preset`] that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PresetName(&'static str);

impl PresetName {
    /// The names of all of them, family by family.
    pub fn all() -> impl Iterator<Item = Self> {
        all().map(|(_, preset)| Self(preset.name))
    }

    /// The family, and the size.
    pub fn preset(self) -> (Family, &'static Preset) {
        all().find(|(_, preset)| preset.name == self.0).expect("a name is that of a preset")
    }

    /// The configuration of a new model of this size. The context may be another.
    ///
    /// # Errors
    /// When the context makes no such model.
    pub fn config(self, vocabulary: usize, context: Option<usize>, eos: Option<u32>) -> Result<ModelConfig> {
        let (family, preset) = self.preset();
        let new = (family.registered().shaped)(&preset.shape(vocabulary, context, eos))?;
        let mut config = serde_json::to_value(new).expect("a configuration is JSON");
        preset.further_fields().for_each(|(field, value)| config[field] = value);
        Ok(serde_json::from_value(config).expect("the fields of a preset are those of its family"))
    }
}

fn all() -> impl Iterator<Item = (Family, &'static Preset)> {
    Family::ALL
        .iter()
        .flat_map(|&family| family.registered().presets.iter().map(move |preset| (family, preset)))
}

impl fmt::Display for PresetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl<'de> Deserialize<'de> for PresetName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl TryFrom<String> for PresetName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let names = || Self::all().map(|known| known.0).collect::<Vec<_>>().join(", ");
        Self::all()
            .find(|known| known.0 == name)
            .ok_or_else(|| format!("no preset {name:?}; there are {}", names()))
    }
}

/// One of the names.
impl JsonSchema for PresetName {
    fn schema_name() -> Cow<'static, str> {
        "PresetName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = Self::all().map(|name| name.0).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_makes_a_model_and_has_a_name_of_its_own() {
        let mut names: Vec<String> = PresetName::all().map(|name| name.to_string()).collect();
        for name in PresetName::all() {
            let (family, preset) = name.preset();
            let config = name.config(1000, None, Some(0)).unwrap();
            config.validate().unwrap();
            assert_eq!((config.layers(), config.width()), (preset.layers, preset.width), "{name}");
            assert_eq!((config.vocabulary(), config.context()), (1000, preset.context), "{name}");
            assert_eq!(name.config(1000, Some(64), None).unwrap().context(), 64, "{name}");
            let text = serde_json::to_value(&config).unwrap();
            assert_eq!(text["model_type"], family.registered().model_type);
            for (field, value) in preset.further_fields() {
                assert!(!text[&field].is_null(), "{name}: no field {field} for {value}");
            }
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), PresetName::all().count());
    }

    /// Weights with the published vocabulary, in millions.
    #[test]
    fn sizes_are_those_published() {
        for (name, vocabulary, millions) in [
            ("gpt2", 50_257, 124.4),
            ("gpt2-xl", 50_257, 1557.6),
            ("bert-base", 30_522, 110.1),
            // The paper counts 65 and 213 million with some 37,000 tokens.
            ("transformer-base", 37_000, 63.1),
            ("t5-small", 32_128, 60.5),
            ("t5-11b", 32_128, 11_307.3),
            ("t5-v1.1-base", 32_128, 247.6),
            ("bart-base", 50_265, 139.4),
            ("bart-large", 50_265, 406.3),
            ("llama-7b", 32_000, 6738.4),
            ("llama3-8b", 128_256, 8030.3),
            ("mistral-7b", 32_000, 7241.7),
            ("qwen2.5-0.5b", 151_936, 494.0),
            ("qwen2.5-7b", 152_064, 7615.6),
            ("qwen3-0.6b", 151_936, 596.0),
            ("qwen3-8b", 151_936, 8190.7),
            ("smollm2-135m", 49_152, 134.5),
            ("falcon-7b", 65_024, 6921.7),
            ("falcon-rw-1b", 50_304, 1311.6),
            ("lamda-137b", 32_000, 138_000.0),
            ("mixtral-8x7b", 32_000, 46_702.8),
            ("olmoe-1b-7b", 50_304, 6919.2),
            ("qwen3-30b-a3b", 151_936, 30_532.1),
            ("lstm-large", 10_000, 66.0),
            ("recurrentgemma-2b", 256_000, 2682.9),
        ] {
            let name = PresetName::try_from(name.to_string()).unwrap();
            let found = name.config(vocabulary, None, None).unwrap().size().parameters as f64 / 1e6;
            assert!((found / millions - 1.0).abs() < 5e-3, "{name}: {found}");
        }
    }

    #[test]
    fn an_unknown_name_is_told_all_of_them() {
        let told = PresetName::try_from("gpt5".to_string()).unwrap_err();
        assert!(told.starts_with("no preset \"gpt5\"; there are ") && told.contains("gpt3-125m"), "{told}");
    }
}
