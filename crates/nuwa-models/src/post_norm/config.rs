use nuwa_tensor::HeadLayout;
use nuwa_tensor::ops::activation::Activation;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ParseError;
use crate::config::{Result, Shape, Size, ensure, positive};

/// The fields that Marian's and BART's `config.json` share, by their names at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PostNormConfig {
    /// Token ids.
    pub vocab_size: usize,
    /// Positions of a source, and of an answer.
    #[serde(default = "default_positions")]
    pub max_position_embeddings: usize,
    /// Model width.
    pub d_model: usize,
    /// Blocks of the encoder.
    pub encoder_layers: usize,
    /// Blocks of the decoder.
    pub decoder_layers: usize,
    /// Heads of the encoder.
    pub encoder_attention_heads: usize,
    /// Heads of the decoder.
    pub decoder_attention_heads: usize,
    /// Width of the encoder's feed-forward layers.
    pub encoder_ffn_dim: usize,
    /// Width of the decoder's.
    pub decoder_ffn_dim: usize,
    /// Which activation.
    #[serde(default)]
    pub activation_function: PlainActivation,
    /// Whether embeddings are multiplied by the root of the width.
    #[serde(default)]
    pub scale_embedding: bool,
    /// The token before the first of every answer.
    pub decoder_start_token_id: u32,
    /// The token that fills up a text, where there is one.
    #[serde(default)]
    pub pad_token_id: Option<u32>,
    /// First id of a text, where there is one.
    #[serde(default)]
    pub bos_token_id: Option<u32>,
    /// Last id of a text, where there is one.
    #[serde(default)]
    pub eos_token_id: Option<u32>,
    /// The id that other programs write where they cut an answer, where there is one.
    #[serde(default)]
    pub forced_eos_token_id: Option<u32>,
    /// Whether it has a head for labels in place of one for tokens, which its weights say.
    #[serde(skip)]
    pub tells_labels: bool,
}

/// The activation of a feed-forward layer without a gate, by its names at Hugging Face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PlainActivation {
    /// GELU by the error function.
    #[default]
    #[serde(rename = "gelu")]
    Gelu,
    /// GELU by the tanh formula.
    #[serde(rename = "gelu_new", alias = "gelu_pytorch_tanh", alias = "gelu_fast")]
    GeluTanh,
    /// ReLU.
    #[serde(rename = "relu")]
    Relu,
    /// SiLU, as the Marian models of OPUS-MT have it.
    #[serde(rename = "swish", alias = "silu")]
    Silu,
}

impl From<PlainActivation> for Activation {
    fn from(activation: PlainActivation) -> Self {
        match activation {
            PlainActivation::Gelu => Self::Gelu,
            PlainActivation::GeluTanh => Self::GeluTanh,
            PlainActivation::Relu => Self::Relu,
            PlainActivation::Silu => Self::Silu,
        }
    }
}

