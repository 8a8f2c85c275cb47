use nuwa_tensor::ParametersBuilder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Mistral;
use crate::config::{Config, FamilyConfig, Result, Shape, Size, positive};
use crate::decoder::{self, DecoderConfig, as_decoder, dialect, names};
use crate::{LooksBack, Model, ParseError, Preset, TensorName};

/// The fields of Mistral's `config.json`, by their names at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MistralConfig {
    /// Those of all decoders of its kind.
    #[serde(flatten)]
    pub decoder: DecoderConfig,
    /// Keys that a query attends to, up to and including its own position; all before it where there is none.
    #[serde(default)]
    pub sliding_window: Option<usize>,
}

impl Config for MistralConfig {
    as_decoder!();

    fn architecture(&self) -> &'static str {
        "MistralForCausalLM"
    }

    fn validate(&self) -> Result<()> {
        self.decoder.validate()?;
        self.sliding_window.map_or(Ok(()), |window| positive("sliding_window", window))
    }

    fn names(&self) -> Vec<TensorName> {
        let mut all = names::outer(&self.decoder);
        for layer in 0..self.layers() {
            all.extend(names::attention(&self.decoder, layer, [false; 2]));
            all.extend(names::feed_forward(&self.decoder, layer, false));
        }
        all
    }

    fn size(&self) -> Size {
        self.decoder.size()
    }

    fn looks_back(&self, _: usize) -> LooksBack {
        LooksBack { window: self.sliding_window, ..LooksBack::default() }
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Mistral::new(self.clone(), builder))
    }
}

impl FamilyConfig for MistralConfig {
    const FIXED: &'static [(&'static str, Value)] = dialect::FIXED;

    const ACTIVATIONS: (&'static str, &'static [&'static str]) = decoder::ACTIVATIONS;

    fn translate(config: &mut Value) -> Result<(), String> {
        dialect::full_attention(config)?;
        dialect::rotary(config)?;
        let own = [
            ("max_position_embeddings", (4096 * 32).into()),
            ("num_key_value_heads", 8.into()),
            ("sliding_window", 4096.into()),
        ];
        dialect::defaults(config, &own);
        Ok(())
    }

    fn parse(value: Value) -> Result<Self, ParseError> {
        DecoderConfig::check(&value)?;
        serde_path_to_error::deserialize(value)
    }

    fn presets() -> &'static [Preset] {
        super::presets::PRESETS
    }

    /// The window is half the context, as in Mistral 7B.
    fn shaped(shape: &Shape) -> Result<Self> {
        let sliding_window = Some((shape.context / 2).max(1));
        Ok(Self { decoder: DecoderConfig::shaped(shape)?, sliding_window })
    }
}
