use nuwa_train::Summary;
use serde::{Deserialize, Serialize};

/// The content of `pretrain.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PretrainingOutcome {
    /// Weights in the model.
    pub parameters: usize,
    /// The most memory the process held at the end of a step, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// What samples began with.
    pub prompt: String,
    /// Arguments of `nuwa pretrain` and `nuwa build` that repeat the run without looking at the clock.
    #[serde(default)]
    pub repeat: Vec<String>,
    /// How training ended.
    #[serde(flatten)]
    pub summary: Summary,
}
