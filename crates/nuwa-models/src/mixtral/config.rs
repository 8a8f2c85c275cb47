use nuwa_tensor::{ParametersBuilder, RouterCoefficients, Routing};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Mixtral;
use crate::config::{Config, FamilyConfig, FusedPart, Result, Shape, Size, positive};
use crate::decoder::{self, DecoderConfig, as_decoder, dialect, names};
use crate::experts::{ExpertNames, ExpertShape, default_z};
use crate::{LooksBack, Model, ParseError, Preset, TensorName};

/// The fields of Mixtral's `config.json`, by their names at Hugging Face; `intermediate_size` is that of one expert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MixtralConfig {
    /// Those of all decoders of its kind.
    #[serde(flatten)]
    pub decoder: DecoderConfig,
    /// Keys that a query attends to, up to and including its own position; all before it where there is none.
    #[serde(default)]
    pub sliding_window: Option<usize>,
    /// Experts of a block.
    #[serde(default = "default_experts")]
    pub num_local_experts: usize,
    /// Experts that a token goes to.
    #[serde(default = "default_top_k")]
    pub num_experts_per_tok: usize,
    /// What the balance of experts counts in training.
    #[serde(default = "default_balance")]
    pub router_aux_loss_coef: f32,
    /// What the size of the router's logits counts in training; a field of our own.
    #[serde(default = "default_z")]
    pub router_z_loss_coef: f32,
}

fn default_experts() -> usize {
    8
}

fn default_top_k() -> usize {
    2
}

fn default_balance() -> f32 {
    0.001
}

/// `w1` is the gate, `w3` up and `w2` down.
const NAMES: ExpertNames = ExpertNames {
    router: "block_sparse_moe.gate",
    experts: "block_sparse_moe.experts",
    matrices: ["w1", "w3", "w2"],
};

impl MixtralConfig {
    /// Where a token goes.
    pub fn routing(&self) -> Routing {
        Routing { top_k: self.num_experts_per_tok, renormalise: true }
    }

    /// What the losses of the router count.
    pub fn router_losses(&self) -> RouterCoefficients {
        RouterCoefficients { balance: self.router_aux_loss_coef, z: self.router_z_loss_coef }
    }

    pub(super) fn experts(&self) -> ExpertShape {
        ExpertShape {
            inner: self.decoder.intermediate_size,
            count: self.num_local_experts,
            top_k: self.num_experts_per_tok,
            layers: self.decoder.num_hidden_layers,
        }
    }
}

impl Config for MixtralConfig {
    as_decoder!();

    fn architecture(&self) -> &'static str {
        "MixtralForCausalLM"
    }

    fn validate(&self) -> Result<()> {
        self.decoder.validate()?;
        self.sliding_window.map_or(Ok(()), |window| positive("sliding_window", window))?;
        self.experts().validate("num_local_experts", self.router_losses())
    }

    fn names(&self) -> Vec<TensorName> {
        let mut all = names::outer(&self.decoder);
        for layer in 0..self.layers() {
            all.extend(names::attention(&self.decoder, layer, [false; 2]));
            all.extend(NAMES.of_layer(layer, self.width(), self.experts()));
        }
        all
    }

    fn fused(&self, tensor: &str) -> Option<FusedPart> {
        NAMES.fused(tensor, self.width(), self.experts())
    }

    fn size(&self) -> Size {
        self.experts().size(&self.decoder)
    }

    fn looks_back(&self, _: usize) -> LooksBack {
        LooksBack { window: self.sliding_window, ..LooksBack::default() }
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Mixtral::new(self.clone(), builder))
    }
}

impl FamilyConfig for MixtralConfig {
    const FIXED: &'static [(&'static str, Value)] = dialect::FIXED;

    const ACTIVATIONS: (&'static str, &'static [&'static str]) = decoder::ACTIVATIONS;

    fn translate(config: &mut Value) -> Result<(), String> {
        dialect::full_attention(config)?;
        dialect::rotary(config)?;
        let own = [
            ("max_position_embeddings", (4096 * 32).into()),
            ("num_key_value_heads", 8.into()),
            ("rms_norm_eps", 1e-5.into()),
            ("rope_theta", 1e6.into()),
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

    /// Experts of half the features of a dense layer, so that a token meets as many weights as in LLaMA.
    fn shaped(shape: &Shape) -> Result<Self> {
        let dense = DecoderConfig::shaped(shape)?;
        let (count, top_k) = (default_experts(), default_top_k());
        let intermediate_size = dense.intermediate_size.div_ceil(top_k).next_multiple_of(32);
        Ok(Self {
            decoder: DecoderConfig { intermediate_size, ..dense },
            sliding_window: None,
            num_local_experts: count,
            num_experts_per_tok: top_k,
            router_aux_loss_coef: 0.02,
            router_z_loss_coef: default_z(),
        })
    }
}
