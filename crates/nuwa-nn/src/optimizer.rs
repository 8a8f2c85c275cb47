use nuwa_tensor::{AdamWSettings, AdamWState, Parameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How weights are changed by their gradients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerSettings {
    /// AdamW's beta1: decay rate of the running mean of gradients, 0 to 1.
    pub beta1: f32,
    /// AdamW's beta2: decay rate of the running mean of squared gradients, 0 to 1. Small batches
    /// work better with a value closer to 1.
    pub beta2: f32,
    /// AdamW's epsilon: added to the denominator for numerical stability.
    pub epsilon: f32,
    /// Decoupled weight decay of matrices and embeddings; norms and biases are excluded. If unset:
    /// 0.1, and more when pretraining runs for many epochs.
    pub weight_decay: Option<f32>,
    /// Gradient clipping: the largest global gradient norm. 0 turns clipping off.
    pub clip: f32,
}

/// The weight decay where none is said.
pub const USUAL_WEIGHT_DECAY: f32 = 0.1;

impl Default for OptimizerSettings {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: None, clip: 1.0 }
    }
}

/// AdamW over all parameters of a model.
#[derive(Debug)]
pub struct AdamW {
    settings: AdamWSettings,
    state: AdamWState,
}

impl AdamW {
    /// The optimizer before its first step.
    pub fn new(parameters: &Parameters, settings: &OptimizerSettings) -> Self {
        Self { settings: constants(settings), state: AdamWState::new(parameters) }
    }

    /// Goes on from a saved state.
    pub fn resume(settings: &OptimizerSettings, state: AdamWState) -> Self {
        Self { settings: constants(settings), state }
    }

    /// One step with the gradients in `parameters`, which are cleared; gives their norm before clipping. A norm that is
    /// not finite changes nothing.
    pub fn step(&mut self, parameters: &Parameters, learning_rate: f32) -> f32 {
        self.state.step(parameters, &self.settings, learning_rate)
    }

    /// What a checkpoint has to keep.
    pub fn state(&self) -> &AdamWState {
        &self.state
    }
}

fn constants(settings: &OptimizerSettings) -> AdamWSettings {
    AdamWSettings {
        betas: [settings.beta1, settings.beta2],
        epsilon: settings.epsilon,
        weight_decay: settings.weight_decay.unwrap_or(USUAL_WEIGHT_DECAY),
        clip: settings.clip,
    }
}
