use nuwa_tensor::{ParametersBuilder, RecurrentCell};
use serde::{Deserialize, Serialize};

use super::Lstm;
use crate::config::{Config, FamilyConfig, Result, Shape};
use crate::recurrent::{RecurrentConfig, as_recurrent};
use crate::{Model, Preset};

/// The fields of the `config.json` of a LSTM language model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LstmConfig {
    /// Those of all recurrent layers.
    #[serde(flatten)]
    pub stack: RecurrentConfig,
}

impl Config for LstmConfig {
    as_recurrent!(RecurrentCell::Lstm, "lstm");

    fn architecture(&self) -> &'static str {
        "LstmForCausalLM"
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Lstm::new(self.clone(), builder))
    }
}

impl FamilyConfig for LstmConfig {
    const ACTIVATIONS: (&'static str, &'static [&'static str]) = ("nonlinearity", &["tanh"]);

    /// Deeper stacks learn little more without residual branches between their layers (Zaremba et al. 2014 have two).
    const LAYERS: Option<usize> = Some(2);

    fn presets() -> &'static [Preset] {
        super::presets::PRESETS
    }

    fn shaped(shape: &Shape) -> Result<Self> {
        Ok(Self { stack: RecurrentConfig::shaped(shape)? })
    }
}
