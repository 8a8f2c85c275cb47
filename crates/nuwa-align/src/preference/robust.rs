//! Robust DPO: Chowdhury et al., "Provably Robust DPO: Aligning Language Models with Noisy Feedback" (2024).
//!
//! With `e` the share of pairs whose answers are swapped, `loss = (-(1 - e) log sigmoid(beta h) + e log sigmoid(-beta h)) / (1 - 2 e)`:
//! its mean over swapped labels is the loss of right ones. Its slope in `p(c)` is
//! `beta ((1 - e) (sigmoid(beta h) - 1) - e sigmoid(beta h)) / (1 - 2 e)`, in `p(r)` the negative.

use super::{PairLikelihood, PairLoss, sigmoid_of, softplus};

/// The loss of a pair; `smoothing` is below one half.
pub fn pair_loss(pair: &PairLikelihood, beta: f32, smoothing: f32) -> PairLoss {
    let rewards = pair.rewards(beta);
    let z = rewards[0] - rewards[1];
    let scale = 1.0 / (1.0 - 2.0 * smoothing);
    let loss = scale * ((1.0 - smoothing) * softplus(-z) - smoothing * softplus(z));
    let slope = scale * ((1.0 - smoothing) * (sigmoid_of(z) - 1.0) - smoothing * sigmoid_of(z));
    PairLoss::of_difference(loss, beta * slope, rewards)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preference::sigmoid;

    #[test]
    fn over_swapped_labels_its_mean_is_the_loss_of_right_ones() {
        let (right, swapped) = ([-4.0, -6.0], [-6.0, -4.0]);
        let of = |model| pair_loss(&PairLikelihood::new(model, [0.0; 2]), 0.5, 0.2).loss;
        let mean = 0.8 * of(right) + 0.2 * of(swapped);
        let expected = sigmoid::pair_loss(&PairLikelihood::new(right, [0.0; 2]), 0.5, 0.0).loss;
        assert!((mean - expected).abs() < 1e-6, "{mean} {expected}");
    }
}
