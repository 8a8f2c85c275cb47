use nuwa_tensor::ParametersBuilder;
use serde::{Deserialize, Serialize};

use super::{GptNeo, names};
use crate::config::{Config, FamilyConfig, Result, Shape, Size, above_zero, default_range, ensure, positive};
use crate::gpt2::{Gelu, Gpt2Config};
use crate::{LooksBack, Model, Preset, TensorName};

/// The fields of GPT-Neo's `config.json`, by their names at Hugging Face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GptNeoConfig {
    /// Token ids.
    pub vocab_size: usize,
    /// Positions.
    #[serde(default = "default_positions")]
    pub max_position_embeddings: usize,
    /// Model width.
    pub hidden_size: usize,
    /// Blocks.
    pub num_layers: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Width of the feed-forward layer; four times the model width where absent.
    #[serde(default)]
    pub intermediate_size: Option<usize>,
    /// How the layers attend: some ways in turn, and how many times.
    #[serde(default = "default_types")]
    pub attention_types: Vec<(Vec<AttentionType>, usize)>,
    /// Keys that a query of a local layer attends to, up to and including its own position.
    #[serde(default = "default_window")]
    pub window_size: usize,
    /// Which activation.
    #[serde(default)]
    pub activation_function: Gelu,
    /// Added to variances.
    #[serde(default = "default_epsilon")]
    pub layer_norm_epsilon: f32,
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

/// How a layer attends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttentionType {
    /// To everything before.
    Global,
    /// Within the window.
    Local,
}

fn default_positions() -> usize {
    2048
}

fn default_types() -> Vec<(Vec<AttentionType>, usize)> {
    vec![(IN_TURN.to_vec(), 12)]
}

fn default_window() -> usize {
    256
}

fn default_epsilon() -> f32 {
    1e-5
}

fn yes() -> bool {
    true
}

/// GPT-3's layers.
const IN_TURN: [AttentionType; 2] = [AttentionType::Global, AttentionType::Local];

/// How many windows the context of a new model has: GPT-Neo's 2,048 positions and 256.
const WINDOWS: usize = 8;

impl GptNeoConfig {
    /// How each layer attends.
    fn types(&self) -> impl Iterator<Item = AttentionType> {
        self.attention_types
            .iter()
            .flat_map(|(types, times)| types.iter().cycle().take(types.len().saturating_mul(*times)).copied())
    }

    /// Of each layer the window; it attends to everything before where there is none.
    pub(crate) fn windows(&self) -> Vec<Option<usize>> {
        self.types().map(|kind| (kind == AttentionType::Local).then_some(self.window_size)).collect()
    }

    /// GPT-2's fields of the same model: it is that but for its attention.
    pub(crate) fn as_gpt2(&self) -> Gpt2Config {
        Gpt2Config {
            vocab_size: self.vocab_size,
            n_positions: self.max_position_embeddings,
            n_embd: self.hidden_size,
            n_layer: self.num_layers,
            n_head: self.num_heads,
            n_inner: self.intermediate_size,
            activation_function: self.activation_function,
            layer_norm_epsilon: self.layer_norm_epsilon,
            initializer_range: self.initializer_range,
            tie_word_embeddings: self.tie_word_embeddings,
            bos_token_id: self.bos_token_id,
            eos_token_id: self.eos_token_id,
        }
    }

    /// An error unless there is one way of attention for each layer.
    fn check_types(&self) -> Result<()> {
        let layers = self.num_layers;
        let found = self.types().take(layers.saturating_add(1)).count();
        let value =
            if found > layers { format!("more than {layers} layers") } else { format!("{found} layers") };
        let expected = format!("expected as many as num_layers = {layers}");
        ensure(found == layers, "attention_types", value, expected)
    }
}

impl Config for GptNeoConfig {
    fn context(&self) -> usize {
        self.max_position_embeddings
    }

    fn vocabulary(&self) -> usize {
        self.vocab_size
    }

    fn layers(&self) -> usize {
        self.num_layers
    }

    fn width(&self) -> usize {
        self.hidden_size
    }

    fn heads(&self) -> [usize; 2] {
        [self.num_heads; 2]
    }

    fn architecture(&self) -> &'static str {
        "GPTNeoForCausalLM"
    }

    fn validate(&self) -> Result<()> {
        positive("vocab_size", self.vocab_size)?;
        positive("max_position_embeddings", self.max_position_embeddings)?;
        positive("hidden_size", self.hidden_size)?;
        positive("num_layers", self.num_layers)?;
        positive("num_heads", self.num_heads)?;
        positive("intermediate_size", self.as_gpt2().inner())?;
        positive("window_size", self.window_size)?;
        above_zero("layer_norm_epsilon", f64::from(self.layer_norm_epsilon))?;
        let expected = format!("expected a divisor of hidden_size = {}", self.hidden_size);
        ensure(self.hidden_size.is_multiple_of(self.num_heads), "num_heads", self.num_heads, expected)?;
        self.check_types()
    }

    fn names(&self) -> Vec<TensorName> {
        names::names(self)
    }

    fn copies(&self) -> Vec<(&'static str, &'static str)> {
        self.as_gpt2().copies()
    }

    fn ignored(&self) -> &'static [&'static str] {
        &[".attn.attention.bias", ".attn.attention.masked_bias"]
    }

    fn size(&self) -> Size {
        let size = self.as_gpt2().size();
        let biases = 3 * self.hidden_size * self.num_layers;
        Size { parameters: size.parameters - biases, ..size }
    }

    fn looks_back(&self, layer: usize) -> LooksBack {
        LooksBack { window: self.windows().get(layer).copied().flatten(), ..LooksBack::default() }
    }

    fn build(&self, builder: ParametersBuilder) -> Box<dyn Model> {
        Box::new(GptNeo::new(self.clone(), builder))
    }
}

impl FamilyConfig for GptNeoConfig {
    const ACTIVATIONS: (&'static str, &'static [&'static str]) = Gpt2Config::ACTIVATIONS;

    fn presets() -> &'static [Preset] {
        super::presets::PRESETS
    }

    /// Layers attend to everything and within a window in turn, of an eighth of the context.
    fn shaped(shape: &Shape) -> Result<Self> {
        let usual = shape.kv_heads.is_none_or(|kv_heads| kv_heads == shape.heads);
        let kv_heads = shape.kv_heads.unwrap_or(shape.heads);
        ensure(usual, "kv_heads", kv_heads, "expected nothing: gpt_neo has as many as heads")?;
        let mut attention_types = vec![(IN_TURN.to_vec(), shape.layers / 2)];
        if !shape.layers.is_multiple_of(2) {
            attention_types.push((vec![AttentionType::Global], 1));
        }
        Ok(Self {
            vocab_size: shape.vocabulary,
            max_position_embeddings: shape.context,
            hidden_size: shape.width,
            num_layers: shape.layers,
            num_heads: shape.heads,
            intermediate_size: None,
            attention_types,
            window_size: (shape.context / WINDOWS).max(1),
            activation_function: Gelu::Tanh,
            layer_norm_epsilon: default_epsilon(),
            initializer_range: default_range(),
            tie_word_embeddings: !shape.untied_head,
            bos_token_id: shape.eos,
            eos_token_id: shape.eos,
        })
    }
}
