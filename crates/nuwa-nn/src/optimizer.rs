use nuwa_tensor::{AdamWSettings, OptimizerState, Parameter, ParameterRule, Parameters, UpdateRule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The formula by which weights are changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    #[default]
    AdamW,
    /// Orthogonal momentum for the matrices of the blocks (Jordan et al. 2024), in steps as large as AdamW's (Liu et al. 2025);
    /// AdamW for embeddings, heads, norms and biases.
    Muon,
    /// The sign of a mean of gradients (Chen et al. 2023).
    Lion,
    /// Mean squares by row and column, and steps relative to the size of a matrix (Shazeer and Stern 2018).
    Adafactor,
    /// Gradient descent with momentum.
    Sgd,
}

impl OptimizerKind {
    /// The name in recipes and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::AdamW => "adamw",
            Self::Muon => "muon",
            Self::Lion => "lion",
            Self::Adafactor => "adafactor",
            Self::Sgd => "sgd",
        }
    }

    /// By what the learning rate of AdamW is multiplied where none is said, for steps of about the same size.
    ///
    /// A step of AdamW changes a weight by about 0.2 of the rate (root mean square); of Lion by the whole of it (its paper: 3 to 10 times
    /// smaller rates); of Adafactor by the rate times the size of the weight, about 0.03; of SGD by the rate times a gradient whose norm
    /// over all weights is clipped to 1. Of three or four rates each on 1.5M tokens of English (200k weights) the best were within a
    /// factor of two of these; of SGD the lowest.
    pub fn rate_factor(self) -> f32 {
        match self {
            Self::AdamW => 1.0,
            Self::Muon => 2.5,
            Self::Lion => 0.2,
            Self::Adafactor => 6.0,
            Self::Sgd => 30.0,
        }
    }
}

/// How weights are changed by their gradients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerSettings {
    /// Optimizer: adamw, muon (matrices of the blocks; adamw for the rest), lion, adafactor or sgd.
    pub kind: OptimizerKind,
    /// Decay rate of the running mean of gradients, 0 to 1: adamw, lion.
    pub beta1: f32,
    /// Decay rate of the running mean of squared gradients, 0 to 1; of lion that of the mean it keeps.
    /// Small batches work better with a value closer to 1.
    pub beta2: f32,
    /// AdamW's epsilon: added to the denominator for numerical stability.
    pub epsilon: f32,
    /// Momentum of muon and sgd, 0 to 1. If unset: 0.95 for muon, 0.9 for sgd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f32>,
    /// Nesterov momentum for sgd; muon always has it.
    pub nesterov: bool,
    /// Decoupled weight decay of matrices and embeddings; norms and biases are excluded. If unset:
    /// 0.1, and more when pretraining runs for many epochs.
    pub weight_decay: Option<f32>,
    /// L1 regularisation of matrices and embeddings, as a proximal step: each step moves them towards
    /// 0 by the learning rate times this, and as far as exactly 0. 0 turns it off.
    pub l1: f32,
    /// Gradient clipping: the largest global gradient norm. 0 turns clipping off.
    pub clip: f32,
}

/// The weight decay where none is said.
pub const USUAL_WEIGHT_DECAY: f32 = 0.1;

/// Adafactor's constants, as PyTorch has them: the power of the step, the least root of a mean square and the least size of a parameter,
/// the largest update.
const ADAFACTOR: UpdateRule =
    UpdateRule::Adafactor { decay: -0.8, epsilons: [f32::EPSILON, 1e-3], largest: 1.0 };

impl Default for OptimizerSettings {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::AdamW,
            beta1: 0.9,
            beta2: 0.95,
            epsilon: 1e-8,
            momentum: None,
            nesterov: false,
            weight_decay: None,
            l1: 0.0,
            clip: 1.0,
        }
    }
}

