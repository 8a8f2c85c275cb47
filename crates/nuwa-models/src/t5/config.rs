use nuwa_nn::Initialisation;
use nuwa_tensor::{HeadLayout, ParametersBuilder, RelativeBuckets};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{T5, names};
use crate::config::{
    Config, FamilyConfig, Prediction, Result, Shape, Size, above_zero, ensure, fill_in, gated_inner, positive,
};
use crate::{LabelHead, Model, Preset, TensorName};

/// The fields of T5's `config.json`, by their names at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct T5Config {
    /// Token ids.
    pub vocab_size: usize,
    /// Model width.
    pub d_model: usize,
    /// Features a head; `num_heads` times as many need not be the width.
    pub d_kv: usize,
    /// Width of the feed-forward layer.
    pub d_ff: usize,
    /// Blocks of the encoder.
    pub num_layers: usize,
    /// Blocks of the decoder.
    pub num_decoder_layers: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Positions of a source, and of an answer, that it was made for: it has no positions of its own.
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
    /// What the deviations of first weights are multiplied by.
    #[serde(default = "default_factor")]
    pub initializer_factor: f32,
    /// The feed-forward layer.
    #[serde(default)]
    pub feed_forward_proj: T5FeedForward,
    /// Whether the head is the embedding, which reads rows times `1 / sqrt(d_model)`: false marks T5 1.1.
    #[serde(default = "yes")]
    pub tie_word_embeddings: bool,
    /// The token before the first of every answer.
    pub decoder_start_token_id: u32,
    /// The token that fills up a text, where there is one.
    #[serde(default)]
    pub pad_token_id: Option<u32>,
    /// Last id of a text, where there is one.
    #[serde(default)]
    pub eos_token_id: Option<u32>,
    /// Whether it has a head for labels in place of one for tokens, which its weights say.
    #[serde(skip)]
    pub tells_labels: bool,
}

/// T5's feed-forward layers, by their names at Hugging Face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum T5FeedForward {
    /// T5's: ReLU.
    #[default]
    #[serde(rename = "relu")]
    Relu,
    /// That of T5 1.1: GELU by the tanh formula, with a gate.
    #[serde(rename = "gated-gelu")]
    GatedGelu,
}

fn default_positions() -> usize {
    512
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

fn default_factor() -> f32 {
    1.0
}

fn yes() -> bool {
    true
}

impl T5Config {
    /// How packed rows are cut into heads.
    pub fn head_layout(&self) -> HeadLayout {
        HeadLayout { heads: self.num_heads, kv_heads: self.num_heads, head_dim: self.d_kv }
    }

    /// Which distances share a number, of a stack that sees both sides or what came before.
    pub fn buckets(&self, bidirectional: bool) -> RelativeBuckets {
        RelativeBuckets {
            buckets: self.relative_attention_num_buckets,
            max_distance: self.relative_attention_max_distance,
            bidirectional,
        }
    }

    /// The deviation of the first weights of a layer of so many inputs.
    pub(crate) fn deviation(&self, inputs: usize) -> f32 {
        self.initializer_factor * (inputs as f32).powf(-0.5)
    }

    /// That of queries.
    pub(crate) fn query_deviation(&self) -> f32 {
        self.deviation(self.d_model * self.d_kv)
    }

    /// The first weights of a layer of so many inputs.
    pub(crate) fn weights(&self, inputs: usize) -> Initialisation {
        Initialisation::Normal(self.deviation(inputs))
    }

    /// Whether the head for tokens is a matrix of its own.
    pub(super) fn has_own_head(&self) -> bool {
        !(self.tie_word_embeddings || self.tells_labels)
    }

    /// Matrices of the feed-forward layer of the inner width.
    fn inner_matrices(&self) -> usize {
        if self.feed_forward_proj == T5FeedForward::GatedGelu { 3 } else { 2 }
    }
}

impl Config for T5Config {
    fn context(&self) -> usize {
        self.n_positions
    }

    fn vocabulary(&self) -> usize {
        self.vocab_size
    }

    fn layers(&self) -> usize {
        self.num_layers + self.num_decoder_layers
    }

    fn width(&self) -> usize {
        self.d_model
    }

    fn heads(&self) -> [usize; 2] {
        [self.num_heads; 2]
    }

    fn architecture(&self) -> &'static str {
        "T5ForConditionalGeneration"
    }

    fn predicts(&self) -> Prediction {
        Prediction::Answer
    }

    fn decoder_start(&self) -> Option<u32> {
        Some(self.decoder_start_token_id)
    }

    fn validate(&self) -> Result<()> {
        positive("vocab_size", self.vocab_size)?;
        positive("d_model", self.d_model)?;
        positive("d_kv", self.d_kv)?;
        positive("d_ff", self.d_ff)?;
        positive("num_layers", self.num_layers)?;
        positive("num_decoder_layers", self.num_decoder_layers)?;
        positive("num_heads", self.num_heads)?;
        positive("n_positions", self.n_positions)?;
        above_zero("layer_norm_epsilon", f64::from(self.layer_norm_epsilon))?;
        above_zero("initializer_factor", f64::from(self.initializer_factor))?;
        let (field, buckets) = ("relative_attention_num_buckets", self.relative_attention_num_buckets);
        positive(field, buckets)?;
        let whole = buckets.is_multiple_of(4);
        ensure(
            whole,
            field,
            buckets,
            "expected a multiple of 4: half of each side's have one distance each",
        )?;
        let (field, farthest) = ("relative_attention_max_distance", self.relative_attention_max_distance);
        let expected = format!("expected a distance above {}, half of the buckets", buckets / 2);
        ensure(farthest > buckets / 2, field, farthest, expected)?;
        let start = self.decoder_start_token_id;
        let expected = format!("expected an id below vocab_size = {}", self.vocab_size);
        ensure((start as usize) < self.vocab_size, "decoder_start_token_id", start, expected)
    }

    fn names(&self) -> Vec<TensorName> {
        names::names(self)
    }

    fn copies(&self) -> Vec<(&'static str, &'static str)> {
        let embeddings = match self.tells_labels {
            true => ["transformer.encoder.embed_tokens.weight", "transformer.decoder.embed_tokens.weight"],
            false => ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"],
        };
        let head = (self.tie_word_embeddings && !self.tells_labels).then_some("lm_head.weight");
        embeddings.into_iter().chain(head).map(|copy| (copy, "tokens.weight")).collect()
    }

    fn ignored(&self) -> &'static [&'static str] {
        &["EncDecAttention.relative_attention_bias.weight"]
    }

    fn adopt(&mut self, has: &dyn Fn(&str) -> bool) {
        self.tells_labels = has(LabelHead::OF_ANSWER.weight);
    }

    fn keep_only_labels(&mut self) {
        self.tells_labels = true;
    }

    fn size(&self) -> Size {
        let (width, heads) = (self.d_model, self.head_layout());
        let attention = 4 * width * heads.query_width() + width;
        let feed_forward = self.inner_matrices() * width * self.d_ff + width;
        let blocks = self.num_layers * (attention + feed_forward)
            + self.num_decoder_layers * (2 * attention + feed_forward);
        let head = if !self.has_own_head() { 0 } else { self.vocab_size * width };
        let tables = 2 * self.relative_attention_num_buckets * self.num_heads + 2 * width;
        // A position goes through one of the two stacks: half of what a block of the two keeps on average, of norms, projections
        // and inner activations.
        let kept = (5 * width / 2 + 6 * heads.query_width() + self.inner_matrices() * self.d_ff) / 2;
        Size {
            parameters: self.vocab_size * width + head + tables + blocks,
            idle: blocks / 2,
            query_width: heads.query_width(),
            kept: [kept, 5 * width / 4],
        }
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(T5::new(self.clone(), builder))
    }
}

