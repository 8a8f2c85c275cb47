//! AdamW with gradient clipping, in one pass over the flat blocks, which also packs weights anew for products in bf16.
//!
//! Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), as PyTorch computes it:
//! `p -= lr * decay * p`, `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
//! `p -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)`, where `g` was scaled so that the norm of all gradients
//! together is at most `clip` (Pascanu et al. 2013).

mod cpu;

use std::sync::Arc;

use crate::Parameters;
use crate::ops::parallel::zeros;
use crate::ops::product::{PackedWeight, Packer};

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

/// The running means of AdamW, laid out like the parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct AdamWState {
    /// Steps done so far.
    pub steps: u64,
    /// The running mean of the gradients.
    pub first: Vec<f32>,
    /// The running mean of their squares.
    pub second: Vec<f32>,
}

impl AdamWState {
    /// The state before the first step.
    pub fn new(parameters: &Parameters) -> Self {
        let length = parameters.values().len();
        Self { steps: 0, first: zeros(length), second: zeros(length) }
    }

    /// Changes all trainable parameters by their gradients, which are cleared, and gives the norm of the gradients
    /// before clipping. A norm that is not finite changes nothing.
    ///
    /// # Panics
    /// When this state was made for parameters of another size.
    pub fn step(&mut self, parameters: &Parameters, settings: &AdamWSettings, learning_rate: f32) -> f32 {
        let mut gradients = parameters.gradients_mut();
        assert_eq!(gradients.len(), self.first.len(), "the optimizer state belongs to other parameters");
        let norm = cpu::norm(&gradients);
        if !norm.is_finite() {
            gradients.fill(0.0);
            return norm;
        }
        self.steps += 1;
        let clipped =
            if settings.clip > 0.0 && norm > settings.clip { settings.clip / (norm + 1e-6) } else { 1.0 };
        let mut values = parameters.values_to_pack();
        let mut rest = cpu::Stretch {
            update: None,
            packing: None,
            values: &mut values,
            gradients: &mut gradients,
            first: &mut self.first,
            second: &mut self.second,
        };
        // What is packed is changed in place; where a tape still holds it, it is packed anew when it is asked for.
        let taken = parameters.iter().map(|parameter| parameter.entry().packed().take());
        let mut packed: Vec<Option<PackedWeight>> =
            taken.map(|packed| packed.and_then(Arc::into_inner)).collect();
        let packers: Vec<Option<Packer>> =
            packed.iter_mut().map(|packed| packed.as_mut().map(PackedWeight::packer)).collect();
        let (mut pieces, mut done) = (Vec::new(), 0);
        for (parameter, packer) in parameters.iter().zip(&packers) {
            let entry = parameter.entry();
            let range = entry.range();
            let decay = if entry.decays() { settings.weight_decay } else { 0.0 };
            let update = cpu::Update::new(settings, self.steps, learning_rate, decay, clipped);
            // What lies between two parameters is padding, and always 0.
            rest.take(range.start - done, None);
            let stretch = rest.take(range.len(), entry.is_trainable().then_some(update));
            pieces.extend(stretch.pieces(packer.as_ref()));
            done = range.end;
        }
        cpu::update(pieces);
        for (parameter, packed) in parameters.iter().zip(packed) {
            *parameter.entry().packed() = packed.map(Arc::new);
        }
        norm
    }
}
