//! Alignment by optimal transport: Melnyk et al., "Distributional Preference Alignment of LLMs via Optimal Transport" (2024), paired.
//!
//! Not each pair but the step as a whole is to prefer what is chosen: the model's differences `p(c) - p(r)` and the reference's
//! `q(c) - q(r)` are sorted, and the k-th of one is held against the k-th of the other by the loss of [`sigmoid`](super::sigmoid). The
//! order is that of the model before the step and has no slope. Rewards are `beta (p - q)` of the pair itself.

use super::{PairLikelihood, PairLoss, logistic};

/// The loss of a pair that is held against `pair.against`.
pub fn pair_loss(pair: &PairLikelihood, beta: f32, smoothing: f32) -> PairLoss {
    let z = beta * (pair.model[0] - pair.model[1] - pair.against);
    let (loss, slope) = logistic(z, smoothing);
    PairLoss::of_difference(loss, beta * slope, pair.rewards(beta))
}

/// For each of the model's differences, the reference's of the same rank.
pub fn matched(model: &[f32], reference: &[f32]) -> Vec<f32> {
    let mut ranked: Vec<usize> = (0..model.len()).collect();
    ranked.sort_by(|one, other| model[*one].total_cmp(&model[*other]));
    let mut sorted = reference.to_vec();
    sorted.sort_by(f32::total_cmp);
    let mut matched = vec![0.0; model.len()];
    ranked.into_iter().zip(sorted).for_each(|(index, against)| matched[index] = against);
    matched
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_held_against_those_of_their_rank() {
        assert_eq!(matched(&[3.0, -1.0, 2.0], &[0.5, -2.0, 9.0]), [9.0, -2.0, 0.5]);
        assert_eq!(matched(&[1.0, 1.0], &[4.0, 3.0]), [3.0, 4.0]);
    }
}
