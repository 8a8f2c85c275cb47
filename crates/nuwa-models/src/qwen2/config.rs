use nuwa_tensor::ParametersBuilder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Qwen2;
use crate::config::{Config, FamilyConfig, Result, Shape, Size};
use crate::decoder::{self, DecoderConfig, Windows, as_decoder, dialect, names};
use crate::{LooksBack, Model, ParseError, Preset, TensorName};

/// The fields of Qwen2's `config.json`, by their names at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Qwen2Config {
    /// Those of all decoders of its kind.
    #[serde(flatten)]
    pub decoder: DecoderConfig,
    /// Which layers attend within a window.
    #[serde(flatten)]
    pub windows: Windows,
}

/// Queries, keys and values have a bias, the output has none.
pub(super) const BIASES: [bool; 2] = [true, false];

impl Config for Qwen2Config {
    as_decoder!();

    fn architecture(&self) -> &'static str {
        "Qwen2ForCausalLM"
    }

    fn validate(&self) -> Result<()> {
        self.decoder.validate()?;
        self.windows.validate(self.layers())
    }

    fn names(&self) -> Vec<TensorName> {
        let mut all = names::outer(&self.decoder);
        for layer in 0..self.layers() {
            all.extend(names::attention(&self.decoder, layer, BIASES));
            all.extend(names::feed_forward(&self.decoder, layer, false));
        }
        all
    }

    fn size(&self) -> Size {
        let size = self.decoder.size();
        let biases = self.layers() * self.decoder.head_layout().width();
        Size { parameters: size.parameters + biases, ..size }
    }

    fn looks_back(&self, layer: usize) -> LooksBack {
        LooksBack { window: self.windows.of(layer), ..LooksBack::default() }
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Qwen2::new(self.clone(), builder))
    }
}

impl FamilyConfig for Qwen2Config {
    const FIXED: &'static [(&'static str, Value)] = dialect::FIXED;

    const ACTIVATIONS: (&'static str, &'static [&'static str]) = decoder::ACTIVATIONS;

    fn translate(config: &mut Value) -> Result<(), String> {
        dialect::rotary(config)?;
        let own = [("max_position_embeddings", 32_768.into()), ("num_key_value_heads", 32.into())];
        dialect::defaults(config, &own);
        dialect::defaults(config, &decoder::window_defaults());
        Ok(())
    }

    fn parse(value: Value) -> Result<Self, ParseError> {
        DecoderConfig::check(&value)?;
        serde_path_to_error::deserialize(value)
    }

    fn presets() -> &'static [Preset] {
        super::presets::PRESETS
    }

    fn shaped(shape: &Shape) -> Result<Self> {
        Ok(Self { decoder: DecoderConfig::shaped(shape)?, windows: Windows::default() })
    }
}
