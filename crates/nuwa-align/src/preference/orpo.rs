//! Odds ratio preference optimisation: Hong et al., "ORPO: Monolithic Preference Optimization without Reference Model" (2024).
//!
//! With log-probabilities as means over tokens and no reference, `o(y) = p(y) - log(1 - exp p(y))` are the log odds of an answer and
//! `loss = -p(c) - lambda log sigmoid(o(c) - o(r))`: supervised fine-tuning on the chosen answer, and a ratio that keeps the rejected
//! one from becoming likely with it. `d o / d p = 1 / (1 - exp p)`. Rewards are the log odds.

use super::{PairLikelihood, PairLoss, logistic};

/// An answer that is certain has infinite odds: nearer to 0 than this, a log-probability counts as this.
const NEAREST: f32 = -1e-6;

/// The loss of a pair.
pub fn pair_loss(pair: &PairLikelihood, lambda: f32) -> PairLoss {
    let odds = pair.model.map(log_odds);
    let (loss, slope) = logistic(odds[0].0 - odds[1].0, 0.0);
    PairLoss {
        loss: lambda * loss - pair.model[0],
        slopes: [lambda * slope * odds[0].1 - 1.0, -lambda * slope * odds[1].1],
        rewards: odds.map(|(odds, _)| odds),
    }
}

/// The log odds of a log-probability, and their slope in it.
pub fn log_odds(probability: f32) -> (f32, f32) {
    let bounded = probability.min(NEAREST);
    let unlikely = -bounded.exp_m1();
    (bounded - unlikely.ln(), 1.0 / unlikely)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preference::tests::pairs;

    #[test]
    fn log_odds_are_those_of_the_mean_probability() {
        for (pair, expected) in pairs(true).iter().zip([0.0, -1.386_994_1]) {
            let [chosen, rejected] = pair_loss(pair, 0.1).rewards;
            assert!((chosen - rejected - expected).abs() < 1e-5, "{chosen} {rejected} {expected}");
        }
    }

    #[test]
    fn an_answer_that_is_certain_pulls_no_more() {
        let slopes = pair_loss(&PairLikelihood::new([0.0, -5.0], [0.0; 2]), 1.0).slopes;
        assert!((slopes[0] + 1.0).abs() < 0.1, "{slopes:?}");
    }
}
