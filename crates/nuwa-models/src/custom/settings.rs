use nuwa_tensor::ops::activation::Activation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the blocks of a model of the family `custom` are made of. What has a default of its own here is that of LLaMA.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CustomSettings {
    /// How blocks look back, from the first on; the pattern begins anew where it ends.
    pub blocks: Vec<BlockKind>,
    /// What follows in each block, from the first on; this pattern, too, begins anew where it ends.
    pub feed_forward: Vec<FeedForwardKind>,
    /// Position encoding. If unset: rotary where a block attends, else none.
    pub positions: Option<PositionKind>,
    /// Normalisation of the rows that a layer reads, or of what it gives.
    pub norm: NormKind,
    /// Where norms stand: before each layer, with one more before the head (pre-norm), or after each
    /// residual branch (post-norm).
    pub norm_place: NormPlace,
    /// What is added to the variance or mean square in a norm.
    pub epsilon: f32,
    /// Activation function of the feed-forward layer.
    pub activation: ActivationKind,
    /// Gated feed-forward layer, such as SwiGLU: the activation of one projection times another.
    pub gated: bool,
    /// Biases in the projections of attention and feed-forward layers; recurrent layers have biases
    /// in any case.
    pub biases: bool,
    /// Features of the feed-forward layer, or of one expert. If unset: 4 times the width; 8/3 of the
    /// width where the layer is gated; experts share that of one layer among those of a token.
    pub inner: Option<usize>,
    /// Features of an attention head. If unset: the width divided by the number of heads.
    pub head_dim: Option<usize>,
    /// Keys that a banded block attends to, its own position included. If unset: half the context.
    pub window: Option<usize>,
    /// Features of the recurrence of lstm, gru and rg-lru blocks. If unset: the width.
    pub recurrent_width: Option<usize>,
    /// Tokens that the convolution of an rg-lru block sees, its own included.
    pub convolution: usize,
    /// Number of experts of a block that has experts.
    pub experts: usize,
    /// Experts that each token goes to.
    pub experts_per_token: usize,
    /// Coefficient of the loss that balances experts; 0 turns it off.
    pub balance_loss: f32,
    /// Coefficient of the z-loss of the router; 0 turns it off.
    pub router_z_loss: f32,
    /// Base of the wavelengths of rotary positions.
    pub theta: f64,
    /// Buckets of distances that relative positions tell apart.
    pub buckets: usize,
    /// Distance from which on all distances share the last bucket.
    pub max_distance: usize,
    /// Multiply embeddings by the root of the width, as the Transformer does: sinusoids are as large
    /// as such embeddings.
    pub scale_embedding: bool,
    /// Dropout of the inner features of the feed-forward layer too, at the rate of residual
    /// branches (`pretrain.dropout`).
    pub inner_dropout: bool,
}

impl Default for CustomSettings {
    fn default() -> Self {
        Self {
            blocks: vec![BlockKind::Attention],
            feed_forward: vec![FeedForwardKind::Dense],
            positions: None,
            norm: NormKind::Rms,
            norm_place: NormPlace::Before,
            epsilon: 1e-5,
            activation: ActivationKind::Silu,
            gated: true,
            biases: false,
            inner: None,
            head_dim: None,
            window: None,
            recurrent_width: None,
            convolution: 4,
            experts: 8,
            experts_per_token: 2,
            balance_loss: 0.02,
            router_z_loss: 0.001,
            theta: 10_000.0,
            buckets: 32,
            max_distance: 128,
            scale_embedding: false,
            inner_dropout: false,
        }
    }
}

/// How a block looks back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BlockKind {
    /// Attention to everything before.
    Attention,
    /// Attention within a window.
    Banded,
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent units.
    Gru,
    /// A convolution and a gated linear recurrence (Griffin).
    RgLru,
}

/// What follows in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FeedForwardKind {
    /// A feed-forward layer.
    Dense,
    /// A mixture of experts, each a gated feed-forward layer.
    Experts,
    /// Nothing.
    None,
}

/// How tokens tell their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PositionKind {
    /// An embedding of each position (GPT-2).
    Learned,
    /// Sines and cosines, added to embeddings (the Transformer).
    Sinusoidal,
    /// Queries and keys turned by their position (RoFormer).
    Rotary,
    /// Scores lowered in proportion to the distance (ALiBi).
    Alibi,
    /// A learned number for each head and bucket of distances (T5).
    Relative,
    /// None: the order is in the mask or in the recurrence.
    None,
}

/// What a norm divides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NormKind {
    /// Mean and variance of a row.
    Layer,
    /// The root mean square of a row.
    Rms,
    /// Mean and variance of each feature: over all positions of a pass while pretraining, so that positions see each other's
    /// statistics, later ones' too, and packed text is not as alone there; running ones in use and in fine-tuning.
    Batch,
}

/// Where norms stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NormPlace {
    /// Before each layer: x + layer(norm(x)).
    Before,
    /// After each residual branch: norm(x + layer(x)).
    After,
}

/// The non-linear map of a feed-forward layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActivationKind {
    /// x / (1 + e^-x), also called swish.
    Silu,
    /// GELU by the error function.
    Gelu,
    /// GELU by the tanh formula.
    GeluTanh,
    /// max(x, 0).
    Relu,
    /// The hyperbolic tangent.
    Tanh,
}

impl From<ActivationKind> for Activation {
    fn from(kind: ActivationKind) -> Self {
        match kind {
            ActivationKind::Silu => Self::Silu,
            ActivationKind::Gelu => Self::Gelu,
            ActivationKind::GeluTanh => Self::GeluTanh,
            ActivationKind::Relu => Self::Relu,
            ActivationKind::Tanh => Self::Tanh,
        }
    }
}

impl BlockKind {
    /// Whether it attends, to everything before or within a window.
    pub fn attends(self) -> bool {
        matches!(self, Self::Attention | Self::Banded)
    }
}
