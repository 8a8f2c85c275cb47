//! AdamW with gradient clipping, in one pass over the flat blocks.
//!
//! Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), as PyTorch computes it:
//! `p -= lr * decay * p`, `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
//! `p -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)`, where `g` was scaled so that the norm of all gradients
//! together is at most `clip` (Pascanu et al. 2013).

use std::sync::Arc;

use crate::calls::Update;
use crate::device::{Kernels, Means, Storage};
use crate::{Error, Parameters, Result};

/// The constants of AdamW.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWSettings {
    /// Decay rates of the two running means.
    pub betas: [f32; 2],
    /// Added to the root of the second mean.
    pub epsilon: f32,
    /// Decoupled weight decay, for parameters that [decay](crate::ParameterEntry::decays).
    pub weight_decay: f32,
    /// The largest norm of all gradients together; none when 0.
    pub clip: f32,
}

impl Update {
    pub fn new(settings: &AdamWSettings, step: u64, learning_rate: f32, decay: f32, clip: f32) -> Self {
        let correction = |beta: f32| 1.0 - f64::from(beta).powi(step.min(1 << 30) as i32);
        let [first, second] = settings.betas.map(correction);
        Self {
            betas: settings.betas,
            epsilon: settings.epsilon,
            keep: 1.0 - learning_rate * decay,
            rate: (f64::from(learning_rate) / first) as f32,
            root_scale: (1.0 / second.sqrt()) as f32,
            clip,
        }
    }
}

/// The running means of AdamW, laid out like the parameters and on their device.
#[derive(Debug)]
pub struct AdamWState {
    steps: u64,
    first: Storage,
    second: Storage,
    kernels: Arc<dyn Kernels>,
}

impl AdamWState {
    /// The state before the first step.
    pub fn new(parameters: &Parameters) -> Self {
        let (length, kernels) = (parameters.length(), Arc::clone(parameters.kernels()));
        Self { steps: 0, first: kernels.zeros(length), second: kernels.zeros(length), kernels }
    }

    /// A state that was saved after `steps` steps: the means of the gradients, and those of their squares.
    ///
    /// # Errors
    /// When a mean is not as long as the flat block of the parameters.
    pub fn from_host(parameters: &Parameters, steps: u64, [first, second]: [&[f32]; 2]) -> Result<Self> {
        let length = parameters.length();
        if let Some(mean) = [first, second].iter().find(|mean| mean.len() != length) {
            let reason = format!("a mean has {} elements, the parameters have {length}", mean.len());
            return Err(Error::shape("adamw", reason));
        }
        let kernels = Arc::clone(parameters.kernels());
        Ok(Self { steps, first: kernels.to_device(first), second: kernels.to_device(second), kernels })
    }

    /// Steps done so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Copies the means of the gradients, padding included, from element `first` on.
    pub fn copy_first_to_host(&self, first: usize, values: &mut [f32]) {
        self.kernels.copy_to_host(&self.first, first, values);
    }

    /// Copies the means of their squares likewise.
    pub fn copy_second_to_host(&self, first: usize, values: &mut [f32]) {
        self.kernels.copy_to_host(&self.second, first, values);
    }

    /// Changes all trainable parameters by their gradients, which are cleared, and gives the norm of the gradients
    /// before clipping. A norm that is not finite changes nothing.
    ///
    /// # Panics
    /// When this state was made for parameters of another size.
    pub fn step(&mut self, parameters: &Parameters, settings: &AdamWSettings, learning_rate: f32) -> f32 {
        assert_eq!(parameters.length(), self.first.len(), "the optimizer state belongs to other parameters");
        let norm = self.kernels.gradient_norm(&parameters.gradients_block());
        if !norm.is_finite() {
            parameters.clear_gradients();
            return norm;
        }
        self.steps += 1;
        let clipped =
            if settings.clip > 0.0 && norm > settings.clip { settings.clip / (norm + 1e-6) } else { 1.0 };
        let means = Means { first: &mut self.first, second: &mut self.second };
        self.kernels.adamw(parameters, means, &|parameter| {
            let decay = if parameter.entry().decays() { settings.weight_decay } else { 0.0 };
            Update::new(settings, self.steps, learning_rate, decay, clipped)
        });
        norm
    }
}