/// The field of the activation, and the names of [`PlainActivation`].
pub(crate) const ACTIVATIONS: (&str, &[&str]) =
    ("activation_function", &["gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "relu", "swish", "silu"]);

/// Fields that change what a model computes, with the values that are computed.
pub(crate) const FIXED: &[(&str, Value)] = &[
    ("is_encoder_decoder", Value::Bool(true)),
    ("tie_word_embeddings", Value::Bool(true)),
    ("normalize_before", Value::Bool(false)),
    ("add_final_layer_norm", Value::Bool(false)),
];

fn default_positions() -> usize {
    1024
}

impl PostNormConfig {
    /// How packed rows of the encoder are cut into heads.
    pub fn encoder_heads(&self) -> HeadLayout {
        self.layout(self.encoder_attention_heads)
    }

    /// How those of the decoder are.
    pub fn decoder_heads(&self) -> HeadLayout {
        self.layout(self.decoder_attention_heads)
    }

    fn layout(&self, heads: usize) -> HeadLayout {
        HeadLayout { heads, kv_heads: heads, head_dim: self.d_model / heads }
    }

    /// What embeddings are multiplied by.
    pub(crate) fn embedding_scale(&self) -> f32 {
        if self.scale_embedding { (self.d_model as f32).sqrt() } else { 1.0 }
    }

    /// An error naming the first field that makes no sense.
    pub(crate) fn validate(&self) -> Result<()> {
        positive("vocab_size", self.vocab_size)?;
        positive("max_position_embeddings", self.max_position_embeddings)?;
        positive("d_model", self.d_model)?;
        positive("encoder_layers", self.encoder_layers)?;
        positive("decoder_layers", self.decoder_layers)?;
        positive("encoder_ffn_dim", self.encoder_ffn_dim)?;
        positive("decoder_ffn_dim", self.decoder_ffn_dim)?;
        let heads = [
            ("encoder_attention_heads", self.encoder_attention_heads),
            ("decoder_attention_heads", self.decoder_attention_heads),
        ];
        for (field, heads) in heads {
            positive(field, heads)?;
            let expected = format!("expected a divisor of d_model = {}", self.d_model);
            ensure(self.d_model.is_multiple_of(heads), field, heads, expected)?;
        }
        let start = self.decoder_start_token_id;
        let expected = format!("expected an id below vocab_size = {}", self.vocab_size);
        ensure((start as usize) < self.vocab_size, "decoder_start_token_id", start, expected)
    }

    /// What a plan has to know, of a model with so many weights outside of its blocks.
    pub(crate) fn size(&self, others: usize) -> Size {
        let width = self.d_model;
        let square = width * width + width;
        let feed_forward = |inner: usize| 2 * width * inner + inner + width;
        let encoder = 4 * square + feed_forward(self.encoder_ffn_dim) + 4 * width;
        let decoder = 8 * square + feed_forward(self.decoder_ffn_dim) + 6 * width;
        let blocks = self.encoder_layers * encoder + self.decoder_layers * decoder;
        // A position goes through one of the two stacks: half of what a block of the two keeps on average, of norms, projections
        // and twice the inner activations.
        let inner = (self.encoder_ffn_dim + self.decoder_ffn_dim) / 2;
        let kept = [(17 * width / 2 + 2 * inner) / 2, 5 * width / 4];
        Size { parameters: blocks + others, idle: blocks / 2, query_width: width, kept }
    }

    /// The configuration of a new model, whose blocks the two stacks share, with this activation.
    pub(crate) fn shaped(
        family: &str,
        shape: &Shape,
        activation: PlainActivation,
        scale_embedding: bool,
    ) -> Result<Self> {
        let Shape { width, heads, layers, eos, .. } = *shape;
        let kv_heads = shape.kv_heads.unwrap_or(heads);
        let expected = format!("expected nothing: {family} has as many as heads");
        ensure(kv_heads == heads, "kv_heads", kv_heads, expected)?;
        let expected = format!("expected false: the head of {family} is its embedding");
        ensure(!shape.untied_head, "untied_head", true, expected)?;
        ensure(layers >= 2, "layers", layers, "expected at least 2: encoder and decoder share them")?;
        Ok(Self {
            vocab_size: shape.vocabulary,
            max_position_embeddings: shape.context,
            d_model: width,
            encoder_layers: layers - layers / 2,
            decoder_layers: layers / 2,
            encoder_attention_heads: heads,
            decoder_attention_heads: heads,
            encoder_ffn_dim: 4 * width,
            decoder_ffn_dim: 4 * width,
            activation_function: activation,
            scale_embedding,
            decoder_start_token_id: eos.unwrap_or(0),
            pad_token_id: eos,
            bos_token_id: eos,
            eos_token_id: eos,
            forced_eos_token_id: eos,
            tells_labels: false,
        })
    }

    /// An error with the path of the field at fault, which serde does not tell of fields that several structs share.
    pub(crate) fn check(value: &Value) -> Result<(), ParseError> {
        serde_path_to_error::deserialize::<_, Self>(value).map(drop)
    }
}

/// The methods of [`Config`](crate::Config) that say no more than the field `stacks`.
macro_rules! as_post_norm {
    () => {
        fn context(&self) -> usize {
            self.stacks.max_position_embeddings
        }

        fn vocabulary(&self) -> usize {
            self.stacks.vocab_size
        }

        fn layers(&self) -> usize {
            self.stacks.encoder_layers + self.stacks.decoder_layers
        }

        fn width(&self) -> usize {
            self.stacks.d_model
        }

        fn heads(&self) -> [usize; 2] {
            [self.stacks.encoder_attention_heads; 2]
        }

        fn predicts(&self) -> Prediction {
            Prediction::Answer
        }

        fn decoder_start(&self) -> Option<u32> {
            Some(self.stacks.decoder_start_token_id)
        }

        fn adopt(&mut self, has: &dyn Fn(&str) -> bool) {
            self.stacks.tells_labels = has(LabelHead::OF_ANSWER.weight);
        }

        fn keep_only_labels(&mut self) {
            self.stacks.tells_labels = true;
        }

        fn copies(&self) -> Vec<(&'static str, &'static str)> {
            ["model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight"]
                .map(|copy| (copy, "tokens.weight"))
                .into()
        }
    };
}
pub(crate) use as_post_norm;
