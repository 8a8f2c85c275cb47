//! The losses of a policy and of a value function, and their slopes in what the model gives.
//!
//! With `rho_t = exp(log p_t - log o_t)` the ratio of a sampled token's probability to that when it was sampled, and `A` its
//! advantage (Schulman et al., "Proximal Policy Optimization Algorithms", 2017):
//!
//! `policy_t = max(-A rho_t, -A clip(rho_t, 1 - low, 1 + high))`, and
//! `value_t = 1/2 max((V_t - R_t)^2, (clip(V_t, O_t - c, O_t + c) - R_t)^2)`.
//!
//! How tokens of answers `i` are put together is [`Averaging`]; how the ratio of an answer is made is [`RatioLevel`].
//! The slope in the negative log-likelihood of a token is `-(d loss / d rho) rho`, 0 where the clipped branch is the larger.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a ratio may go from 1 before it stops to count: PPO's epsilon, below and above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clip {
    /// Below 1.
    pub low: f32,
    /// Above 1; larger in DAPO's "clip higher".
    pub high: f32,
}

/// What a token, or an answer, of a policy comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clipped {
    /// The loss.
    pub loss: f32,
    /// `d loss / d log p`.
    pub slope: f32,
    /// Whether the clipped branch is the larger, so that nothing is learnt.
    pub is_clipped: bool,
}

/// The clipped loss of `ratio` with its `advantage`.
pub fn clipped(ratio: f32, advantage: f32, clip: Clip) -> Clipped {
    let (free, bound) = (-advantage * ratio, -advantage * ratio.clamp(1.0 - clip.low, 1.0 + clip.high));
    let is_clipped = bound > free;
    Clipped { loss: free.max(bound), slope: if is_clipped { 0.0 } else { free }, is_clipped }
}

/// The loss of a value, which was `old` when the answer was sampled, for a return; with its slope, and whether it was clipped.
pub fn value_loss(value: f32, old: f32, target: f32, clip: f32) -> Clipped {
    let bound = value.clamp(old - clip, old + clip);
    let (free, bounded) = ((value - target).powi(2), (bound - target).powi(2));
    let is_clipped = bounded > free;
    let slope = match (is_clipped, bound == value) {
        (false, _) | (true, true) => value - target,
        (true, false) => 0.0,
    };
    Clipped { loss: 0.5 * free.max(bounded), slope, is_clipped }
}

/// How the losses of tokens make that of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Averaging {
    /// The mean over all tokens of all answers (DAPO, Yu et al. 2025): long answers count more.
    #[default]
    Tokens,
    /// The mean over the tokens of each answer, then over answers (GRPO): each answer counts the same.
    Answers,
    /// The sum over tokens divided by the largest length, then the mean over answers (Dr. GRPO): no favour to length.
    Longest,
}

impl Averaging {
    /// What each token of an answer of `length` tokens counts in a step of so many `answers` and `tokens`, where an answer may
    /// have `most` tokens.
    pub fn weight(self, length: usize, answers: usize, tokens: usize, most: usize) -> f32 {
        let divisor = match self {
            Self::Tokens => tokens,
            Self::Answers => answers * length,
            Self::Longest => answers * most,
        };
        1.0 / divisor.max(1) as f32
    }
}

/// Of what the ratio of new and old probabilities is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RatioLevel {
    /// Of each token.
    #[default]
    Token,
    /// Of the whole answer, the mean over its tokens in the exponent (GSPO, Zheng et al. 2025).
    Sequence,
}

