//! Kahneman-Tversky optimisation: Ethayarajh et al., "KTO: Model Alignment as Prospect Theoretic Optimization" (2024).
//!
//! Of single answers that are desirable or not. With `x = p(y) - q(y)` and `z` the distance of the model from its reference,
//! `loss = w (1 - sigmoid(beta (x - z)))` of a desirable answer and `w (1 - sigmoid(beta (z - x)))` of an undesirable one; `w` is the
//! weight of its kind. With `s` the sigmoid, the slope in `p(y)` is `-+ w beta s (1 - s)`. Rewards are `beta x`.
//!
//! `z = max(0, mean of x over answers put behind the prompts of others)`, over the whole step and without a slope.

use super::sigmoid_of;

/// What one answer comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnswerLoss {
    /// The loss.
    pub loss: f32,
    /// Its slope in the model's log-probability of the answer.
    pub slope: f32,
    /// `beta (p - q)`.
    pub reward: f32,
}

/// The loss of an answer with `ratio` `p - q`, whose kind has the weight `weight`.
pub fn answer_loss(ratio: f32, is_desirable: bool, distance: f32, beta: f32, weight: f32) -> AnswerLoss {
    let direction = if is_desirable { 1.0 } else { -1.0 };
    let s = sigmoid_of(direction * beta * (ratio - distance));
    AnswerLoss {
        loss: weight * (1.0 - s),
        slope: -direction * weight * beta * s * (1.0 - s),
        reward: beta * ratio,
    }
}

/// How far the model is from its reference, from `p - q` of answers behind prompts of others.
pub fn distance(ratios: &[f32]) -> f32 {
    let sum: f64 = ratios.iter().map(|ratio| f64::from(*ratio)).sum();
    (sum / ratios.len().max(1) as f64).max(0.0) as f32
}

/// Most that all desirable answers weigh, as a multiple of what all others do.
const MOST: f32 = 4.0 / 3.0;

/// The weights of desirable and undesirable answers of which there are so many. The paper wants the ratio of what they weigh
/// together between 1 and 4/3: the lighter kind is given as much more as that takes.
pub fn weights(desirable: u64, undesirable: u64) -> [f32; 2] {
    let ratio = desirable.max(1) as f32 / undesirable.max(1) as f32;
    [(1.0 / ratio).max(1.0), (ratio / MOST).max(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_of_an_answer_is_what_the_formula_says() {
        for (is_desirable, expected) in
            [(true, [0.482_507_14, 0.495_000_17]), (false, [0.480_010_66, 0.504_999_8])]
        {
            let ratios = if is_desirable { [1.0, 0.5] } else { [-0.5, 0.5] };
            for (ratio, expected) in ratios.into_iter().zip(expected) {
                let found = answer_loss(ratio, is_desirable, 0.3, 0.1, 1.0).loss;
                assert!((found - expected).abs() < 1e-6, "{ratio}: {found} {expected}");
            }
        }
    }

    #[test]
    fn the_slope_is_that_of_the_loss() {
        for is_desirable in [true, false] {
            for ratio in [-3.0, 0.2, 2.0] {
                let at = |ratio: f32| answer_loss(ratio, is_desirable, 0.4, 0.8, 1.3);
                let finite = (at(ratio + 1e-2).loss - at(ratio - 1e-2).loss) / 2e-2;
                assert!((at(ratio).slope - finite).abs() < 1e-4, "{finite} {}", at(ratio).slope);
            }
        }
    }

    #[test]
    fn the_rarer_kind_weighs_more() {
        assert_eq!(weights(100, 100), [1.0, 1.0]);
        assert_eq!(weights(120, 100), [1.0, 1.0]);
        assert_eq!(weights(50, 100), [2.0, 1.0]);
        let [desirable, undesirable] = weights(400, 100);
        assert!(desirable == 1.0 && (undesirable - 3.0).abs() < 1e-6, "{undesirable}");
    }

    #[test]
    fn a_distance_is_never_below_zero() {
        assert_eq!(distance(&[-3.0, 1.0]), 0.0);
        assert_eq!(distance(&[0.5, 1.5]), 1.0);
        assert_eq!(distance(&[]), 0.0);
    }
}
