use nuwa_tensor::ParametersBuilder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Llama;
use crate::config::{Config, FamilyConfig, Result, Shape, Size};
use crate::decoder::{self, DecoderConfig, as_decoder, dialect, names};
use crate::{Model, ParseError, Preset, TensorName};

/// The fields of LLaMA's `config.json`, by their names at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LlamaConfig {
    /// Those of all decoders of its kind.
    #[serde(flatten)]
    pub decoder: DecoderConfig,
    /// Whether the projections of attention have biases.
    #[serde(default)]
    pub attention_bias: bool,
    /// Whether the projections of the feed-forward layer have biases.
    #[serde(default)]
    pub mlp_bias: bool,
}

impl Config for LlamaConfig {
    as_decoder!();

    fn architecture(&self) -> &'static str {
        "LlamaForCausalLM"
    }

    fn validate(&self) -> Result<()> {
        self.decoder.validate()
    }

    fn names(&self) -> Vec<TensorName> {
        let mut all = names::outer(&self.decoder);
        for layer in 0..self.layers() {
            all.extend(names::attention(&self.decoder, layer, [self.attention_bias; 2]));
            all.extend(names::feed_forward(&self.decoder, layer, self.mlp_bias));
        }
        all
    }

    fn size(&self) -> Size {
        self.decoder.size()
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Llama::new(self.clone(), builder))
    }
}

impl FamilyConfig for LlamaConfig {
    const FIXED: &'static [(&'static str, Value)] = dialect::FIXED;

    const ACTIVATIONS: (&'static str, &'static [&'static str]) = decoder::ACTIVATIONS;

    fn translate(config: &mut Value) -> Result<(), String> {
        dialect::full_attention(config)?;
        dialect::rotary(config)
    }

    fn parse(value: Value) -> Result<Self, ParseError> {
        DecoderConfig::check(&value)?;
        serde_path_to_error::deserialize(value)
    }

    fn presets() -> &'static [Preset] {
        super::presets::PRESETS
    }

    fn shaped(shape: &Shape) -> Result<Self> {
        let decoder = DecoderConfig::shaped(shape)?;
        Ok(Self { decoder, attention_bias: false, mlp_bias: false })
    }
}