impl OptimizerSettings {
    /// The first value that is out of its range: the field, the value, and what was expected.
    pub fn wrong(&self) -> Option<(&'static str, f32, &'static str)> {
        const SHARE: &str = "at least 0 and below 1";
        const FROM_ZERO: &str = "0 or more";
        let share = |value: f32| (0.0..1.0).contains(&value);
        let from_zero = |value: f32| value >= 0.0 && value.is_finite();
        let held = [
            ("beta1", self.beta1, share(self.beta1), SHARE),
            ("beta2", self.beta2, share(self.beta2), SHARE),
            ("momentum", self.momentum.unwrap_or(0.0), share(self.momentum.unwrap_or(0.0)), SHARE),
            ("epsilon", self.epsilon, from_zero(self.epsilon), FROM_ZERO),
            ("l1", self.l1, from_zero(self.l1), FROM_ZERO),
            ("clip", self.clip, from_zero(self.clip), FROM_ZERO),
        ];
        held.into_iter()
            .find(|(.., holds, _)| !holds)
            .map(|(name, value, _, expected)| (name, value, expected))
    }

    fn constants(&self) -> AdamWSettings {
        AdamWSettings {
            betas: [self.beta1, self.beta2],
            epsilon: self.epsilon,
            weight_decay: self.weight_decay.unwrap_or(USUAL_WEIGHT_DECAY),
            clip: self.clip,
        }
    }

    fn rule(&self, parameter: &Parameter) -> UpdateRule {
        let momentum = |usual| self.momentum.unwrap_or(usual);
        match self.kind {
            OptimizerKind::AdamW => UpdateRule::AdamW,
            OptimizerKind::Muon if is_block_matrix(parameter) => {
                UpdateRule::Muon { momentum: momentum(0.95) }
            }
            OptimizerKind::Muon => UpdateRule::AdamW,
            OptimizerKind::Lion => UpdateRule::Lion { betas: [self.beta1, self.beta2] },
            OptimizerKind::Adafactor => ADAFACTOR,
            OptimizerKind::Sgd => UpdateRule::Sgd { momentum: momentum(0.9), nesterov: self.nesterov },
        }
    }
}

/// Whether a parameter is the matrix of a layer within a block: what Muon changes, and what muP scales. Embeddings, heads, and tables of
/// positions are none.
pub fn is_block_matrix(parameter: &Parameter) -> bool {
    let path = parameter.entry().path();
    let is_within = path.starts_with("layers.") || path.contains(".layers.");
    let is_table = ["bias", "segments", "router"].iter().any(|name| path.contains(name));
    parameter.shape().axes().len() == 2 && is_within && !is_table
}

/// An optimizer over all parameters of a model.
#[derive(Debug)]
pub struct Optimizer {
    settings: OptimizerSettings,
    state: OptimizerState,
    /// What the rate of each parameter is multiplied by, in the order of declaration; empty where that is 1 for all.
    rates: Vec<f32>,
}

impl Optimizer {
    /// The optimizer before its first step.
    pub fn new(parameters: &Parameters, settings: &OptimizerSettings) -> Self {
        Self::resume(settings, OptimizerState::new(parameters))
    }

    /// Goes on from a saved state.
    pub fn resume(settings: &OptimizerSettings, state: OptimizerState) -> Self {
        Self { settings: settings.clone(), state, rates: Vec::new() }
    }

    /// The same with another learning rate for each parameter: so many times the rate of a step, in the order of declaration.
    #[must_use]
    pub fn with_rates(self, rates: Vec<f32>) -> Self {
        Self { rates, ..self }
    }

    /// One step with the gradients in `parameters`, which are cleared; gives their norm before clipping. A norm that is
    /// not finite changes nothing.
    pub fn step(&mut self, parameters: &Parameters, learning_rate: f32) -> f32 {
        let Self { settings, state, rates } = self;
        let rates = rates.iter().zip(parameters.iter());
        let rates: std::collections::HashMap<&str, f32> =
            rates.map(|(rate, parameter)| (parameter.entry().path(), *rate)).collect();
        state.step_by(parameters, &settings.constants(), learning_rate, &|parameter| ParameterRule {
            rule: settings.rule(parameter),
            rate: rates.get(parameter.entry().path()).copied().unwrap_or(1.0),
            l1: settings.l1,
        })
    }