impl RatioLevel {
    /// The losses of the tokens of one answer, of which each has the advantage `advantage`, from the logarithms `differences` of
    /// their ratios.
    pub fn losses(self, differences: &[f32], advantage: f32, clip: Clip) -> Vec<Clipped> {
        match self {
            Self::Token => differences.iter().map(|x| clipped(x.exp(), advantage, clip)).collect(),
            Self::Sequence => {
                let mean = differences.iter().sum::<f32>() / differences.len().max(1) as f32;
                vec![clipped(mean.exp(), advantage, clip); differences.len()]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIP: Clip = Clip { low: 0.2, high: 0.2 };

    fn mean(values: impl Iterator<Item = f32>) -> f32 {
        let values: Vec<f32> = values.collect();
        values.iter().sum::<f32>() / values.len() as f32
    }

    /// The numbers of TRL's PPO for two answers of three and four tokens.
    #[test]
    fn policy_and_value_losses_are_those_of_trl() {
        let advantages =
            [1.121_684_2, 1.037_862_2, 0.934_791_4, -0.549_974_44, -0.417_620_14, -0.901_453_6, -1.225_289_6];
        let differences: [f32; 7] = [0.3, -0.1, 0.05, -0.4, 0.1, 0.25, -0.05];
        let all = differences.iter().zip(advantages).map(|(x, advantage)| clipped(x.exp(), advantage, CLIP));
        let all: Vec<Clipped> = all.collect();
        assert!((mean(all.iter().map(|one| one.loss)) + 0.006_184_959).abs() < 1e-6);
        assert_eq!(all.iter().filter(|one| one.is_clipped).count(), 2);
        // The value after the last token of the first answer counts, too.
        let old = [0.1, 0.2, 0.3, 0.05, 0.0, -0.1, 0.2, 0.4];
        let moved = [0.3, -0.05, 0.1, -0.3, 0.1, 0.25, -0.4, 0.02];
        let returns = [0.870_093_75, 0.910_625, 0.9375, 1.0, -0.415_888_13, -0.421_987_5, -0.465_25, -0.495];
        let losses = (0..8).map(|at| value_loss(old[at] + moved[at], old[at], returns[at], 0.2).loss);
        assert!((mean(losses) - 0.275_122_27).abs() < 1e-6);
    }

    #[test]
    fn slopes_are_those_of_the_losses() {
        let step = 1e-3;
        for (x, advantage) in [(0.1, 1.0), (0.5, 1.0), (0.5, -1.0), (-0.5, 1.0), (-0.5, -2.0)] {
            let at = |x: f32| clipped(x.exp(), advantage, CLIP);
            let finite = (at(x + step).loss - at(x - step).loss) / (2.0 * step);
            assert!((at(x).slope - finite).abs() < 2e-3, "{x} {advantage}: {} {finite}", at(x).slope);
        }
        for (value, target) in [(0.1, 1.0), (0.5, 1.0), (0.5, -1.0), (-0.6, -0.3)] {
            let at = |value: f32| value_loss(value, 0.0, target, 0.2);
            let finite = (at(value + step).loss - at(value - step).loss) / (2.0 * step);
            assert!(
                (at(value).slope - finite).abs() < 2e-3,
                "{value} {target}: {} {finite}",
                at(value).slope
            );
        }
    }

    /// Three answers of two, four and one tokens.
    #[test]
    fn the_variants_of_grpo_are_those_of_trl() {
        let differences: [&[f32]; 3] = [&[0.3, -0.3], &[0.1, 0.5, -0.5, -0.1], &[-0.4]];
        let advantages = [1.0, -0.5, 0.25];
        let loss = |level: RatioLevel, averaging: Averaging, clip: Clip| {
            let of = |(own, advantage): (&&[f32], f32)| {
                let weight = averaging.weight(own.len(), 3, 7, 8);
                level.losses(own, advantage, clip).iter().map(|one| weight * one.loss).sum::<f32>()
            };
            differences.iter().zip(advantages).map(of).sum::<f32>()
        };
        let higher = Clip { low: 0.2, high: 0.28 };
        for (found, expected) in [
            (loss(RatioLevel::Token, Averaging::Answers, CLIP), -0.193_549_3),
            (loss(RatioLevel::Token, Averaging::Tokens, CLIP), 0.017_280_94),
            (loss(RatioLevel::Token, Averaging::Longest, CLIP), 0.005_040_274),
            (loss(RatioLevel::Token, Averaging::Tokens, higher), 0.005_852_367),
            (loss(RatioLevel::Sequence, Averaging::Answers, CLIP), -0.222_526_67),
        ] {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}
