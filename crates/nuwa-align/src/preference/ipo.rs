//! Identity preference optimisation: Azar et al., "A General Theoretical Paradigm to Understand Learning from Human
//! Preferences" (2023).
//!
//! `loss = (h - 1 / (2 beta))^2`: the margin has an aim, so pairs that are told apart pull no further. With log-probabilities as means
//! over tokens, as its authors use it. The slope in `p(c)` is `2 (h - 1 / (2 beta))`, in `p(r)` the negative.

use super::{PairLikelihood, PairLoss};

/// The loss of a pair.
pub fn pair_loss(pair: &PairLikelihood, beta: f32) -> PairLoss {
    let [chosen, rejected] = pair.rewards(1.0);
    let off = chosen - rejected - 0.5 / beta;
    PairLoss::of_difference(off * off, 2.0 * off, pair.rewards(beta))
}
