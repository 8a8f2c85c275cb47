use nuwa_tensor::{HeadLayout, ParametersBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Falcon, names};
use crate::config::{Config, FamilyConfig, Result, Shape, Size, above_zero, default_range, ensure, positive};
use crate::gpt2::Gelu;
use crate::{Model, Preset, TensorName};

/// The fields of Falcon's `config.json`, by their names at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FalconConfig {
    /// Token ids.
    pub vocab_size: usize,
    /// Model width.
    #[serde(alias = "n_embed")]
    pub hidden_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key-value heads of the new architecture; as many as query heads where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_kv_heads: Option<usize>,
    /// Falcon 40B and 180B: parallel blocks, grouped heads, and two norms unless `num_ln_in_parallel_attn` says 1.
    #[serde(default)]
    pub new_decoder_architecture: bool,
    /// Whether all queries share one key-value head; without meaning in the new architecture.
    #[serde(default = "yes")]
    pub multi_query: bool,
    /// Whether both layers of a block read the same rows.
    #[serde(default = "yes")]
    pub parallel_attn: bool,
    /// Norms of a block of the new architecture: 1 or 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_ln_in_parallel_attn: Option<usize>,
    /// Positions by ALiBi, in place of rotary ones.
    #[serde(default)]
    pub alibi: bool,
    /// Whether the projections have biases.
    #[serde(default)]
    pub bias: bool,
    /// Width of the feed-forward layer; four times the model width where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ffn_hidden_size: Option<usize>,
    /// Which activation.
    #[serde(default = "exact")]
    pub activation: Gelu,
    /// Positions.
    #[serde(default = "default_positions")]
    pub max_position_embeddings: usize,
    /// Added to variances.
    #[serde(default = "default_epsilon")]
    pub layer_norm_epsilon: f32,
    /// The rotary settings.
    #[serde(default)]
    pub rope_parameters: FalconRope,
    /// Standard deviation of the first weights.
    #[serde(default = "default_range")]
    pub initializer_range: f32,
    /// Whether the head is the embedding.
    #[serde(default = "yes")]
    pub tie_word_embeddings: bool,
    /// First id of a text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bos_token_id: Option<u32>,
    /// Last id of a text, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eos_token_id: Option<u32>,
}

/// Rotary settings, by their names at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FalconRope {
    /// The one kind that is computed: frequencies as they are.
    rope_type: PlainRope,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PlainRope {
    Default,
}

impl Default for FalconRope {
    fn default() -> Self {
        Self { rope_type: PlainRope::Default, rope_theta: 10_000.0 }
    }
}

fn default_positions() -> usize {
    2048
}

fn default_epsilon() -> f32 {
    1e-5
}

fn exact() -> Gelu {
    Gelu::Exact
}

fn yes() -> bool {
    true
}

impl FalconConfig {
    /// Width of the feed-forward layer.
    pub fn inner(&self) -> usize {
        self.ffn_hidden_size.unwrap_or(4 * self.hidden_size)
    }

    /// Features a head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// Heads of keys and values.
    pub fn kv_heads(&self) -> usize {
        match (self.new_decoder_architecture, self.multi_query) {
            (false, true) => 1,
            _ => self.num_kv_heads.unwrap_or(self.num_attention_heads),
        }
    }

    /// Whether both layers of a block read what comes into it.
    pub fn is_parallel(&self) -> bool {
        self.new_decoder_architecture || self.parallel_attn
    }

    /// Whether the feed-forward layer has a norm of its own.
    pub fn has_two_norms(&self) -> bool {
        !self.is_parallel() || (self.new_decoder_architecture && self.num_ln_in_parallel_attn != Some(1))
    }

    /// How packed rows are cut into heads.
    pub fn head_layout(&self) -> HeadLayout {
        let (heads, kv_heads) = (self.num_attention_heads, self.kv_heads());
        HeadLayout { heads, kv_heads, head_dim: self.head_dim() }
    }

    /// Flags that name no layout of `query_key_value`, or norms that no block there has.
    fn validate_flags(&self) -> Result<()> {
        let (heads, kv_heads) = (self.num_attention_heads, self.kv_heads());
        let expected = format!("expected a divisor of num_attention_heads = {heads}");
        ensure(kv_heads > 0 && heads.is_multiple_of(kv_heads), "num_kv_heads", kv_heads, expected)?;
        let fits = self.new_decoder_architecture || self.multi_query || kv_heads == heads;
        let expected = format!(
            "expected {heads}, as many as query heads: query_key_value has groups of heads with new_decoder_architecture alone"
        );
        ensure(fits, "num_kv_heads", kv_heads, expected)?;
        let fits = self.parallel_attn || !self.new_decoder_architecture;
        ensure(fits, "parallel_attn", false, "expected true with new_decoder_architecture")?;
        let norms = self.num_ln_in_parallel_attn.unwrap_or(1);
        let expected = "expected 1, or 2 with new_decoder_architecture";
        let fits = norms == 1 || (norms == 2 && self.new_decoder_architecture);
        ensure(fits, "num_ln_in_parallel_attn", norms, expected)
    }
}

