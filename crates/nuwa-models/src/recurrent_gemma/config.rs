use nuwa_nn::RecurrentBlockSizes;
use nuwa_tensor::{HeadLayout, ParametersBuilder, RotaryTable};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{RecurrentGemma, names};
use crate::config::{Config, FamilyConfig, Result, Shape, Size, above_zero, ensure, positive};
use crate::{LooksBack, Model, Preset, TensorName};

/// The fields of RecurrentGemma's `config.json`, by their names at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecurrentGemmaConfig {
    /// Token ids.
    pub vocab_size: usize,
    /// Model width.
    pub hidden_size: usize,
    /// Twice the width of the gated feed-forward layer.
    pub intermediate_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Query heads, and the groups of features that gates of the recurrence are of.
    pub num_attention_heads: usize,
    /// Key-value heads; as many as query heads where it does not say.
    #[serde(default)]
    pub num_key_value_heads: Option<usize>,
    /// Features of the recurrence; as many as the width where it does not say.
    #[serde(default)]
    pub lru_width: Option<usize>,
    /// Keys that a query attends to, up to and including its own position.
    #[serde(default = "default_window")]
    pub attention_window_size: usize,
    /// Tokens that the convolution sees, its own among them.
    #[serde(default = "default_taps")]
    pub conv1d_width: usize,
    /// What logits stay below.
    #[serde(default = "default_cap")]
    pub logits_soft_cap: f32,
    /// Added to mean squares.
    #[serde(default = "default_epsilon")]
    pub rms_norm_eps: f32,
    /// How blocks look back, in turn, from the first on.
    #[serde(default = "default_blocks")]
    pub block_types: Vec<TemporalBlock>,
    /// Whether queries, keys and values have biases.
    #[serde(default)]
    pub attention_bias: bool,
    /// The activation: GELU by the tanh formula.
    #[serde(default)]
    hidden_activation: GeluTanh,
    #[serde(flatten)]
    rope: PartialRope,
    /// What the first weights of most layers follow from.
    #[serde(default = "default_variance")]
    pub w_init_variance_scale: f32,
    /// Whether the head is the embedding.
    #[serde(default = "default_tied")]
    pub tie_word_embeddings: bool,
    /// Positions of a training window, which Hugging Face's field of this name would be; it has none.
    #[serde(default = "default_positions")]
    pub max_position_embeddings: usize,
    /// First id of a text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bos_token_id: Option<u32>,
    /// Last id of a text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eos_token_id: Option<u32>,
}

/// How a block looks back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemporalBlock {
    /// By a state.
    Recurrent,
    /// Within a window.
    Attention,
}

/// The one activation that the family has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum GeluTanh {
    #[default]
    #[serde(rename = "gelu_pytorch_tanh")]
    GeluTanh,
}

/// The rotary settings, as transformers 5 writes them and as transformers 4 does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "WrittenRope", into = "WrittenRope")]
struct PartialRope {
    theta: f64,
    /// The share of each head that is turned.
    share: f64,
}

