//! What is minimised over preferences: a file for each loss, from log-probabilities to the loss and its slopes.
//!
//! `p(y)` is the model's log-probability of an answer `y` and `q(y)` the reference's: sums over the answer's tokens, or means
//! where the loss is [measured by token](crate::DpoSettings::by_token). `c` is the chosen answer of a pair, `r` the rejected one,
//! `h = (p(c) - q(c)) - (p(r) - q(r))`. Without a reference `q = 0`.

pub mod aot;
pub mod dpop;
pub mod hinge;
pub mod ipo;
pub mod kto;
pub mod orpo;
pub mod robust;
pub mod sigmoid;
pub mod simpo;

/// The log-probabilities of a pair of answers, chosen and rejected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairLikelihood {
    /// By the model.
    pub model: [f32; 2],
    /// By the reference; zeros where there is none.
    pub reference: [f32; 2],
    /// `q(c) - q(r)` that the model's difference is held against: the pair's own, but for [`aot`].
    pub against: f32,
}

impl PairLikelihood {
    /// A pair that is held against its own reference.
    pub fn new(model: [f32; 2], reference: [f32; 2]) -> Self {
        Self { model, reference, against: reference[0] - reference[1] }
    }

    /// `beta (p - q)` of both answers.
    pub(crate) fn rewards(&self, beta: f32) -> [f32; 2] {
        [0, 1].map(|answer| beta * (self.model[answer] - self.reference[answer]))
    }
}

/// What one pair comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairLoss {
    /// The loss.
    pub loss: f32,
    /// Its slopes in `p(c)` and `p(r)`.
    pub slopes: [f32; 2],
    /// What the loss counts as the reward of the chosen and of the rejected answer.
    pub rewards: [f32; 2],
}

impl PairLoss {
    /// Of a loss that depends on the difference of two log-probabilities alone, with its slope in that.
    pub(crate) fn of_difference(loss: f32, slope: f32, rewards: [f32; 2]) -> Self {
        Self { loss, slopes: [slope, -slope], rewards }
    }
}

/// A loss of pairs with its constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum PairRule {
    Sigmoid { beta: f32, smoothing: f32 },
    Robust { beta: f32, smoothing: f32 },
    Ipo { beta: f32 },
    Hinge { beta: f32 },
    Simpo { beta: f32, gamma_ratio: f32, smoothing: f32 },
    Orpo { lambda: f32 },
    Dpop { beta: f32, lambda: f32, smoothing: f32 },
    Aot { beta: f32, smoothing: f32 },
}

impl PairRule {
    pub(crate) fn loss(&self, pair: &PairLikelihood) -> PairLoss {
        match *self {
            Self::Sigmoid { beta, smoothing } => sigmoid::pair_loss(pair, beta, smoothing),
            Self::Robust { beta, smoothing } => robust::pair_loss(pair, beta, smoothing),
            Self::Ipo { beta } => ipo::pair_loss(pair, beta),
            Self::Hinge { beta } => hinge::pair_loss(pair, beta),
            Self::Simpo { beta, gamma_ratio, smoothing } => {
                simpo::pair_loss(pair, beta, gamma_ratio, smoothing)
            }
            Self::Orpo { lambda } => orpo::pair_loss(pair, lambda),
            Self::Dpop { beta, lambda, smoothing } => dpop::pair_loss(pair, beta, lambda, smoothing),
            Self::Aot { beta, smoothing } => aot::pair_loss(pair, beta, smoothing),
        }
    }

    /// Whether each pair is held against the reference of another one, which the whole step decides.
    pub(crate) fn sorts(&self) -> bool {
        matches!(self, Self::Aot { .. })
    }
}

/// `-(1 - e) log sigmoid(z) - e log sigmoid(-z)` with `e` the smoothing, and its slope in `z`.
pub(crate) fn logistic(z: f32, smoothing: f32) -> (f32, f32) {
    let loss = (1.0 - smoothing) * softplus(-z) + smoothing * softplus(z);
    (loss, sigmoid_of(z) - (1.0 - smoothing))
}

/// `-log sigmoid(-x)` without overflow.
fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

pub(crate) fn sigmoid_of(z: f32) -> f32 {
    1.0 / (1.0 + (-z).exp())
}

// Golden numbers are as they were printed.
#[cfg(test)]
#[allow(clippy::approx_constant, clippy::excessive_precision)]
mod tests {
    use super::*;

