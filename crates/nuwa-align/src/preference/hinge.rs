//! The hinge loss of preferences: Zhao et al., "SLiC-HF: Sequence Likelihood Calibration with Human Feedback" (2023), on the margin
//! against a reference as in Liu et al., "Statistical Rejection Sampling Improves Preference Optimization" (2023).
//!
//! `loss = max(0, 1 - beta h)`; its slope in `p(c)` is `-beta` where the loss is above 0, in `p(r)` the negative.

use super::{PairLikelihood, PairLoss};

/// The loss of a pair.
pub fn pair_loss(pair: &PairLikelihood, beta: f32) -> PairLoss {
    let rewards = pair.rewards(beta);
    let loss = (1.0 - (rewards[0] - rewards[1])).max(0.0);
    let slope = if loss > 0.0 { -beta } else { 0.0 };
    PairLoss::of_difference(loss, slope, rewards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_that_is_told_apart_is_left_alone() {
        let far = pair_loss(&PairLikelihood::new([-1.0, -9.0], [-4.0, -4.0]), 0.2);
        assert_eq!((far.loss, far.slopes), (0.0, [0.0, -0.0]));
    }
}
