use nuwa_nn::RecurrentBlockSizes;
use nuwa_tensor::{
    HeadLayout, ParametersBuilder, RecurrentCell, RelativeBuckets, RouterCoefficients, Routing,
};
use serde::{Deserialize, Serialize};

use super::settings::{BlockKind, CustomSettings, FeedForwardKind, NormKind, PositionKind};
use super::{Custom, check, names, size};
use crate::config::{Config, FamilyConfig, Result, Shape, Size, default_range, gated_inner};
use crate::{LooksBack, Model, TensorName};

/// The fields of the `config.json` of a model of one's own. No model at Hugging Face has them: what says its size has the names that
/// other models have for it there, and what its blocks are made of is the object `custom`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomConfig {
    /// Token ids.
    pub vocab_size: usize,
    /// Model width.
    pub hidden_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Query heads, and the groups of features that gates of an RG-LRU are of.
    pub num_attention_heads: usize,
    /// Key-value heads.
    pub num_key_value_heads: usize,
    /// Positions.
    pub max_position_embeddings: usize,
    /// Whether the head is the embedding.
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// Standard deviation of the first weights.
    #[serde(default = "default_range")]
    pub initializer_range: f32,
    /// First id of a text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bos_token_id: Option<u32>,
    /// Last id of a text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eos_token_id: Option<u32>,
    /// What blocks are made of.
    pub custom: CustomSettings,
}

impl CustomConfig {
    /// The configuration of a new model.
    ///
    /// # Errors
    /// Naming the first setting that makes no such model.
    pub fn designed(shape: &Shape, design: &CustomSettings) -> Result<Self> {
        let config = Self {
            vocab_size: shape.vocabulary,
            hidden_size: shape.width,
            num_hidden_layers: shape.layers,
            num_attention_heads: shape.heads,
            num_key_value_heads: shape.kv_heads.unwrap_or(shape.heads),
            max_position_embeddings: shape.context,
            tie_word_embeddings: !shape.untied_head,
            initializer_range: default_range(),
            bos_token_id: shape.eos,
            eos_token_id: shape.eos,
            custom: design.clone(),
        };
        check::new_model(&config)?;
        Ok(config)
    }

    /// How block `layer` looks back.
    pub fn block(&self, layer: usize) -> BlockKind {
        self.custom.blocks[layer % self.custom.blocks.len()]
    }

    /// What follows in block `layer`.
    pub fn feed_forward(&self, layer: usize) -> FeedForwardKind {
        self.custom.feed_forward[layer % self.custom.feed_forward.len()]
    }

    /// How tokens tell their places.
    pub fn positions(&self) -> PositionKind {
        let attends = self.custom.blocks.iter().any(|block| block.attends());
        self.custom.positions.unwrap_or(if attends { PositionKind::Rotary } else { PositionKind::None })
    }

    /// How packed rows are cut into heads.
    pub fn head_layout(&self) -> HeadLayout {
        let (heads, kv_heads) = (self.num_attention_heads, self.num_key_value_heads);
        HeadLayout { heads, kv_heads, head_dim: self.custom.head_dim.unwrap_or(self.hidden_size / heads) }
    }

    /// Keys that block `layer` attends to, where they are not all before; none of what does not attend.
    pub fn window(&self, layer: usize) -> Option<usize> {
        let usual = || (self.max_position_embeddings / 2).max(1);
        (self.block(layer) == BlockKind::Banded).then(|| self.custom.window.unwrap_or_else(usual))
    }

    /// Features of the feed-forward layer.
    pub fn inner(&self) -> usize {
        let usual = if self.custom.gated { gated_inner(self.hidden_size) } else { 4 * self.hidden_size };
        self.custom.inner.unwrap_or(usual)
    }

    /// Features of one expert.
    pub fn expert_inner(&self) -> usize {
        let shared = || gated_inner(self.hidden_size).div_ceil(self.custom.experts_per_token);
        self.custom.inner.unwrap_or_else(|| shared().next_multiple_of(32))
    }

    /// Features of a recurrence.
    pub fn recurrent_width(&self) -> usize {
        self.custom.recurrent_width.unwrap_or(self.hidden_size)
    }

    /// The sizes of an RG-LRU block.
    pub(super) fn recurrence(&self) -> RecurrentBlockSizes {
        RecurrentBlockSizes {
            width: self.hidden_size,
            inner: self.recurrent_width(),
            groups: self.num_attention_heads,
            taps: self.custom.convolution,
        }
    }

    /// Which distances share a bucket.
    pub(super) fn distances(&self) -> RelativeBuckets {
        let CustomSettings { buckets, max_distance, .. } = self.custom;
        RelativeBuckets { buckets, max_distance, bidirectional: false }
    }

    /// Where a token goes.
    pub(super) fn routing(&self) -> Routing {
        Routing { top_k: self.custom.experts_per_token, renormalise: true }
    }

    /// What the losses of routers count.
    pub(super) fn router_losses(&self) -> RouterCoefficients {
        RouterCoefficients { balance: self.custom.balance_loss, z: self.custom.router_z_loss }
    }
}

impl BlockKind {
    /// The cell of a block that is made of one.
    pub(super) fn cell(self) -> Option<RecurrentCell> {
        match self {
            Self::Lstm => Some(RecurrentCell::Lstm),
            Self::Gru => Some(RecurrentCell::Gru),
            Self::Attention | Self::Banded | Self::RgLru => None,
        }
    }
}

impl Config for CustomConfig {
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
        [self.num_attention_heads, self.num_key_value_heads]
    }

    fn architecture(&self) -> &'static str {
        "CustomForCausalLM"
    }

    fn validate(&self) -> Result<()> {
        check::validate(self)
    }

    fn names(&self) -> Vec<TensorName> {
        names::names(self)
    }

    fn copies(&self) -> Vec<(&'static str, &'static str)> {
        if self.tie_word_embeddings { vec![("head.weight", "tokens.weight")] } else { Vec::new() }
    }

    fn table_width(&self) -> usize {
        match self.positions() {
            PositionKind::Rotary => self.head_layout().head_dim,
            PositionKind::Sinusoidal => self.hidden_size,
            _ => 0,
        }
    }

    fn looks_back(&self, layer: usize) -> LooksBack {
        let kind = match self.block(layer) {
            BlockKind::Attention | BlockKind::Banded => "",
            BlockKind::Lstm => "lstm",
            BlockKind::Gru => "gru",
            BlockKind::RgLru => "rg-lru",
        };
        LooksBack { kind, window: self.window(layer) }
    }

    fn sees_batch(&self) -> bool {
        self.custom.norm == NormKind::Batch
    }

    fn size(&self) -> Size {
        size::size(self)
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Custom::new(self.clone(), builder))
    }
}

impl FamilyConfig for CustomConfig {
    const ACTIVATIONS: (&'static str, &'static [&'static str]) =
        ("activation", &["silu", "gelu", "gelu-tanh", "relu", "tanh"]);

    fn shaped(shape: &Shape) -> Result<Self> {
        Self::designed(shape, &CustomSettings::default())
    }
}