impl Config for FalconConfig {
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
        [self.num_attention_heads, self.kv_heads()]
    }

    fn architecture(&self) -> &'static str {
        "FalconForCausalLM"
    }

    fn validate(&self) -> Result<()> {
        positive("vocab_size", self.vocab_size)?;
        positive("hidden_size", self.hidden_size)?;
        positive("num_hidden_layers", self.num_hidden_layers)?;
        positive("num_attention_heads", self.num_attention_heads)?;
        positive("max_position_embeddings", self.max_position_embeddings)?;
        positive("ffn_hidden_size", self.inner())?;
        above_zero("layer_norm_epsilon", f64::from(self.layer_norm_epsilon))?;
        above_zero("rope_theta", self.rope_parameters.rope_theta)?;
        let expected = format!("expected a divisor of hidden_size = {}", self.hidden_size);
        let divides = self.hidden_size.is_multiple_of(self.num_attention_heads);
        ensure(divides, "num_attention_heads", self.num_attention_heads, expected)?;
        let expected = format!(
            "expected a number that leaves each head (here {}) an even number of features: rotary positions turn pairs",
            self.head_dim()
        );
        let turns = self.alibi || self.head_dim().is_multiple_of(2);
        ensure(turns, "num_attention_heads", self.num_attention_heads, expected)?;
        self.validate_flags()
    }

    fn names(&self) -> Vec<TensorName> {
        names::names(self)
    }

    fn copies(&self) -> Vec<(&'static str, &'static str)> {
        if self.tie_word_embeddings { vec![("lm_head.weight", "tokens.weight")] } else { Vec::new() }
    }

    fn ignored(&self) -> &'static [&'static str] {
        &[".rotary_emb.inv_freq"]
    }

    fn table_width(&self) -> usize {
        if self.alibi { 0 } else { self.head_dim() }
    }

    fn size(&self) -> Size {
        let (width, inner, heads) = (self.hidden_size, self.inner(), self.head_layout());
        let head = if self.tie_word_embeddings { 0 } else { self.vocab_size * width };
        let norms = if self.has_two_norms() { 2 } else { 1 };
        let biases = if self.bias { heads.width() + 2 * width + inner } else { 0 };
        let matrices = width * heads.width() + heads.query_width() * width + 2 * width * inner;
        let turned = if self.alibi { 0 } else { heads.width() };
        Size {
            parameters: (self.vocab_size + 2) * width
                + head
                + self.num_hidden_layers * (matrices + biases + 2 * norms * width),
            idle: 0,
            query_width: heads.query_width(),
            kept: [norms * width + turned + heads.width() + heads.query_width() + 2 * inner, 2 * width],
        }
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(Falcon::new(self.clone(), builder))
    }
}

impl FamilyConfig for FalconConfig {
    const ACTIVATIONS: (&'static str, &'static [&'static str]) =
        ("activation", &["gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast"]);

    fn translate(config: &mut Value) -> Result<(), String> {
        let alibi = config["alibi"].as_bool().unwrap_or(false);
        if let Some(rotary) = config["rotary"].as_bool().filter(|&rotary| rotary == alibi) {
            return Err(format!("rotary = {rotary} with alibi = {alibi}: positions are one of the two"));
        }
        rotary(config)?;
        // Null counts as absent.
        if let Some(fields) = config.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        Ok(())
    }

    fn presets() -> &'static [Preset] {
        super::presets::PRESETS
    }

    /// A block as in Falcon 7B; with several key-value heads as in 40B.
    fn shaped(shape: &Shape) -> Result<Self> {
        let Shape { width, heads, .. } = *shape;
        let kv_heads = shape.kv_heads.unwrap_or(1);
        let shared = kv_heads > 0 && heads.is_multiple_of(kv_heads);
        ensure(shared, "kv_heads", kv_heads, format!("expected a divisor of the {heads} heads"))?;
        let expected = format!(
            "expected a width that leaves each head (here {heads}) an even number of features, such as {}",
            (width + 1).next_multiple_of(2 * heads)
        );
        ensure((width / heads).is_multiple_of(2), "width", width, expected)?;
        let grouped = kv_heads > 1;
        Ok(Self {
            vocab_size: shape.vocabulary,
            hidden_size: width,
            num_hidden_layers: shape.layers,
            num_attention_heads: heads,
            num_kv_heads: grouped.then_some(kv_heads),
            new_decoder_architecture: grouped,
            multi_query: true,
            parallel_attn: true,
            num_ln_in_parallel_attn: None,
            alibi: false,
            bias: false,
            ffn_hidden_size: None,
            activation: Gelu::Exact,
            max_position_embeddings: shape.context,
            layer_norm_epsilon: default_epsilon(),
            rope_parameters: FalconRope::default(),
            initializer_range: default_range(),
            tie_word_embeddings: !shape.untied_head,
            bos_token_id: shape.eos,
            eos_token_id: shape.eos,
        })
    }
}

/// Rotary settings of older files, `rope_theta` beside the others and `rope_scaling`, in one place.
fn rotary(config: &mut Value) -> Result<(), String> {
    let scaling = config.as_object_mut().and_then(|fields| fields.remove("rope_scaling"));
    let rope = [config["rope_parameters"].clone(), scaling.unwrap_or_default()];
    for rope in rope.iter().filter(|rope| rope.is_object()) {
        let kind = [&rope["rope_type"], &rope["type"]].into_iter().find_map(Value::as_str);
        if let Some(kind) = kind.filter(|kind| *kind != "default") {
            return Err(format!("rope_type = \"{kind}\" is not supported for falcon, only \"default\" is"));
        }
    }
    let theta = rope.iter().map(|rope| &rope["rope_theta"]).chain([&config["rope_theta"]]);
    let theta = theta.into_iter().find_map(Value::as_f64).unwrap_or(10_000.0);
    config["rope_parameters"] = json!({"rope_type": "default", "rope_theta": theta});
    Ok(())
}
