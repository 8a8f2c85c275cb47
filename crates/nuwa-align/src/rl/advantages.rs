//! Advantages: how much better an answer, or a token of one, was than expected.
//!
//! - Generalised advantage estimation (Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage
//!   Estimation", 2015), of the rewards `r_t` and values `V_t` of one answer, with `V = 0` after its end:
//!   `delta_t = r_t + gamma V_(t+1) - V_t`, `A_t = delta_t + gamma lambda A_(t+1)`, returns `R_t = A_t + V_t`.
//! - Whitening: `(x - mean) / sqrt(var + 1e-8)` with the variance over `n - 1`, with or without the shift of the mean.
//! - Of groups of answers to one prompt (Shao et al., "DeepSeekMath", 2024, and what followed): see [`Baseline`].
//! - KL divergence a token from the reference, with `d = log p - log q` of a token that was sampled from `p` (Schulman,
//!   "Approximating KL Divergence", 2020): see [`KlEstimator`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the variance is raised by, so that equal numbers stay finite.
const WHITENING_EPSILON: f64 = 1e-8;
/// What the standard deviation of a group is raised by, as in TRL.
const GROUP_EPSILON: f32 = 1e-4;

/// How the KL divergence from the reference is estimated from sampled tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KlEstimator {
    /// log p - log q: unbiased, of large variance, negative for some tokens.
    #[default]
    K1,
    /// exp(log q - log p) - 1 - (log q - log p): unbiased, never negative, of smaller variance.
    K3,
}

impl KlEstimator {
    /// The estimate from `difference = log p - log q`.
    pub fn of(self, difference: f32) -> f32 {
        match self {
            Self::K1 => difference,
            Self::K3 => (-difference).exp_m1() + difference,
        }
    }
}

/// Advantages and returns of one answer: `gamma` discounts later rewards, `lambda` weighs the estimates of more steps.
pub fn generalised(rewards: &[f32], values: &[f32], gamma: f32, lambda: f32) -> (Vec<f32>, Vec<f32>) {
    let mut advantages = vec![0.0; rewards.len()];
    let (mut next_value, mut next_advantage) = (0.0, 0.0);
    for at in (0..rewards.len()).rev() {
        let delta = rewards[at] + gamma * next_value - values[at];
        next_advantage = delta + gamma * lambda * next_advantage;
        next_value = values[at];
        advantages[at] = next_advantage;
    }
    let returns = advantages.iter().zip(values).map(|(advantage, value)| advantage + value).collect();
    (advantages, returns)
}

/// Whitens all numbers of several answers together; `shifts` says whether their mean becomes 0.
pub fn whiten(answers: &mut [Vec<f32>], shifts: bool) {
    let count = answers.iter().map(Vec::len).sum::<usize>() as f64;
    if count < 2.0 {
        return;
    }
    let all = || answers.iter().flatten().map(|&value| f64::from(value));
    let mean = all().sum::<f64>() / count;
    let variance = all().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let scale = (variance + WHITENING_EPSILON).sqrt().recip();
    let kept = if shifts { 0.0 } else { mean };
    for value in answers.iter_mut().flatten() {
        *value = ((f64::from(*value) - mean) * scale + kept) as f32;
    }
}

/// What the reward of an answer is held against, within its group of `G` answers to one prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// (R - mean) / (sd + 1e-4): GRPO (Shao et al. 2024).
    #[default]
    Standardised,
    /// R - mean: Dr. GRPO (Liu et al. 2025), without the bias towards prompts of little variance.
    Mean,
    /// R - mean of the other answers: RLOO (Ahmadian et al. 2024).
    LeaveOneOut,
}

impl Baseline {
    /// The advantage of each answer of a group.
    pub fn advantages(self, rewards: &[f32]) -> Vec<f32> {
        let count = rewards.len() as f32;
        let mean = rewards.iter().sum::<f32>() / count;
        let squares = rewards.iter().map(|reward| (reward - mean).powi(2)).sum::<f32>();
        let deviation = (squares / (count - 1.0).max(1.0)).sqrt();
        let scale = match self {
            Self::Standardised => (deviation + GROUP_EPSILON).recip(),
            Self::Mean => 1.0,
            Self::LeaveOneOut => count / (count - 1.0).max(1.0),
        };
        rewards.iter().map(|reward| scale * (reward - mean)).collect()
    }
}

/// The share of the variance of `returns` that `values` explain: `1 - var(R - V) / var(R)`; none where all returns are equal.
pub fn explained_variance<'a>(
    returns: impl Iterator<Item = &'a f32> + Clone,
    values: impl Iterator<Item = &'a f32>,
) -> Option<f64> {
    let left: Vec<f64> =
        returns.clone().zip(values).map(|(one, other)| f64::from(*one) - f64::from(*other)).collect();
    let whole: Vec<f64> = returns.map(|value| f64::from(*value)).collect();
    let all = variance(&whole);
    (all > 0.0).then(|| 1.0 - variance(&left) / all)
}

