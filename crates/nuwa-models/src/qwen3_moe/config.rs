use nuwa_tensor::{ParametersBuilder, RouterCoefficients, Routing};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Qwen3Moe;
use crate::config::{Config, FamilyConfig, FusedPart, Result, Shape, Size, positive};
use crate::decoder::{self, DecoderConfig, as_decoder, dialect, names};
use crate::experts::{ExpertNames, ExpertShape, default_z};
use crate::{Model, ParseError, Preset, TensorName};

/// The fields of Qwen3-MoE's `config.json`, by their names at Hugging Face; `intermediate_size` is that of layers without
/// experts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Qwen3MoeConfig {
    /// Those of all decoders of its kind.
    #[serde(flatten)]
    pub decoder: DecoderConfig,
    /// Experts of a block.
    #[serde(default = "default_experts")]
    pub num_experts: usize,
    /// Experts that a token goes to.
    #[serde(default = "default_top_k")]
    pub num_experts_per_tok: usize,
    /// Features of an expert.
    #[serde(default = "default_inner")]
    pub moe_intermediate_size: usize,
    /// Every so many layers, counted from 1, one has experts.
    #[serde(default = "default_step")]
    pub decoder_sparse_step: usize,
    /// Layers, counted from 0, that have no experts all the same.
    #[serde(default)]
    pub mlp_only_layers: Vec<usize>,
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
    128
}

fn default_top_k() -> usize {
    8
}

fn default_inner() -> usize {
    768
}

fn default_step() -> usize {
    1
}

fn default_balance() -> f32 {
    0.001
}

impl Qwen3MoeConfig {
    /// Where a token goes.
    pub fn routing(&self) -> Routing {
        Routing { top_k: self.num_experts_per_tok, renormalise: self.norm_topk_prob }
    }

    /// What the losses of the router count.
    pub fn router_losses(&self) -> RouterCoefficients {
        RouterCoefficients { balance: self.router_aux_loss_coef, z: self.router_z_loss_coef }
    }

    /// Whether the layer has experts in place of a feed-forward layer.
    pub fn has_experts(&self, layer: usize) -> bool {
        !self.mlp_only_layers.contains(&layer) && (layer + 1).is_multiple_of(self.decoder_sparse_step)
    }

    pub(super) fn experts(&self) -> ExpertShape {
        ExpertShape {
            inner: self.moe_intermediate_size,
            count: self.num_experts,
            top_k: self.num_experts_per_tok,
            layers: (0..self.decoder.num_hidden_layers).filter(|layer| self.has_experts(*layer)).count(),
        }
    }
}

impl Config for Qwen3MoeConfig {
    as_decoder!();

    fn architecture(&self) -> &'static str {
        "Qwen3MoeForCausalLM"
    }

    fn validate(&self) -> Result<()> {
        self.decoder.validate()?;
        positive("moe_intermediate_size", self.moe_intermediate_size)?;
        positive("decoder_sparse_step", self.decoder_sparse_step)?;
        self.experts().validate("num_experts", self.router_losses())
    }

    fn names(&self) -> Vec<TensorName> {
        let mut all = names::outer(&self.decoder);
        for layer in 0..self.layers() {
            all.extend(names::attention(&self.decoder, layer, [false; 2]));
            all.extend(names::head_norms(layer, [self.decoder.head_dim; 2]));
            match self.has_experts(layer) {
                true => all.extend(ExpertNames::USUAL.of_layer(layer, self.width(), self.experts())),
                false => all.extend(names::feed_forward(&self.decoder, layer, false)),
            }
        }
        all
    }

    fn fused(&self, tensor: &str) -> Option<FusedPart> {
        ExpertNames::USUAL.fused(tensor, self.width(), self.experts())
    }

    fn size(&self) -> Size {
        let norms = self.layers() * 2 * self.decoder.head_dim;
        self.experts().size(&self.decoder).with_head_norms(norms, self.decoder.head_layout().width())
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Qwen3Moe::new(self.clone(), builder))
    }
}

impl FamilyConfig for Qwen3MoeConfig {
    const FIXED: &'static [(&'static str, Value)] =
        &[("is_encoder_decoder", Value::Bool(false)), ("attention_bias", Value::Bool(false))];

    const ACTIVATIONS: (&'static str, &'static [&'static str]) = decoder::ACTIVATIONS;

    fn translate(config: &mut Value) -> Result<(), String> {
        dialect::full_attention(config)?;
        dialect::rotary(config)?;
        let own = [("max_position_embeddings", 32_768.into()), ("num_key_value_heads", 4.into())];
        dialect::defaults(config, &own);
        // Its name from transformers 5 on.
        if let (true, Some(count)) =
            (config["num_experts"].is_null(), config.get("num_local_experts").cloned())
        {
            config["num_experts"] = count;
        }
        if config["mlp_only_layers"].is_null() {
            config["mlp_only_layers"] = Value::Array(Vec::new());
        }
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
        let moe_intermediate_size = dense.intermediate_size.div_ceil(top_k).next_multiple_of(16);
        Ok(Self {
            decoder: DecoderConfig { rms_norm_eps: 1e-6, ..dense },
            moe_intermediate_size,
            decoder_sparse_step: default_step(),
            mlp_only_layers: Vec::new(),
            num_experts: count,
            num_experts_per_tok: top_k,
            norm_topk_prob: true,
            router_aux_loss_coef: default_balance(),
            router_z_loss_coef: default_z(),
        })
    }
}
