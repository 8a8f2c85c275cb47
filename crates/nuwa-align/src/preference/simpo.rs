//! Simple preference optimisation: Meng et al., "SimPO: Simple Preference Optimization with a Reference-Free Reward" (2024).
//!
//! With log-probabilities as means over tokens and no reference, `z = beta (p(c) - p(r)) - gamma` and `loss = -log sigmoid(z)`, with
//! label smoothing as in [`sigmoid`](super::sigmoid). `gamma`, the margin aimed at, is told as its ratio to `beta`. The slope in
//! `p(c)` is `beta` times that in `z`, in `p(r)` the negative. Rewards are `beta p`.

use super::{PairLikelihood, PairLoss, logistic};

/// The loss of a pair.
pub fn pair_loss(pair: &PairLikelihood, beta: f32, gamma_ratio: f32, smoothing: f32) -> PairLoss {
    let z = beta * (pair.model[0] - pair.model[1] - gamma_ratio);
    let (loss, slope) = logistic(z, smoothing);
    PairLoss::of_difference(loss, beta * slope, pair.model.map(|own| beta * own))
}
