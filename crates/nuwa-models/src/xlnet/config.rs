use nuwa_tensor::{HeadLayout, ParametersBuilder};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Xlnet, names};
use crate::config::{
    Config, FamilyConfig, Prediction, Result, Shape, Size, above_zero, default_range, ensure, positive,
};
use crate::gpt2::Gelu;
use crate::{LabelHead, LabelRow, Model, Preset, TensorName};

/// The fields of XLNet's `config.json`, by their names at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct XlnetConfig {
    /// Token ids.
    pub vocab_size: usize,
    /// Model width.
    pub d_model: usize,
    /// Blocks.
    pub n_layer: usize,
    /// Attention heads; each has `d_model / n_head` features.
    pub n_head: usize,
    /// Width of the feed-forward layer.
    pub d_inner: usize,
    /// Which activation.
    #[serde(default = "exact")]
    pub ff_activation: Gelu,
    /// The largest distance of a key from a query that is told from larger ones; below 1 there is none.
    #[serde(default = "no_clamp")]
    pub clamp_len: i64,
    /// Added to variances.
    #[serde(default = "default_epsilon")]
    pub layer_norm_eps: f32,
    /// Standard deviation of the first weights.
    #[serde(default = "default_range")]
    pub initializer_range: f32,
    /// Tokens of a text in training. The model has no positions that could end, and its file at Hugging Face no such field.
    #[serde(default = "default_positions")]
    pub n_positions: usize,
    /// First id of a text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bos_token_id: Option<u32>,
    /// Last id of a text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eos_token_id: Option<u32>,
    /// The token that fills up a text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pad_token_id: Option<u32>,
    /// What it has besides its blocks.
    #[serde(rename = "architectures", default)]
    pub head: XlnetHead,
}

/// Whether a model predicts tokens. `config.json` names a class, `architectures`; weights say it exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct XlnetHead {
    /// Tokens.
    pub tokens: bool,
}

impl Default for XlnetHead {
    fn default() -> Self {
        Self { tokens: true }
    }
}

impl From<Vec<String>> for XlnetHead {
    fn from(classes: Vec<String>) -> Self {
        Self { tokens: classes.first().is_none_or(|class| class == "XLNetLMHeadModel") }
    }
}

impl From<XlnetHead> for Vec<String> {
    fn from(head: XlnetHead) -> Self {
        vec![head.class().into()]
    }
}

impl XlnetHead {
    fn class(self) -> &'static str {
        if self.tokens { "XLNetLMHeadModel" } else { "XLNetModel" }
    }
}

fn exact() -> Gelu {
    Gelu::Exact
}

fn no_clamp() -> i64 {
    -1
}

fn default_epsilon() -> f32 {
    1e-12
}

fn default_positions() -> usize {
    512
}

impl XlnetConfig {
    /// Features a head.
    pub fn head_dim(&self) -> usize {
        self.d_model / self.n_head.max(1)
    }

    /// As many heads of keys as of queries.
    pub(crate) fn head_layout(&self) -> HeadLayout {
        HeadLayout { heads: self.n_head, kv_heads: self.n_head, head_dim: self.head_dim() }
    }

    /// The distance from which on all count as one, where there is one.
    pub(crate) fn clamp(&self) -> Option<usize> {
        usize::try_from(self.clamp_len).ok().filter(|clamp| *clamp > 0)
    }
}

impl Config for XlnetConfig {
    fn context(&self) -> usize {
        self.n_positions
    }

    fn vocabulary(&self) -> usize {
        self.vocab_size
    }

    fn layers(&self) -> usize {
        self.n_layer
    }

    fn width(&self) -> usize {
        self.d_model
    }

    fn heads(&self) -> [usize; 2] {
        [self.n_head; 2]
    }

