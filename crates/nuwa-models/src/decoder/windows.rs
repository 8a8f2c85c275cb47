use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::{Result, ensure, positive};

/// Which layers attend within a sliding window, in Qwen's fields of `config.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Windows {
    /// Whether any does.
    #[serde(default)]
    pub use_sliding_window: bool,
    /// Keys that a query attends to there, up to and including its own position.
    #[serde(default)]
    pub sliding_window: Option<usize>,
    /// The first layer that does, where `layer_types` does not say.
    #[serde(default)]
    pub max_window_layers: usize,
    /// Of each layer how it attends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer_types: Option<Vec<LayerType>>,
}

/// How a layer attends, by its names at Hugging Face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerType {
    /// To everything before.
    FullAttention,
    /// Within the window.
    SlidingAttention,
}

impl Windows {
    /// What transformers takes where a configuration does not say.
    pub(crate) const DEFAULTS: [(&'static str, u64); 2] =
        [("sliding_window", 4096), ("max_window_layers", 28)];

    /// That of a layer; it attends to everything before where there is none.
    pub fn of(&self, layer: usize) -> Option<usize> {
        let slides = match &self.layer_types {
            Some(types) => types.get(layer) == Some(&LayerType::SlidingAttention),
            None => layer >= self.max_window_layers,
        };
        self.sliding_window.filter(|_| self.use_sliding_window && slides)
    }

    pub(crate) fn validate(&self, layers: usize) -> Result<()> {
        if let Some(types) = &self.layer_types {
            let expected = format!("expected one for each of num_hidden_layers = {layers}");
            ensure(types.len() == layers, "layer_types", format!("{} types", types.len()), expected)?;
            let slides = types.contains(&LayerType::SlidingAttention);
            let names_one = self.use_sliding_window && self.sliding_window.is_some();
            let expected =
                "expected full_attention alone where use_sliding_window is false or sliding_window null";
            ensure(names_one || !slides, "layer_types", "sliding_attention", expected)?;
        }
        match self.sliding_window.filter(|_| self.use_sliding_window) {
            Some(window) => positive("sliding_window", window),
            None => Ok(()),
        }
    }
}

/// [`Windows::DEFAULTS`] as values.
pub(crate) fn window_defaults() -> Vec<(&'static str, Value)> {
    Windows::DEFAULTS.into_iter().map(|(field, value)| (field, value.into())).collect()
}
