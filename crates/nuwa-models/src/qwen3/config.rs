use nuwa_tensor::ParametersBuilder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Qwen3;
use crate::config::{Config, FamilyConfig, Result, Shape, Size};
use crate::decoder::{self, DecoderConfig, Windows, as_decoder, dialect, names};
use crate::{LooksBack, Model, ParseError, Preset, TensorName};

/// The fields of Qwen3's `config.json`, by their names at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Qwen3Config {
    /// Those of all decoders of its kind.
    #[serde(flatten)]
    pub decoder: DecoderConfig,
    /// Which layers attend within a window.
    #[serde(flatten)]
    pub windows: Windows,
    /// Whether the projections of attention have biases.
    #[serde(default)]
    pub attention_bias: bool,
}

impl Config for Qwen3Config {
    as_decoder!();

    fn architecture(&self) -> &'static str {
        "Qwen3ForCausalLM"
    }

    fn validate(&self) -> Result<()> {
        self.decoder.validate()?;
        self.windows.validate(self.layers())
    }

    fn names(&self) -> Vec<TensorName> {
        let mut all = names::outer(&self.decoder);
        for layer in 0..self.layers() {
            all.extend(names::attention(&self.decoder, layer, [self.attention_bias; 2]));
            all.extend(names::head_norms(layer, [self.decoder.head_dim; 2]));
            all.extend(names::feed_forward(&self.decoder, layer, false));
        }
        all
    }

    fn size(&self) -> Size {
        let (size, heads) = (self.decoder.size(), self.decoder.head_layout());
        let norms = self.layers() * 2 * heads.head_dim;
        let [narrow, wide] = size.kept;
        // The rows before the norm of heads are kept beside those after it.
        Size { parameters: size.parameters + norms, kept: [narrow + heads.width(), wide], ..size }
    }

    fn looks_back(&self, layer: usize) -> LooksBack {
        LooksBack { window: self.windows.of(layer), ..LooksBack::default() }
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Qwen3::new(self.clone(), builder))
    }
}

impl FamilyConfig for Qwen3Config {
    const FIXED: &'static [(&'static str, Value)] = dialect::FIXED;

    const ACTIVATIONS: (&'static str, &'static [&'static str]) = decoder::ACTIVATIONS;

    fn translate(config: &mut Value) -> Result<(), String> {
        dialect::rotary(config)?;
        let own = [
            ("max_position_embeddings", 32_768.into()),
            ("num_key_value_heads", 32.into()),
            ("head_dim", 128.into()),
        ];
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
        let decoder = DecoderConfig::shaped(shape)?;
        Ok(Self { decoder, windows: Windows::default(), attention_bias: false })
    }
}
