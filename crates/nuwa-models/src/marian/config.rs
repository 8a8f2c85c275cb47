use nuwa_tensor::ParametersBuilder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Marian;
use crate::config::{Config, FamilyConfig, Prediction, Result, Shape, Size, ensure, fill_in};
use crate::post_norm::{self, PlainActivation, PostNormConfig, as_post_norm, tensor_names};
use crate::{LabelHead, Model, ParseError, Preset, TensorName};

/// The fields of Marian's `config.json`, by their names at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MarianConfig {
    /// Those of all encoder-decoders of its kind.
    #[serde(flatten)]
    pub stacks: PostNormConfig,
}

impl Config for MarianConfig {
    as_post_norm!();

    fn architecture(&self) -> &'static str {
        "MarianMTModel"
    }

    fn validate(&self) -> Result<()> {
        self.stacks.validate()?;
        let width = self.stacks.d_model;
        ensure(width.is_multiple_of(2), "d_model", width, "expected an even number: half of it are sines")
    }

    fn names(&self) -> Vec<TensorName> {
        tensor_names(&self.stacks)
    }

    fn ignored(&self) -> &'static [&'static str] {
        &["embed_positions.weight"]
    }

    fn table_width(&self) -> usize {
        self.stacks.d_model
    }

    fn size(&self) -> Size {
        self.stacks.size(self.stacks.vocab_size * (self.stacks.d_model + 1))
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Marian::new(self.clone(), builder))
    }
}

impl FamilyConfig for MarianConfig {
    const PREDICTS: Prediction = Prediction::Answer;

    const FIXED: &'static [(&'static str, Value)] = post_norm::FIXED;

    const ACTIVATIONS: (&'static str, &'static [&'static str]) = post_norm::ACTIVATIONS;

    fn translate(config: &mut Value) -> Result<(), String> {
        let own = &config["decoder_vocab_size"];
        if !own.is_null() && *own != config["vocab_size"] {
            return Err(format!("decoder_vocab_size = {own} is not supported, only vocab_size is"));
        }
        for (field, computed) in [
            ("share_encoder_decoder_embeddings", true),
            ("normalize_embedding", false),
            ("static_position_embeddings", true),
        ] {
            if config[field].as_bool().is_some_and(|found| found != computed) {
                return Err(format!("{field} = {} is not supported, only {computed} is", !computed));
            }
        }
        fill_in(config, &[("decoder_start_token_id", 58100), ("eos_token_id", 0)]);
        Ok(())
    }

    fn parse(value: Value) -> Result<Self, ParseError> {
        PostNormConfig::check(&value)?;
        serde_path_to_error::deserialize(value)
    }

    fn presets() -> &'static [Preset] {
        super::presets::PRESETS
    }

    fn shaped(shape: &Shape) -> Result<Self> {
        Ok(Self { stacks: PostNormConfig::shaped("marian", shape, PlainActivation::Relu, true)? })
    }
}
