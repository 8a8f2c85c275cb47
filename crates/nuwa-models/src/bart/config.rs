use nuwa_tensor::ParametersBuilder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Bart, OFFSET};
use crate::config::{Config, FamilyConfig, Prediction, Result, Shape, Size, default_range, fill_in};
use crate::names::{matrix_name, norm_names};
use crate::post_norm::{self, PlainActivation, PostNormConfig, as_post_norm, tensor_names};
use crate::{LabelHead, Model, ParseError, Preset, TensorName};

/// The fields of BART's `config.json`, by their names at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BartConfig {
    /// Those of all encoder-decoders of its kind.
    #[serde(flatten)]
    pub stacks: PostNormConfig,
    /// Standard deviation of the first weights.
    #[serde(default = "default_range")]
    pub init_std: f32,
}

impl Config for BartConfig {
    as_post_norm!();

    fn architecture(&self) -> &'static str {
        "BartForConditionalGeneration"
    }

    fn validate(&self) -> Result<()> {
        self.stacks.validate()
    }

    fn names(&self) -> Vec<TensorName> {
        let (width, rows) = (self.stacks.d_model, self.stacks.max_position_embeddings + OFFSET);
        let mut all = tensor_names(&self.stacks);
        for stack in ["encoder", "decoder"] {
            let there = format!("model.{stack}.embed_positions.weight");
            all.push(matrix_name(format!("{stack}.positions.weight"), there, rows, width));
            let there = format!("model.{stack}.layernorm_embedding");
            all.extend(norm_names(&format!("{stack}.embedding_norm"), &there, width));
        }
        all
    }

    fn ignored(&self) -> &'static [&'static str] {
        &["encoder.version", "decoder.version"]
    }

    fn size(&self) -> Size {
        let stacks = &self.stacks;
        let positions = 2 * (stacks.max_position_embeddings + OFFSET + 2) * stacks.d_model;
        stacks.size(stacks.vocab_size * (stacks.d_model + 1) + positions)
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Bart::new(self.clone(), builder))
    }
}

impl FamilyConfig for BartConfig {
    const PREDICTS: Prediction = Prediction::Answer;

    const FIXED: &'static [(&'static str, Value)] = post_norm::FIXED;

    const ACTIVATIONS: (&'static str, &'static [&'static str]) = post_norm::ACTIVATIONS;

    fn translate(config: &mut Value) -> Result<(), String> {
        for (field, computed) in [("normalize_embedding", true), ("static_position_embeddings", false)] {
            if config[field].as_bool().is_some_and(|found| found != computed) {
                return Err(format!("{field} = {} is not supported, only {computed} is", !computed));
            }
        }
        fill_in(config, &[("decoder_start_token_id", 2), ("eos_token_id", 2), ("bos_token_id", 0)]);
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
        let stacks = PostNormConfig::shaped("bart", shape, PlainActivation::Gelu, false)?;
        Ok(Self { stacks, init_std: default_range() })
    }
}
