use nuwa_tensor::{HeadLayout, ParametersBuilder};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Bert, names};
use crate::config::{
    Config, FamilyConfig, Prediction, Result, Shape, Size, above_zero, default_range, ensure, positive,
};
use crate::gpt2::Gelu;
use crate::{LabelHead, LabelRow, Model, Preset, TensorName};

/// The fields of BERT's `config.json`, by their names at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BertConfig {
    /// Token ids.
    pub vocab_size: usize,
    /// Model width.
    pub hidden_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Which activation.
    #[serde(default = "exact")]
    pub hidden_act: Gelu,
    /// Positions.
    #[serde(default = "default_positions")]
    pub max_position_embeddings: usize,
    /// Segments.
    #[serde(default = "default_segments")]
    pub type_vocab_size: usize,
    /// Added to variances.
    #[serde(default = "default_epsilon")]
    pub layer_norm_eps: f32,
    /// Standard deviation of the first weights.
    #[serde(default = "default_range")]
    pub initializer_range: f32,
    /// The token that fills up a text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pad_token_id: Option<u32>,
    /// What it has besides its blocks.
    #[serde(rename = "architectures", default)]
    pub heads: Heads,
}

/// What a model has besides its blocks. `config.json` names a class, `architectures`; weights say it exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct Heads {
    /// A row for each text.
    pub pooler: bool,
    /// Masked words.
    pub words: bool,
    /// Whether the second sentence follows the first.
    pub next: bool,
}

impl Default for Heads {
    fn default() -> Self {
        Self { pooler: true, words: true, next: true }
    }
}

impl From<Vec<String>> for Heads {
    fn from(classes: Vec<String>) -> Self {
        let (pooler, words, next) = match classes.first().map(String::as_str) {
            Some("BertForMaskedLM") => (false, true, false),
            Some("BertForNextSentencePrediction") => (true, false, true),
            Some("BertModel") => (true, false, false),
            _ => (true, true, true),
        };
        Self { pooler, words, next }
    }
}

impl From<Heads> for Vec<String> {
    fn from(heads: Heads) -> Self {
        vec![heads.class().into()]
    }
}

impl Heads {
    fn class(self) -> &'static str {
        match self {
            Self { words: true, next: true, .. } => "BertForPreTraining",
            Self { words: true, .. } => "BertForMaskedLM",
            Self { next: true, .. } => "BertForNextSentencePrediction",
            _ => "BertModel",
        }
    }
}

fn exact() -> Gelu {
    Gelu::Exact
}

fn default_positions() -> usize {
    512
}

fn default_segments() -> usize {
    2
}

fn default_epsilon() -> f32 {
    1e-12
}

impl BertConfig {
    /// How packed rows are cut into heads.
    pub fn head_layout(&self) -> HeadLayout {
        let heads = self.num_attention_heads;
        HeadLayout { heads, kv_heads: heads, head_dim: self.hidden_size / heads }
    }
}