    fn architecture(&self) -> &'static str {
        self.head.class()
    }

    fn predicts(&self) -> Prediction {
        if self.head.tokens { Prediction::AnyOrder } else { Prediction::Nothing }
    }

    fn validate(&self) -> Result<()> {
        positive("vocab_size", self.vocab_size)?;
        positive("d_model", self.d_model)?;
        positive("n_layer", self.n_layer)?;
        positive("n_head", self.n_head)?;
        positive("d_inner", self.d_inner)?;
        positive("n_positions", self.n_positions)?;
        above_zero("layer_norm_eps", f64::from(self.layer_norm_eps))?;
        ensure(self.d_model.is_multiple_of(2), "d_model", self.d_model, "expected an even number")?;
        let expected = format!("expected a divisor of d_model = {}", self.d_model);
        ensure(self.d_model.is_multiple_of(self.n_head), "n_head", self.n_head, expected)
    }

    fn names(&self) -> Vec<TensorName> {
        names::names(self)
    }

    fn copies(&self) -> Vec<(&'static str, &'static str)> {
        if self.head.tokens { vec![("lm_loss.weight", "tokens.weight")] } else { Vec::new() }
    }

    fn adopt(&mut self, has: &dyn Fn(&str) -> bool) {
        self.head = XlnetHead { tokens: has("lm_loss.bias") };
    }

    fn label_head(&self) -> LabelHead {
        LabelHead {
            weight: "logits_proj.weight",
            bias: Some("logits_proj.bias"),
            dense: Some(["sequence_summary.summary.weight", "sequence_summary.summary.bias"]),
            row: LabelRow::Last,
        }
    }

    fn keep_only_labels(&mut self) {
        self.head = XlnetHead { tokens: false };
    }

    fn size(&self) -> Size {
        let (width, inner) = (self.d_model, self.d_inner);
        let block = 5 * width * width + 5 * width + 2 * width * inner + inner + width + 4 * width;
        let head = usize::from(self.head.tokens) * self.vocab_size;
        let parameters = (self.vocab_size + 1) * width + self.n_layer * block + head;
        // A sixth more rows than tokens, and two rows of distances for each.
        let rows = |features: usize| features + features.div_ceil(6);
        let kept = [rows(4 * width + 2 * inner) + 4 * width, rows(3 * width)];
        Size { parameters, idle: 0, query_width: width, kept }
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Xlnet::new(self.clone(), builder))
    }
}

impl FamilyConfig for XlnetConfig {
    const PREDICTS: Prediction = Prediction::AnyOrder;

    const FIXED: &'static [(&'static str, Value)] = &[
        ("bi_data", Value::Bool(false)),
        ("same_length", Value::Bool(false)),
        ("tie_word_embeddings", Value::Bool(true)),
    ];

    const ACTIVATIONS: (&'static str, &'static [&'static str]) =
        ("ff_activation", &["gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast"]);

    fn translate(config: &mut Value) -> Result<(), String> {
        if config["vocab_size"].is_null() && !config["n_token"].is_null() {
            config["vocab_size"] = config["n_token"].clone();
        }
        match config["attn_type"].as_str() {
            None | Some("bi") => {}
            Some(other) => return Err(format!("attn_type = \"{other}\" is not supported, only \"bi\" is")),
        }
        // Older files say whether each layer has biases of its own.
        match config["untie_r"].as_bool() {
            None | Some(true) => Ok(()),
            Some(false) => Err("untie_r = false is not supported, only true is".into()),
        }
    }

    fn presets() -> &'static [Preset] {
        super::presets::PRESETS
    }

    fn shaped(shape: &Shape) -> Result<Self> {
        let heads = shape.heads;
        let kv_heads = shape.kv_heads.unwrap_or(heads);
        ensure(kv_heads == heads, "kv_heads", kv_heads, "expected nothing: xlnet has as many as heads")?;
        ensure(
            !shape.untied_head,
            "untied_head",
            true,
            "expected false: the head of xlnet is its embedding",
        )?;
        Ok(Self {
            vocab_size: shape.vocabulary,
            d_model: shape.width,
            n_layer: shape.layers,
            n_head: heads,
            d_inner: 4 * shape.width,
            ff_activation: Gelu::Exact,
            clamp_len: no_clamp(),
            layer_norm_eps: default_epsilon(),
            initializer_range: default_range(),
            n_positions: shape.context,
            bos_token_id: None,
            eos_token_id: shape.eos,
            pad_token_id: None,
            head: XlnetHead::default(),
        })
    }
}
