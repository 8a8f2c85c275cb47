use nuwa_tensor::{ParametersBuilder, RouterCoefficients, Routing};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Olmoe;
use crate::config::{Config, FamilyConfig, FusedPart, Result, Shape, Size};
use crate::decoder::{self, DecoderConfig, as_decoder, dialect, names};
use crate::experts::{ExpertNames, ExpertShape, default_z};
use crate::{Model, ParseError, Preset, TensorName};

/// The fields of OLMoE's `config.json`, by their names at Hugging Face; `intermediate_size` is that of one expert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OlmoeConfig {
    /// Those of all decoders of its kind.
    #[serde(flatten)]
    pub decoder: DecoderConfig,
    /// Experts of a block.
    #[serde(default = "default_experts")]
    pub num_experts: usize,
    /// Experts that a token goes to.
    #[serde(default = "default_top_k")]
    pub num_experts_per_tok: usize,
    /// Whether the weights of a token's experts are made to sum to 1.
    #[serde(default)]
    pub norm_topk_prob: bool,
    /// What the balance of experts counts in training.
    #[serde(default = "default_balance")]
    pub router_aux_loss_coef: f32,
    /// What the size of the router's logits counts in training; a field of our own.
    #[serde(default = "default_z")]
    pub router_z_loss_coef: f32,
}

fn default_experts() -> usize {
    64
}

fn default_top_k() -> usize {
    8
}

fn default_balance() -> f32 {
    0.01
}

impl OlmoeConfig {
    /// Where a token goes.
    pub fn routing(&self) -> Routing {
        Routing { top_k: self.num_experts_per_tok, renormalise: self.norm_topk_prob }
    }

    /// What the losses of the router count.
    pub fn router_losses(&self) -> RouterCoefficients {
        RouterCoefficients { balance: self.router_aux_loss_coef, z: self.router_z_loss_coef }
    }

    /// The lengths of the norms of queries and keys.
    fn norms(&self) -> [usize; 2] {
        let heads = self.decoder.head_layout();
        [heads.query_width(), heads.key_width()]
    }

    pub(super) fn experts(&self) -> ExpertShape {
        ExpertShape {
            inner: self.decoder.intermediate_size,
            count: self.num_experts,
            top_k: self.num_experts_per_tok,
            layers: self.decoder.num_hidden_layers,
        }
    }
}

impl Config for OlmoeConfig {
    as_decoder!();

    fn architecture(&self) -> &'static str {
        "OlmoeForCausalLM"
    }

    fn validate(&self) -> Result<()> {
        self.decoder.validate()?;
        self.experts().validate("num_experts", self.router_losses())
    }

    fn names(&self) -> Vec<TensorName> {
        let mut all = names::outer(&self.decoder);
        for layer in 0..self.layers() {
            all.extend(names::attention(&self.decoder, layer, [false; 2]));
            all.extend(names::head_norms(layer, self.norms()));
            all.extend(ExpertNames::USUAL.of_layer(layer, self.width(), self.experts()));
        }
        all
    }

    fn fused(&self, tensor: &str) -> Option<FusedPart> {
        ExpertNames::USUAL.fused(tensor, self.width(), self.experts())
    }

    fn size(&self) -> Size {
        let norms = self.layers() * self.norms().iter().sum::<usize>();
        self.experts().size(&self.decoder).with_head_norms(norms, self.decoder.head_layout().width())
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Olmoe::new(self.clone(), builder))
    }
}

impl FamilyConfig for OlmoeConfig {
    const FIXED: &'static [(&'static str, Value)] = &[
        ("is_encoder_decoder", Value::Bool(false)),
        ("clip_qkv", Value::Null),
        ("attention_bias", Value::Bool(false)),
    ];

    const ACTIVATIONS: (&'static str, &'static [&'static str]) = decoder::ACTIVATIONS;

    fn translate(config: &mut Value) -> Result<(), String> {
        dialect::full_attention(config)?;
        dialect::rotary(config)?;
        let own = [("max_position_embeddings", 4096.into()), ("rms_norm_eps", 1e-5.into())];
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

    /// Experts of an eighth of the features of a dense layer, so that a token meets about as many weights as in LLaMA.
    fn shaped(shape: &Shape) -> Result<Self> {
        let dense = DecoderConfig::shaped(shape)?;
        let (count, top_k) = (default_experts(), default_top_k());
        let intermediate_size = dense.intermediate_size.div_ceil(top_k).next_multiple_of(16);
        Ok(Self {
            decoder: DecoderConfig { intermediate_size, ..dense },
            num_experts: count,
            num_experts_per_tok: top_k,
            norm_topk_prob: false,
            router_aux_loss_coef: default_balance(),
            router_z_loss_coef: default_z(),
        })
    }
}
