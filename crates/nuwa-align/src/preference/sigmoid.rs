//! Direct preference optimisation: Rafailov et al., "Direct Preference Optimization: Your Language Model is Secretly a
//! Reward Model" (2023).
//!
//! `loss = -(1 - e) log sigmoid(beta h) - e log sigmoid(-beta h)`, with `e` the label smoothing (conservative DPO, Mitchell
//! 2023); its slope in `p(c)` is `beta (sigmoid(beta h) - (1 - e))`, in `p(r)` the negative. Rewards are `beta (p - q)`.

use super::{PairLikelihood, PairLoss, logistic};

/// The loss of a pair.
pub fn pair_loss(pair: &PairLikelihood, beta: f32, smoothing: f32) -> PairLoss {
    let rewards = pair.rewards(beta);
    let (loss, slope) = logistic(rewards[0] - rewards[1], smoothing);
    PairLoss::of_difference(loss, beta * slope, rewards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_of_a_pair_is_what_the_formula_says() {
        let of = |model, reference, beta| pair_loss(&PairLikelihood::new(model, reference), beta, 0.0);
        let even = of([-3.0, -5.0], [-3.0, -5.0], 0.1);
        assert!((even.loss - std::f32::consts::LN_2).abs() < 1e-6);
        assert!((even.slopes[0] + 0.05).abs() < 1e-7);
        let far = of([1000.0, -1000.0], [0.0, 0.0], 1.0);
        assert_eq!((far.loss, far.slopes[0]), (0.0, 0.0));
        let wrong = of([-1000.0, 1000.0], [0.0, 0.0], 1.0);
        assert_eq!((wrong.loss, wrong.slopes), (2000.0, [-1.0, 1.0]));
    }
}
