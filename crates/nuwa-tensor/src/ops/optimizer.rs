//! Optimizers over the flat blocks, with gradient clipping: AdamW in one pass, others by parameter (`device/update.rs` has their
//! formulas).
//!
//! Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), as PyTorch computes it:
//! `p -= lr * decay * p`, `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
//! `p -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)`, where `g` was scaled so that the norm of all gradients
//! together is at most `clip` (Pascanu et al. 2013).

use std::sync::Arc;

use crate::calls::{Formula, Step, Update};
use crate::device::{Kernels, Means, Storage, update};
use crate::{Error, Parameter, Parameters, Result};

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

/// The formula by which one parameter is changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum UpdateRule {
    /// That of [`AdamWSettings`].
    AdamW,
    /// Gradient descent with momentum.
    Sgd {
        /// What the sum of gradients keeps in each step.
        momentum: f32,
        /// Whether the gradient is taken as if one more step of momentum had been made.
        nesterov: bool,
    },
    /// The sign of a mean of gradients (Chen et al. 2023).
    Lion {
        /// Of the direction, and of the mean that is kept.
        betas: [f32; 2],
    },
    /// The mean of gradients made orthogonal (Jordan et al. 2024); for matrices. With Nesterov's form.
    Muon {
        /// Decay rate of the mean.
        momentum: f32,
    },
    /// Mean squares by row and column (Shazeer and Stern 2018).
    Adafactor {
        /// The power of the step by which new squares count less, below 0.
        decay: f32,
        /// The least root of a mean square, and the least size of a parameter.
        epsilons: [f32; 2],
        /// The largest root mean square of an update by that of the gradient.
        largest: f32,
    },
}

/// How one parameter is changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParameterRule {
    /// The formula.
    pub rule: UpdateRule,
    /// What the learning rate is multiplied by; decoupled weight decay goes by the rate itself.
    pub rate: f32,
    /// The L1 penalty of parameters that [decay](crate::ParameterEntry::decays): after each step their values are nearer to 0 by the
    /// rate times this, as far as 0 (the proximal step of Beck and Teboulle, "FISTA", 2009).
    pub l1: f32,
}

impl ParameterRule {
    /// Of this formula at the learning rate, without a penalty.
    pub fn new(rule: UpdateRule) -> Self {
        Self { rule, rate: 1.0, l1: 0.0 }
    }

    /// Whether the one pass of AdamW does it.
    fn is_fused(&self) -> bool {
        self.rule == UpdateRule::AdamW && self.l1 == 0.0
    }
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

    /// The same with the rate times `factor`; weight decay stays.
    fn faster(self, factor: f32) -> Self {
        Self { rate: self.rate * factor, ..self }
    }
}

/// The state of an optimizer, laid out like the parameters and on their device: two numbers for each weight. AdamW keeps its running
/// means there; SGD, Lion and Muon use the first alone, Adafactor some of the second.
#[derive(Debug)]
pub struct OptimizerState {
    steps: u64,
    first: Storage,
    second: Storage,
    kernels: Arc<dyn Kernels>,
}

impl OptimizerState {
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
            return Err(Error::shape("optimizer", reason));
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

    /// Changes all trainable parameters by AdamW, clears their gradients, and gives the norm of the gradients before clipping. A norm
    /// that is not finite changes nothing.
    ///
    /// # Panics
    /// When this state was made for parameters of another size.
    pub fn step(&mut self, parameters: &Parameters, settings: &AdamWSettings, learning_rate: f32) -> f32 {
        self.step_by(parameters, settings, learning_rate, &|_| ParameterRule::new(UpdateRule::AdamW))
    }

    /// As [`OptimizerState::step`], each parameter by its own rule. Clipping, weight decay and AdamW's constants are those of `settings`.
    ///
    /// # Panics
    /// As there.
    pub fn step_by(
        &mut self,
        parameters: &Parameters,
        settings: &AdamWSettings,
        learning_rate: f32,
        rule: &dyn Fn(&Parameter) -> ParameterRule,
    ) -> f32 {
        assert_eq!(parameters.length(), self.first.len(), "the optimizer state belongs to other parameters");
        let norm = self.kernels.gradient_norm(&parameters.gradients_block());
        if !norm.is_finite() {
            parameters.clear_gradients();
            return norm;
        }
        self.steps += 1;
        let clipped =
            if settings.clip > 0.0 && norm > settings.clip { settings.clip / (norm + 1e-6) } else { 1.0 };
        let decay = |parameter: &Parameter| match parameter.entry().decays() {
            true => settings.weight_decay,
            false => 0.0,
        };
        let means = Means { first: &mut self.first, second: &mut self.second };
        let steps = self.steps;
        if parameters.iter().all(|parameter| rule(parameter).is_fused()) {
            self.kernels.adamw(parameters, means, &|parameter| {
                let update = Update::new(settings, steps, learning_rate, decay(parameter), clipped);
                update.faster(rule(parameter).rate)
            });
            return norm;
        }
        update::optimize(&*self.kernels, parameters, means, &|parameter| {
            let ParameterRule { rule, rate, l1 } = rule(parameter);
            let adamw = Update::new(settings, steps, learning_rate, decay(parameter), clipped).faster(rate);
            let rate = learning_rate * rate;
            let shrink = if parameter.entry().decays() { rate * l1 } else { 0.0 };
            Step { formula: formula(rule, adamw, steps), keep: adamw.keep, rate, clip: clipped, shrink }
        });
        norm
    }
}

/// The formula of step `step`, counted from 1.
fn formula(rule: UpdateRule, adamw: Update, step: u64) -> Formula {
    match rule {
        UpdateRule::AdamW => Formula::AdamW(adamw),
        UpdateRule::Sgd { momentum, nesterov } => Formula::Sgd { momentum, nesterov },
        UpdateRule::Lion { betas } => Formula::Lion { betas },
        UpdateRule::Muon { momentum } => Formula::Muon { momentum },
        UpdateRule::Adafactor { decay, epsilons, largest } => Formula::Adafactor {
            fresh: (step as f64).powf(f64::from(decay)) as f32,
            relative: (1.0 / (step as f64).sqrt()) as f32,
            epsilons,
            largest,
        },
    }
}
