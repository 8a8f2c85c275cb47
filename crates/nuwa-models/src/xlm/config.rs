use std::collections::BTreeMap;

use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::{HeadLayout, ParametersBuilder};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Xlm, names};
use crate::config::{
    Config, FamilyConfig, Prediction, Result, Shape, Size, above_zero, default_range, ensure, positive,
};
use crate::{LabelHead, LabelRow, Model, Preset, TensorName};

/// The fields of XLM's `config.json`, by their names at Hugging Face. The feed-forward layer is four times as wide as the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct XlmConfig {
    /// Token ids.
    pub vocab_size: usize,
    /// Model width.
    pub emb_dim: usize,
    /// Blocks.
    pub n_layers: usize,
    /// Attention heads.
    pub n_heads: usize,
    /// Whether the activation is GELU (by the error function) rather than ReLU.
    #[serde(default = "yes")]
    pub gelu_activation: bool,
    /// Positions.
    #[serde(default = "default_positions")]
    pub max_position_embeddings: usize,
    /// Whether each token attends to itself and to those before it alone, and the next one is predicted (CLM).
    #[serde(default)]
    pub causal: bool,
    /// Languages.
    #[serde(default = "one")]
    pub n_langs: usize,
    /// Whether languages have embeddings, where there are several.
    #[serde(default = "yes")]
    pub use_lang_emb: bool,
    /// The numbers of languages by their codes, where they have some.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lang2id: BTreeMap<String, u32>,
    /// The codes of languages by their numbers, as transformers writes them beside those.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub id2lang: BTreeMap<String, String>,
    /// Added to variances.
    #[serde(default = "default_epsilon")]
    pub layer_norm_eps: f32,
    /// Standard deviation of the first weights.
    #[serde(default = "default_range")]
    pub init_std: f32,
    /// Standard deviation of the first embeddings.
    #[serde(default = "default_embedding_range")]
    pub embed_init_std: f32,
    /// The token that fills up a text: transformers takes it for the end of one that comes without a mask.
    #[serde(default = "default_padding")]
    pub pad_index: u32,
    /// What it has besides its blocks.
    #[serde(rename = "architectures", default)]
    pub head: XlmHead,
}

/// Whether a model predicts words. `config.json` names a class, `architectures`; weights say it exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct XlmHead {
    /// Words: masked ones, or the next one.
    pub words: bool,
}

impl Default for XlmHead {
    fn default() -> Self {
        Self { words: true }
    }
}

impl From<Vec<String>> for XlmHead {
    fn from(classes: Vec<String>) -> Self {
        Self { words: classes.first().is_none_or(|class| class != "XLMModel") }
    }
}

impl From<XlmHead> for Vec<String> {
    fn from(head: XlmHead) -> Self {
        vec![head.class().into()]
    }
}

impl XlmHead {
    fn class(self) -> &'static str {
        if self.words { "XLMWithLMHeadModel" } else { "XLMModel" }
    }
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

fn default_padding() -> u32 {
    2
}

fn default_positions() -> usize {
    512
}

fn default_epsilon() -> f32 {
    1e-12
}

fn default_embedding_range() -> f32 {
    2048.0_f32.powf(-0.5)
}

impl XlmConfig {
    /// How packed rows are cut into heads.
    pub fn head_layout(&self) -> HeadLayout {
        let heads = self.n_heads;
        HeadLayout { heads, kv_heads: heads, head_dim: self.emb_dim / heads }
    }

    /// Whether languages have embeddings.
    pub fn has_languages(&self) -> bool {
        self.use_lang_emb && self.n_langs > 1
    }

    pub(super) fn activation(&self) -> Activation {
        if self.gelu_activation { Activation::Gelu } else { Activation::Relu }
    }
}

impl Config for XlmConfig {
    fn context(&self) -> usize {
        self.max_position_embeddings
    }

    fn vocabulary(&self) -> usize {
        self.vocab_size
    }

    fn layers(&self) -> usize {
        self.n_layers
    }

    fn width(&self) -> usize {
        self.emb_dim
    }

    fn heads(&self) -> [usize; 2] {
        [self.n_heads; 2]
    }