    const ALL: [PairRule; 8] = [
        PairRule::Sigmoid { beta: 0.7, smoothing: 0.2 },
        PairRule::Robust { beta: 0.7, smoothing: 0.2 },
        PairRule::Ipo { beta: 0.7 },
        PairRule::Hinge { beta: 0.7 },
        PairRule::Simpo { beta: 2.0, gamma_ratio: 0.5, smoothing: 0.1 },
        PairRule::Orpo { lambda: 0.6 },
        PairRule::Dpop { beta: 0.7, lambda: 3.0, smoothing: 0.0 },
        PairRule::Aot { beta: 0.7, smoothing: 0.1 },
    ];

    /// Two pairs: the sums of chosen and rejected, those of the reference, and the lengths.
    pub(crate) fn pairs(by_token: bool) -> [PairLikelihood; 2] {
        let of = |model: [f32; 2], reference: [f32; 2], lengths: [f32; 2]| {
            let length = |answer: usize| if by_token { lengths[answer] } else { 1.0 };
            let [model, reference] = [model, reference].map(|sums| [0, 1].map(|at| sums[at] / length(at)));
            PairLikelihood::new(model, reference)
        };
        [of([-8.0, -10.0], [-9.0, -9.5], [4.0, 5.0]), of([-5.0, -4.0], [-5.5, -4.5], [2.0, 3.0])]
    }

    /// Numbers computed in double precision after TRL's formulas.
    #[test]
    fn losses_are_those_of_the_papers() {
        let cases: [(PairRule, bool, [f32; 2]); 8] = [
            (PairRule::Sigmoid { beta: 0.1, smoothing: 0.0 }, false, [0.620_957_05, 0.693_147_2]),
            (PairRule::Sigmoid { beta: 0.1, smoothing: 0.1 }, false, [0.635_957_05, 0.693_147_2]),
            (PairRule::Robust { beta: 0.1, smoothing: 0.1 }, false, [0.602_207_05, 0.693_147_2]),
            (PairRule::Ipo { beta: 0.1 }, false, [12.25, 25.0]),
            (PairRule::Ipo { beta: 0.1 }, true, [21.6225, 24.173_611]),
            (PairRule::Hinge { beta: 0.1 }, false, [0.85, 1.0]),
            (
                PairRule::Simpo { beta: 2.0, gamma_ratio: 0.5, smoothing: 0.0 },
                true,
                [1.313_261_7, 3.368_385_8],
            ),
            (PairRule::Aot { beta: 0.1, smoothing: 0.0 }, false, [0.620_957_05, 0.693_147_2]),
        ];
        for (rule, by_token, expected) in cases {
            for (pair, expected) in pairs(by_token).iter().zip(expected) {
                let found = rule.loss(pair).loss;
                assert!((found - expected).abs() < 2e-6 * expected.max(1.0), "{rule:?}: {found} {expected}");
            }
        }
    }

    #[test]
    fn slopes_are_those_of_the_losses() {
        let points = [[-1.0, -1.5], [-0.7, -0.6], [-3.0, -0.2], [-0.1, -4.0]];
        for rule in ALL {
            for model in points {
                let at = |model: [f32; 2]| rule.loss(&PairLikelihood::new(model, [-1.1, -1.4]));
                for answer in [0, 1] {
                    let moved = |by: f32| {
                        let mut model = model;
                        model[answer] += by;
                        f64::from(at(model).loss)
                    };
                    let finite = (moved(2e-3) - moved(-2e-3)) / 4e-3;
                    let slope = f64::from(at(model).slopes[answer]);
                    let allowed = 5e-3 * (1.0 + finite.abs());
                    assert!((slope - finite).abs() < allowed, "{rule:?} {model:?}: {slope} {finite}");
                }
            }
        }
    }

    #[test]
    fn far_from_each_other_nothing_overflows() {
        for rule in ALL {
            for model in [[-1e-9, -1e4], [-1e4, -1e-9], [0.0, 0.0]] {
                let PairLoss { loss, slopes, rewards } = rule.loss(&PairLikelihood::new(model, [-1.0, -1.0]));
                let all = [loss, slopes[0], slopes[1], rewards[0], rewards[1]];
                assert!(all.iter().all(|number| number.is_finite()), "{rule:?} {model:?}: {all:?}");
            }
        }
    }
}