impl FamilyConfig for T5Config {
    const PREDICTS: Prediction = Prediction::Answer;

    const FIXED: &'static [(&'static str, Value)] = &[("is_encoder_decoder", Value::Bool(true))];

    const ACTIVATIONS: (&'static str, &'static [&'static str]) =
        ("feed_forward_proj", &["relu", "gated-gelu"]);

    fn translate(config: &mut Value) -> Result<(), String> {
        if config["num_decoder_layers"].is_null() {
            config["num_decoder_layers"] = config["num_layers"].clone();
        }
        // transformers 5 ties in any case and writes what it took from the field that the world's files have.
        if config["scale_decoder_outputs"] == Value::Bool(false) {
            config["tie_word_embeddings"] = Value::Bool(false);
        }
        fill_in(config, &[("decoder_start_token_id", 0), ("pad_token_id", 0), ("eos_token_id", 1)]);
        Ok(())
    }

    fn presets() -> &'static [Preset] {
        super::presets::PRESETS
    }

    /// T5; of a head of its own T5 1.1.
    fn shaped(shape: &Shape) -> Result<Self> {
        let Shape { width, heads, layers, .. } = *shape;
        let kv_heads = shape.kv_heads.unwrap_or(heads);
        ensure(kv_heads == heads, "kv_heads", kv_heads, "expected nothing: t5 has as many as heads")?;
        ensure(layers >= 2, "layers", layers, "expected at least 2: encoder and decoder share them")?;
        let (feed_forward_proj, d_ff) = match shape.untied_head {
            true => (T5FeedForward::GatedGelu, gated_inner(width)),
            false => (T5FeedForward::Relu, 4 * width),
        };
        Ok(Self {
            vocab_size: shape.vocabulary,
            d_model: width,
            d_kv: width / heads,
            d_ff,
            num_layers: layers - layers / 2,
            num_decoder_layers: layers / 2,
            num_heads: heads,
            n_positions: shape.context,
            relative_attention_num_buckets: default_buckets(),
            relative_attention_max_distance: default_distance(),
            layer_norm_epsilon: default_epsilon(),
            initializer_factor: default_factor(),
            feed_forward_proj,
            tie_word_embeddings: !shape.untied_head,
            decoder_start_token_id: shape.eos.unwrap_or(0),
            pad_token_id: shape.eos,
            eos_token_id: shape.eos,
            tells_labels: false,
        })
    }
}