    fn architecture(&self) -> &'static str {
        self.head.class()
    }

    fn predicts(&self) -> Prediction {
        match self.head.words {
            true if self.causal => Prediction::NextToken,
            true => Prediction::MaskedTokens,
            false => Prediction::Nothing,
        }
    }

    fn validate(&self) -> Result<()> {
        positive("vocab_size", self.vocab_size)?;
        positive("emb_dim", self.emb_dim)?;
        positive("n_layers", self.n_layers)?;
        positive("n_heads", self.n_heads)?;
        positive("max_position_embeddings", self.max_position_embeddings)?;
        positive("n_langs", self.n_langs)?;
        above_zero("layer_norm_eps", f64::from(self.layer_norm_eps))?;
        let expected = format!("expected a divisor of emb_dim = {}", self.emb_dim);
        ensure(self.emb_dim.is_multiple_of(self.n_heads), "n_heads", self.n_heads, expected)?;
        let largest = self.lang2id.values().max().copied().unwrap_or_default() as usize;
        let expected = format!("expected numbers below n_langs = {}", self.n_langs);
        ensure(largest < self.n_langs, "lang2id", largest, expected)
    }

    fn names(&self) -> Vec<TensorName> {
        names::names(self)
    }

    fn copies(&self) -> Vec<(&'static str, &'static str)> {
        if self.head.words { vec![("pred_layer.proj.weight", "tokens.weight")] } else { Vec::new() }
    }

    fn ignored(&self) -> &'static [&'static str] {
        &["position_ids"]
    }

    fn adopt(&mut self, has: &dyn Fn(&str) -> bool) {
        self.head = XlmHead { words: has("pred_layer.proj.bias") };
    }

    fn label_head(&self) -> LabelHead {
        let (weight, bias) = ("sequence_summary.summary.weight", "sequence_summary.summary.bias");
        // Of a causal model only the last row has seen the whole text.
        let row = if self.causal { LabelRow::Last } else { LabelRow::First };
        LabelHead { weight, bias: Some(bias), dense: None, row }
    }

    fn keep_only_labels(&mut self) {
        self.head = XlmHead { words: false };
    }

    fn languages(&self) -> Vec<String> {
        let mut codes: Vec<(&u32, &String)> =
            self.lang2id.iter().map(|(code, number)| (number, code)).collect();
        codes.sort();
        codes.into_iter().map(|(_, code)| code.clone()).collect()
    }

    fn set_languages(&mut self, codes: &[String], padding: Option<u32>) {
        self.pad_index = padding.unwrap_or(self.pad_index);
        self.n_langs = codes.len().max(1);
        self.lang2id = codes.iter().cloned().zip(0..).collect();
        self.id2lang =
            codes.iter().enumerate().map(|(number, code)| (number.to_string(), code.clone())).collect();
    }

    fn set_causal(&mut self) {
        self.causal = true;
    }

    fn size(&self) -> Size {
        let (width, inner) = (self.emb_dim, 4 * self.emb_dim);
        let languages = if self.has_languages() { self.n_langs } else { 0 };
        let tables = self.vocab_size + self.max_position_embeddings + languages + 2;
        let block = 4 * (width * width + width) + 2 * width * inner + inner + 5 * width;
        let head = usize::from(self.head.words) * self.vocab_size;
        let parameters = tables * width + self.n_layers * block + head;
        Size { parameters, idle: 0, query_width: width, kept: [6 * width + 2 * inner, 2 * width] }
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Xlm::new(self.clone(), builder))
    }
}

impl FamilyConfig for XlmConfig {
    const PREDICTS: Prediction = Prediction::MaskedTokens;

    const FIXED: &'static [(&'static str, Value)] = &[
        ("asm", Value::Bool(false)),
        ("sinusoidal_embeddings", Value::Bool(false)),
        ("is_encoder", Value::Bool(true)),
        ("tie_word_embeddings", Value::Bool(true)),
    ];

    /// Whether it is GELU is a field of its own.
    const ACTIVATIONS: (&'static str, &'static [&'static str]) = ("activation_function", &["gelu", "relu"]);

    fn presets() -> &'static [Preset] {
        super::presets::PRESETS
    }

    fn shaped(shape: &Shape) -> Result<Self> {
        let heads = shape.heads;
        let kv_heads = shape.kv_heads.unwrap_or(heads);
        ensure(kv_heads == heads, "kv_heads", kv_heads, "expected nothing: xlm has as many as heads")?;
        ensure(!shape.untied_head, "untied_head", true, "expected false: the head of xlm is its embedding")?;
        Ok(Self {
            vocab_size: shape.vocabulary,
            emb_dim: shape.width,
            n_layers: shape.layers,
            n_heads: heads,
            gelu_activation: true,
            max_position_embeddings: shape.context,
            causal: false,
            n_langs: one(),
            use_lang_emb: true,
            lang2id: BTreeMap::new(),
            id2lang: BTreeMap::new(),
            layer_norm_eps: default_epsilon(),
            init_std: default_range(),
            embed_init_std: default_embedding_range(),
            pad_index: default_padding(),
            head: XlmHead::default(),
        })
    }
}
