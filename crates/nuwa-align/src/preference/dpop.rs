//! DPO-Positive: Pal et al., "Smaug: Fixing Failure Modes of Preference Optimisation with DPO-Positive" (2024).
//!
//! DPO may lower the likelihood of both answers as long as the rejected one falls faster, and does where they differ by a few
//! tokens. With `f = max(0, q(c) - p(c))`, what the chosen answer has lost, `z = beta (h - lambda f)` and `loss = -log sigmoid(z)`,
//! with label smoothing as in [`sigmoid`](super::sigmoid). The slope in `p(r)` is `-beta` times that in `z`; in `p(c)` it is
//! `beta (1 + lambda)` times that where the chosen answer has become less likely, else `beta` times. Rewards are `beta (p - q)`.

use super::{PairLikelihood, PairLoss, logistic};

/// The loss of a pair.
pub fn pair_loss(pair: &PairLikelihood, beta: f32, lambda: f32, smoothing: f32) -> PairLoss {
    let rewards = pair.rewards(beta);
    let fallen = (pair.reference[0] - pair.model[0]).max(0.0);
    let (loss, slope) = logistic(rewards[0] - rewards[1] - beta * lambda * fallen, smoothing);
    let pull = if fallen > 0.0 { 1.0 + lambda } else { 1.0 };
    PairLoss { loss, slopes: [beta * slope * pull, -beta * slope], rewards }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preference::sigmoid;

    #[test]
    fn only_a_chosen_answer_that_has_become_less_likely_is_held_back() {
        let risen = PairLikelihood::new([-3.0, -5.0], [-4.0, -4.0]);
        assert_eq!(pair_loss(&risen, 0.1, 5.0, 0.0), sigmoid::pair_loss(&risen, 0.1, 0.0));
        let fallen = PairLikelihood::new([-5.0, -9.0], [-4.0, -4.0]);
        let (own, usual) = (pair_loss(&fallen, 0.1, 5.0, 0.0), sigmoid::pair_loss(&fallen, 0.1, 0.0));
        assert!(own.loss > usual.loss && own.slopes[0] < usual.slopes[0], "{own:?} {usual:?}");
    }
}