fn variance(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }

    /// Two answers as TRL's PPO computes them, by `fixtures/align/make_rl.py`.
    const VALUES: [[f32; 4]; 2] = [[0.1, 0.2, 0.3, 0.05], [0.0, -0.1, 0.2, 0.4]];

    #[test]
    fn advantages_with_the_score_after_the_last_token_are_those_of_trl() {
        let rewards = [vec![-0.005, 0.005, -0.015, 1.0], vec![-0.01, 0.01, -0.015, -0.495]];
        let [first, second] = [0, 1].map(|answer| generalised(&rewards[answer], &VALUES[answer], 1.0, 0.95));
        close(&first.0, &[0.770_093_75, 0.710_625, 0.6375, 0.95]);
        close(&first.1, &[0.870_093_75, 0.910_625, 0.9375, 1.0]);
        close(&second.0, &[-0.415_888_13, -0.321_987_5, -0.665_25, -0.895]);
        // The first answer has three tokens: what stands after its last is not whitened with the others.
        let mut whitened = vec![first.0[..3].to_vec(), second.0];
        whiten(&mut whitened, true);
        close(&whitened[0], &[1.121_684_2, 1.037_862_2, 0.934_791_4]);
        close(&whitened[1], &[-0.549_974_44, -0.417_620_14, -0.901_453_6, -1.225_289_6]);
    }

    #[test]
    fn advantages_with_the_score_at_the_last_token() {
        let (advantages, _) = generalised(&[-0.005, 0.005, 0.985], &VALUES[0][..3], 1.0, 0.95);
        // Nothing comes after the end: TRL's placement takes the value of what comes after it instead.
        close(&advantages, &[0.812_962_5, 0.755_75, 0.685]);
    }

    #[test]
    fn without_a_discount_returns_are_the_rewards_to_come() {
        let (_, returns) = generalised(&[1.0, 0.0, 2.0], &[0.3, -0.2, 0.7], 1.0, 1.0);
        close(&returns, &[3.0, 2.0, 2.0]);
    }

    #[test]
    fn rewards_are_whitened_without_a_shift() {
        let mut rewards = vec![vec![-0.005, 0.005, -0.015, 1.0], vec![-0.01, 0.01, -0.015, -0.495]];
        whiten(&mut rewards, false);
        close(&rewards[0], &[-0.094_982_55, -0.071_004_67, -0.118_960_42, 2.314_793_5]);
        close(&rewards[1], &[-0.106_971_48, -0.059_015_74, -0.118_960_42, -1.269_898_2]);
        let mut one = vec![vec![3.0], vec![]];
        whiten(&mut one, true);
        assert_eq!(one[0], [3.0]);
    }

    #[test]
    fn groups_are_held_against_their_mean() {
        let groups = [[1.0, 0.0, 0.0, 1.0], [1.0; 4], [0.0, 0.0, 0.0, 0.5]];
        let of = |baseline: Baseline| groups.map(|rewards| baseline.advantages(&rewards));
        let [first, second, third] = of(Baseline::Standardised);
        close(&first, &[0.865_875_4, -0.865_875_4, -0.865_875_4, 0.865_875_4]);
        close(&second, &[0.0; 4]);
        close(&third, &[-0.499_800_1, -0.499_800_1, -0.499_800_1, 1.499_400_2]);
        close(&of(Baseline::Mean)[2], &[-0.125, -0.125, -0.125, 0.375]);
        close(&of(Baseline::LeaveOneOut)[0], &[0.666_666_7, -0.666_666_7, -0.666_666_7, 0.666_666_7]);
    }

    #[test]
    fn kl_is_estimated_from_the_difference() {
        let differences = [0.2, -0.1, 0.5];
        close(&differences.map(|x| KlEstimator::K1.of(x)), &differences);
        let k3 = [0.018_730_753, 0.005_170_918, 0.106_530_66];
        close(&differences.map(|x| KlEstimator::K3.of(x)), &k3);
    }

    #[test]
    fn values_that_are_right_explain_everything() {
        let returns = [1.0_f32, 2.0, 4.0];
        assert_eq!(explained_variance(returns.iter(), returns.iter()), Some(1.0));
        assert_eq!(explained_variance(returns.iter(), [0.0_f32; 3].iter()), Some(0.0));
        assert_eq!(explained_variance([1.0_f32; 2].iter(), [0.0_f32; 2].iter()), None);
    }
}
