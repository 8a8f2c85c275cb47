use nuwa_tensor::{HeadLayout, ParametersBuilder, RelativeBuckets};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Lamda, names};
use crate::config::{
    Config, FamilyConfig, Result, Shape, Size, above_zero, default_range, ensure, gated_inner, positive,
};
use crate::{Model, Preset, TensorName};

/// The fields of LaMDA's `config.json`, by T5's names for them at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LamdaConfig {
    /// Token ids.
    pub vocab_size: usize,
    /// Model width.
    pub d_model: usize,
    /// Features a head; `num_heads` times as many need not be the width.
    pub d_kv: usize,
    /// Width of the gated feed-forward layer.
    pub d_ff: usize,
    /// Blocks.
    pub num_layers: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Positions.
    #[serde(default = "default_positions")]
    pub n_positions: usize,
    /// Numbers for relative distances that each head has.
    #[serde(default = "default_buckets")]
    pub relative_attention_num_buckets: usize,
    /// The distance from which on all have the same.
    #[serde(default = "default_distance")]
    pub relative_attention_max_distance: usize,
    /// Added to mean squares.
    #[serde(default = "default_epsilon")]
    pub layer_norm_epsilon: f32,
    /// The feed-forward layer: gated by GELU.
    #[serde(default)]
    feed_forward_proj: GatedGelu,
    /// Standard deviation of the first weights.
    #[serde(default = "default_range")]
    pub initializer_range: f32,
    /// Whether the head is the embedding.
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// First id of a text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bos_token_id: Option<u32>,
    /// Last id of a text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eos_token_id: Option<u32>,
}

/// The one kind of feed-forward layer that the family has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum GatedGelu {
    #[default]
    #[serde(rename = "gated-gelu")]
    GatedGelu,
}

fn default_positions() -> usize {
    2048
}

fn default_buckets() -> usize {
    32
}

fn default_distance() -> usize {
    128
}

fn default_epsilon() -> f32 {
    1e-6
}

impl LamdaConfig {
    /// How packed rows are cut into heads.
    pub fn head_layout(&self) -> HeadLayout {
        HeadLayout { heads: self.num_heads, kv_heads: self.num_heads, head_dim: self.d_kv }
    }

    /// Which distances share a number.
    pub fn buckets(&self) -> RelativeBuckets {
        RelativeBuckets {
            buckets: self.relative_attention_num_buckets,
            max_distance: self.relative_attention_max_distance,
            bidirectional: false,
        }
    }
}

impl Config for LamdaConfig {
    fn context(&self) -> usize {
        self.n_positions
    }

    fn vocabulary(&self) -> usize {
        self.vocab_size
    }

    fn layers(&self) -> usize {
        self.num_layers
    }

    fn width(&self) -> usize {
        self.d_model
    }

    fn heads(&self) -> [usize; 2] {
        [self.num_heads; 2]
    }

    fn architecture(&self) -> &'static str {
        "LamdaForCausalLM"
    }

    fn validate(&self) -> Result<()> {
        positive("vocab_size", self.vocab_size)?;
        positive("d_model", self.d_model)?;
        positive("d_kv", self.d_kv)?;
        positive("d_ff", self.d_ff)?;
        positive("num_layers", self.num_layers)?;
        positive("num_heads", self.num_heads)?;
        positive("n_positions", self.n_positions)?;
        above_zero("layer_norm_epsilon", f64::from(self.layer_norm_epsilon))?;
        let buckets = self.relative_attention_num_buckets;
        positive("relative_attention_num_buckets", buckets)?;
        let expected = "expected a whole number of at least 2";
        ensure(buckets >= 2, "relative_attention_num_buckets", buckets, expected)?;
        let (longest, half) = (self.relative_attention_max_distance, buckets / 2);
        positive("relative_attention_max_distance", longest)?;
        let expected = format!("expected a number above {half}, half of relative_attention_num_buckets");
        ensure(longest > half, "relative_attention_max_distance", longest, expected)
    }

    fn names(&self) -> Vec<TensorName> {
        names::names(self)
    }

    fn size(&self) -> Size {
        let (width, inner, heads) = (self.d_model, self.d_ff, self.head_layout());
        let head = if self.tie_word_embeddings { 0 } else { self.vocab_size * width };
        let distances = self.relative_attention_num_buckets * self.num_heads;
        let block = 4 * width * heads.query_width() + 3 * width * inner + 2 * width;
        Size {
            parameters: (self.vocab_size + 1) * width + head + distances + self.num_layers * block,
            idle: 0,
            query_width: heads.query_width(),
            kept: [2 * width + heads.width() + heads.query_width() + 3 * inner, 2 * width],
        }
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Lamda::new(self.clone(), builder))
    }
}

impl FamilyConfig for LamdaConfig {
    const FIXED: &'static [(&'static str, Value)] = &[("is_encoder_decoder", Value::Bool(false))];

    const ACTIVATIONS: (&'static str, &'static [&'static str]) = ("feed_forward_proj", &["gated-gelu"]);

    fn presets() -> &'static [Preset] {
        super::presets::PRESETS
    }

    fn shaped(shape: &Shape) -> Result<Self> {
        let usual = shape.kv_heads.is_none_or(|kv_heads| kv_heads == shape.heads);
        let kv_heads = shape.kv_heads.unwrap_or(shape.heads);
        ensure(usual, "kv_heads", kv_heads, "expected nothing: lamda has as many as heads")?;
        Ok(Self {
            vocab_size: shape.vocabulary,
            d_model: shape.width,
            d_kv: shape.width / shape.heads,
            d_ff: gated_inner(shape.width),
            num_layers: shape.layers,
            num_heads: shape.heads,
            n_positions: shape.context,
            relative_attention_num_buckets: default_buckets(),
            relative_attention_max_distance: default_distance(),
            layer_norm_epsilon: default_epsilon(),
            feed_forward_proj: GatedGelu::GatedGelu,
            initializer_range: default_range(),
            tie_word_embeddings: !shape.untied_head,
            bos_token_id: shape.eos,
            eos_token_id: shape.eos,
        })
    }
}