impl Config for BertConfig {
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
        [self.num_attention_heads; 2]
    }

    fn architecture(&self) -> &'static str {
        self.heads.class()
    }

    fn predicts(&self) -> Prediction {
        if self.heads.words { Prediction::MaskedTokens } else { Prediction::Nothing }
    }

    fn validate(&self) -> Result<()> {
        positive("vocab_size", self.vocab_size)?;
        positive("hidden_size", self.hidden_size)?;
        positive("num_hidden_layers", self.num_hidden_layers)?;
        positive("num_attention_heads", self.num_attention_heads)?;
        positive("intermediate_size", self.intermediate_size)?;
        positive("max_position_embeddings", self.max_position_embeddings)?;
        positive("type_vocab_size", self.type_vocab_size)?;
        above_zero("layer_norm_eps", f64::from(self.layer_norm_eps))?;
        let expected = format!("expected a divisor of hidden_size = {}", self.hidden_size);
        let divides = self.hidden_size.is_multiple_of(self.num_attention_heads);
        ensure(divides, "num_attention_heads", self.num_attention_heads, expected)?;
        let pooled = self.heads.pooler || !self.heads.next;
        ensure(
            pooled,
            "architectures",
            self.architecture(),
            "expected a pooler before the next-sentence head",
        )
    }

    fn names(&self) -> Vec<TensorName> {
        names::names(self)
    }

    fn copies(&self) -> Vec<(&'static str, &'static str)> {
        let copies = [
            ("cls.predictions.decoder.weight", "tokens.weight"),
            ("cls.predictions.decoder.bias", "head.bias"),
        ];
        if self.heads.words { copies.into() } else { Vec::new() }
    }

    fn ignored(&self) -> &'static [&'static str] {
        &["embeddings.position_ids"]
    }

    fn older_names(&self) -> &'static [(&'static str, &'static str)] {
        &[(".LayerNorm.weight", ".LayerNorm.gamma"), (".LayerNorm.bias", ".LayerNorm.beta")]
    }

    fn adopt(&mut self, has: &dyn Fn(&str) -> bool) {
        self.heads = Heads {
            pooler: has("bert.pooler.dense.weight"),
            words: has("cls.predictions.bias"),
            next: has("cls.seq_relationship.weight"),
        };
    }

    fn label_head(&self) -> LabelHead {
        let (weight, bias) = ("classifier.weight", Some("classifier.bias"));
        LabelHead { weight, bias, dense: None, row: LabelRow::First }
    }

    fn keep_only_labels(&mut self) {
        self.heads = Heads { pooler: true, words: false, next: false };
    }

    fn size(&self) -> Size {
        let (width, inner) = (self.hidden_size, self.intermediate_size);
        let [pooler, words, next] = [self.heads.pooler, self.heads.words, self.heads.next].map(usize::from);
        let square = width * width + width;
        let tables = self.vocab_size + self.max_position_embeddings + self.type_vocab_size + 2;
        let block = 4 * square + 2 * width * inner + inner + 5 * width;
        let heads = pooler * square + words * (square + 2 * width + self.vocab_size) + next * (2 * width + 2);
        let parameters = tables * width + self.num_hidden_layers * block + heads;
        Size { parameters, idle: 0, query_width: width, kept: [6 * width + 2 * inner, 2 * width] }
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Bert::new(self.clone(), builder))
    }
}

impl FamilyConfig for BertConfig {
    const PREDICTS: Prediction = Prediction::MaskedTokens;

    const FIXED: &'static [(&'static str, Value)] = &[
        ("is_decoder", Value::Bool(false)),
        ("add_cross_attention", Value::Bool(false)),
        ("tie_word_embeddings", Value::Bool(true)),
    ];

    const ACTIVATIONS: (&'static str, &'static [&'static str]) =
        ("hidden_act", &["gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast"]);

    fn translate(config: &mut Value) -> Result<(), String> {
        match config["position_embedding_type"].as_str() {
            None | Some("absolute") => Ok(()),
            Some(other) => {
                Err(format!("position_embedding_type = \"{other}\" is not supported, only \"absolute\" is"))
            }
        }
    }

    fn presets() -> &'static [Preset] {
        super::presets::PRESETS
    }

    fn shaped(shape: &Shape) -> Result<Self> {
        let heads = shape.heads;
        let kv_heads = shape.kv_heads.unwrap_or(heads);
        ensure(kv_heads == heads, "kv_heads", kv_heads, "expected nothing: bert has as many as heads")?;
        ensure(!shape.untied_head, "untied_head", true, "expected false: the head of bert is its embedding")?;
        Ok(Self {
            vocab_size: shape.vocabulary,
            hidden_size: shape.width,
            num_hidden_layers: shape.layers,
            num_attention_heads: heads,
            intermediate_size: 4 * shape.width,
            hidden_act: Gelu::Exact,
            max_position_embeddings: shape.context,
            type_vocab_size: default_segments(),
            layer_norm_eps: default_epsilon(),
            initializer_range: default_range(),
            pad_token_id: None,
            heads: Heads::default(),
        })
    }
}