impl Default for PartialRope {
    fn default() -> Self {
        Self { theta: 10_000.0, share: 0.5 }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct WrittenRope {
    #[serde(default)]
    rope_parameters: Option<RopeParameters>,
    #[serde(default)]
    rope_theta: Option<f64>,
    #[serde(default)]
    partial_rotary_factor: Option<f64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct RopeParameters {
    #[serde(default = "default_rope_type")]
    rope_type: String,
    #[serde(default)]
    rope_theta: Option<f64>,
    #[serde(default)]
    partial_rotary_factor: Option<f64>,
}

fn default_rope_type() -> String {
    "default".into()
}

impl From<WrittenRope> for PartialRope {
    fn from(written: WrittenRope) -> Self {
        let of = |newer: fn(&RopeParameters) -> Option<f64>, older: Option<f64>, own: f64| {
            written.rope_parameters.as_ref().and_then(newer).or(older).unwrap_or(own)
        };
        let own = Self::default();
        Self {
            theta: of(|rope| rope.rope_theta, written.rope_theta, own.theta),
            share: of(|rope| rope.partial_rotary_factor, written.partial_rotary_factor, own.share),
        }
    }
}

/// Written in both forms, so that older and newer readers find what they look for.
impl From<PartialRope> for WrittenRope {
    fn from(PartialRope { theta, share }: PartialRope) -> Self {
        let (rope_theta, partial_rotary_factor) = (Some(theta), Some(share));
        let newer = RopeParameters { rope_type: default_rope_type(), rope_theta, partial_rotary_factor };
        Self { rope_parameters: Some(newer), rope_theta, partial_rotary_factor }
    }
}

fn default_window() -> usize {
    2048
}

fn default_taps() -> usize {
    4
}

fn default_cap() -> f32 {
    30.0
}

fn default_epsilon() -> f32 {
    1e-6
}

fn default_blocks() -> Vec<TemporalBlock> {
    vec![TemporalBlock::Recurrent, TemporalBlock::Recurrent, TemporalBlock::Attention]
}

fn default_variance() -> f32 {
    0.01
}

fn default_tied() -> bool {
    true
}

fn default_positions() -> usize {
    8192
}

impl RecurrentGemmaConfig {
    /// How packed rows are cut into heads.
    pub fn head_layout(&self) -> HeadLayout {
        let heads = self.num_attention_heads;
        let kv_heads = self.num_key_value_heads.unwrap_or(heads);
        HeadLayout { heads, kv_heads, head_dim: self.hidden_size / heads }
    }

    /// The width of the gated feed-forward layer.
    pub fn inner(&self) -> usize {
        self.intermediate_size / 2
    }

    /// The sizes of a recurrent block.
    pub fn recurrence(&self) -> RecurrentBlockSizes {
        RecurrentBlockSizes {
            width: self.hidden_size,
            inner: self.lru_width.unwrap_or(self.hidden_size),
            groups: self.num_attention_heads,
            taps: self.conv1d_width,
        }
    }

    /// How block `layer` looks back: the pattern begins anew where it ends.
    pub fn block(&self, layer: usize) -> TemporalBlock {
        self.block_types[layer % self.block_types.len()]
    }

    /// Features of a head that are turned by positions.
    fn turned(&self) -> usize {
        (self.head_layout().head_dim as f64 * self.rope.share) as usize
    }

    /// Cosines and sines of the features that are turned.
    pub(crate) fn rotary(&self) -> RotaryTable {
        let frequencies = RotaryTable::frequencies(self.rope.theta, self.turned());
        RotaryTable::new(&frequencies, self.max_position_embeddings)
    }

    /// The weights of one block of each kind, its norms among them.
    fn block_weights(&self, block: TemporalBlock) -> usize {
        let (width, heads) = (self.hidden_size, self.head_layout());
        let RecurrentBlockSizes { inner, groups, taps, .. } = self.recurrence();
        let feed_forward = 3 * width * self.inner() + 2 * self.inner() + width;
        let temporal = match block {
            TemporalBlock::Recurrent => {
                let affine = 3 * width * inner + 2 * inner + width;
                affine + (taps + 1) * inner + 2 * (inner * (inner / groups) + inner) + inner
            }
            TemporalBlock::Attention => {
                let bias = if self.attention_bias { heads.width() } else { 0 };
                width * heads.width() + bias + heads.query_width() * width + width
            }
        };
        temporal + feed_forward + 2 * width
    }

    fn count(&self, block: TemporalBlock) -> usize {
        (0..self.num_hidden_layers).filter(|layer| self.block(*layer) == block).count()
    }
}

impl Config for RecurrentGemmaConfig {
    fn context(&self) -> usize {
        self.max_position_embeddings
    }

    fn vocabulary(&self) -> usize {
        self.vocab_size
    }

    fn layers(&self) -> usize {
        self.num_hidden_layers
    }

    fn width(&self) -> usize {
        self.hidden_size
    }

    fn heads(&self) -> [usize; 2] {
        [self.num_attention_heads, self.head_layout().kv_heads]
    }

    fn architecture(&self) -> &'static str {
        "RecurrentGemmaForCausalLM"
    }

    fn validate(&self) -> Result<()> {
        positive("vocab_size", self.vocab_size)?;
        positive("hidden_size", self.hidden_size)?;
        positive("intermediate_size", self.intermediate_size)?;
        positive("num_hidden_layers", self.num_hidden_layers)?;
        positive("num_attention_heads", self.num_attention_heads)?;
        positive("attention_window_size", self.attention_window_size)?;
        positive("conv1d_width", self.conv1d_width)?;
        positive("max_position_embeddings", self.max_position_embeddings)?;
        above_zero("rms_norm_eps", f64::from(self.rms_norm_eps))?;
        above_zero("logits_soft_cap", f64::from(self.logits_soft_cap))?;
        above_zero("w_init_variance_scale", f64::from(self.w_init_variance_scale))?;
        above_zero("rope_theta", self.rope.theta)?;
        let is_even = self.intermediate_size.is_multiple_of(2);
        let expected = "expected an even number, twice the width of the feed-forward layer";
        ensure(is_even, "intermediate_size", self.intermediate_size, expected)?;
        let heads = self.num_attention_heads;
        let divides = self.hidden_size.is_multiple_of(heads);
        ensure(
            divides,
            "num_attention_heads",
            heads,
            format!("expected a divisor of hidden_size = {}", self.hidden_size),
        )?;
        let kv_heads = self.num_key_value_heads.unwrap_or(heads);
        positive("num_key_value_heads", kv_heads)?;
        let expected = format!("expected a divisor of num_attention_heads = {heads}");
        ensure(heads.is_multiple_of(kv_heads), "num_key_value_heads", kv_heads, expected)?;
        let inner = self.lru_width.unwrap_or(self.hidden_size);
        positive("lru_width", inner)?;
        let expected = format!("expected a multiple of num_attention_heads = {heads}");
        ensure(inner.is_multiple_of(heads), "lru_width", inner, expected)?;
        let expected = "expected recurrent and attention in any order, at least one of them";
        ensure(!self.block_types.is_empty(), "block_types", "[]", expected)?;
        let expected = format!(
            "expected a share of up to 1 that leaves an even number of the {} features of a head",
            self.head_layout().head_dim
        );
        let turns =
            (0.0..=1.0).contains(&self.rope.share) && self.turned().is_multiple_of(2) && self.turned() > 0;
        ensure(turns, "partial_rotary_factor", self.rope.share, expected)
    }

    fn names(&self) -> Vec<TensorName> {
        names::names(self)
    }

    fn copies(&self) -> Vec<(&'static str, &'static str)> {
        if self.tie_word_embeddings { vec![("lm_head.weight", "tokens.weight")] } else { Vec::new() }
    }

    fn ignored(&self) -> &'static [&'static str] {
        &[".rotary_emb.inv_freq", ".normalizer"]
    }

    fn table_width(&self) -> usize {
        self.turned()
    }

    fn size(&self) -> Size {
        let (width, heads) = (self.hidden_size, self.head_layout());
        let RecurrentBlockSizes { inner, .. } = self.recurrence();
        let head = if self.tie_word_embeddings { 0 } else { self.vocab_size * width };
        let [recurrent, attention] =
            [TemporalBlock::Recurrent, TemporalBlock::Attention].map(|kind| self.count(kind));
        let blocks = recurrent * self.block_weights(TemporalBlock::Recurrent)
            + attention * self.block_weights(TemporalBlock::Attention);
        // Of a recurrent block the gate and its slope, what goes through the convolution, both gates, the states and the product.
        let kept = (8 * inner).max(2 * heads.width() + heads.query_width());
        Size {
            parameters: (self.vocab_size + 1) * width + head + blocks,
            idle: 0,
            // Attention costs nothing in the other blocks.
            query_width: heads.query_width() * attention / self.num_hidden_layers,
            kept: [2 * width + kept + 3 * self.inner(), 2 * width],
        }
    }

    fn looks_back(&self, layer: usize) -> LooksBack {
        match self.block(layer) {
            TemporalBlock::Recurrent => LooksBack { kind: "rg-lru", window: None },
            TemporalBlock::Attention => {
                LooksBack { window: Some(self.attention_window_size), ..LooksBack::default() }
            }
        }
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(RecurrentGemma::new(self.clone(), builder))
    }
}

impl FamilyConfig for RecurrentGemmaConfig {
    const FIXED: &'static [(&'static str, Value)] =
        &[("is_encoder_decoder", Value::Bool(false)), ("embeddings_scale_by_sqrt_dim", Value::Bool(true))];

    const ACTIVATIONS: (&'static str, &'static [&'static str]) =
        ("hidden_activation", &["gelu_pytorch_tanh"]);

    fn translate(config: &mut Value) -> Result<(), String> {
        let kind = &config["rope_parameters"]["rope_type"];
        if !kind.is_null() && kind != "default" {
            return Err(format!("rope_parameters: rope_type = {kind} is not supported, only \"default\" is"));
        }
        if config["block_types"].is_null() {
            config["block_types"] = json!(default_blocks());
        }
        Ok(())
    }

    fn presets() -> &'static [Preset] {
        super::presets::PRESETS
    }

    /// One head of keys and values, a feed-forward layer three times as wide as the model, and a window of half the context.
    fn shaped(shape: &Shape) -> Result<Self> {
        let Shape { width, heads, .. } = *shape;
        let kv_heads = shape.kv_heads.unwrap_or(1);
        let shared = kv_heads > 0 && heads.is_multiple_of(kv_heads);
        ensure(shared, "kv_heads", kv_heads, format!("expected a divisor of the {heads} heads"))?;
        let expected = format!(
            "expected a width that leaves each head (here {heads}) a multiple of 4 features, such as {}",
            (width + 1).next_multiple_of(4 * heads)
        );
        ensure((width / heads).is_multiple_of(4), "width", width, expected)?;
        Ok(Self {
            vocab_size: shape.vocabulary,
            hidden_size: width,
            intermediate_size: 6 * width,
            num_hidden_layers: shape.layers,
            num_attention_heads: heads,
            num_key_value_heads: Some(kv_heads),
            lru_width: Some(width),
            attention_window_size: (shape.context / 2).max(1),
            conv1d_width: default_taps(),
            logits_soft_cap: default_cap(),
            rms_norm_eps: default_epsilon(),
            block_types: default_blocks(),
            attention_bias: false,
            hidden_activation: GeluTanh::GeluTanh,
            rope: PartialRope::default(),
            w_init_variance_scale: default_variance(),
            tie_word_embeddings: !shape.untied_head,
            max_position_embeddings: shape.context,
            bos_token_id: shape.eos,
            eos_token_id: shape.eos,
        })
    }
}