    /// Which formula it is.
    pub fn kind(&self) -> OptimizerKind {
        self.settings.kind
    }

    /// What a checkpoint has to keep.
    pub fn state(&self) -> &OptimizerState {
        &self.state
    }
}

#[cfg(test)]
mod tests {
    use nuwa_tensor::ParametersBuilder;

    use super::*;

    fn parameters() -> Parameters {
        let mut builder = ParametersBuilder::new(1);
        for (path, axes) in [
            ("tokens.weight", vec![5, 4]),
            ("layers.0.attention.qkv.weight", vec![12, 4]),
            ("layers.0.attention.qkv.bias", vec![12]),
            ("decoder.layers.1.feed_forward.output.weight", vec![4, 8]),
            ("layers.0.attention.bias.weight", vec![8, 2]),
            ("layers.0.attention.segments", vec![2, 4]),
            ("head.weight", vec![5, 4]),
        ] {
            let decays = axes.len() > 1;
            builder.add(path.into(), &axes[..], decays, |values, random| random.fill_normal(values, 0.1));
        }
        builder.finish()
    }

    fn with_gradient(parameters: &Parameters, value: f32) {
        parameters.iter().for_each(|one| one.set_gradient(|gradient| gradient.fill(value)));
    }

    #[test]
    fn the_matrices_of_blocks_are_told_from_tables() {
        let parameters = parameters();
        let found: Vec<&str> =
            parameters.iter().filter(|one| is_block_matrix(one)).map(|one| one.entry().path()).collect();
        assert_eq!(found, ["layers.0.attention.qkv.weight", "decoder.layers.1.feed_forward.output.weight"]);
    }

    #[test]
    fn l1_makes_exact_zeros_of_matrices_alone() {
        for kind in [
            OptimizerKind::AdamW,
            OptimizerKind::Muon,
            OptimizerKind::Lion,
            OptimizerKind::Adafactor,
            OptimizerKind::Sgd,
        ] {
            let parameters = parameters();
            let settings = OptimizerSettings { kind, l1: 1.0, ..OptimizerSettings::default() };
            let mut optimizer = Optimizer::new(&parameters, &settings);
            for _ in 0..12 {
                with_gradient(&parameters, 0.0);
                optimizer.step(&parameters, 0.02);
            }
            let zeros = |path: &str| {
                let values = parameters.get(path).unwrap().to_host();
                values.iter().filter(|value| **value == 0.0).count() as f64 / values.len() as f64
            };
            assert!(zeros("tokens.weight") > 0.8, "{kind:?}");
            assert_eq!(zeros("layers.0.attention.qkv.bias"), 0.0, "{kind:?}");
        }
    }

    #[test]
    fn a_rate_of_its_own_makes_a_step_larger() {
        let moved = |rates: Vec<f32>| {
            let parameters = parameters();
            let before = parameters.get("head.weight").unwrap().to_host();
            let mut optimizer = Optimizer::new(&parameters, &OptimizerSettings::default()).with_rates(rates);
            with_gradient(&parameters, 0.1);
            optimizer.step(&parameters, 1e-2);
            let after = parameters.get("head.weight").unwrap().to_host();
            // Without weight decay, which goes by the rate itself.
            f64::from(before[0] * (1.0 - 1e-3) - after[0])
        };
        let usual = moved(Vec::new());
        let larger = moved(vec![1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 3.0]);
        assert!((larger / usual - 3.0).abs() < 1e-3, "{usual} {larger}");
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let wrong = OptimizerSettings { momentum: Some(1.0), ..OptimizerSettings::default() }.wrong();
        assert_eq!(wrong, Some(("momentum", 1.0, "at least 0 and below 1")));
        let wrong = OptimizerSettings { l1: f32::NAN, ..OptimizerSettings::default() }.wrong();
        assert_eq!(wrong.map(|(name, ..)| name), Some("l1"));
        assert_eq!(OptimizerSettings::default().wrong(), None);
    }
}
