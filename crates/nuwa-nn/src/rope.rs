//! Rotary frequencies, plain or stretched for contexts longer than those first trained on, by the formulas of transformers'
//! `modeling_rope_utils`.
//!
//! A head of `d` features turns its pair `i` by `p theta^(-2 i / d)` at position `p` (Su et al., "RoFormer", 2021). A scaling
//! changes these frequencies; YaRN makes the scores sharper too.

use std::f64::consts::TAU;

use nuwa_tensor::RotaryTable;

/// The rotary settings of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// Base of the frequencies.
    pub theta: f64,
    /// How frequencies are stretched.
    pub scaling: RopeScaling,
}

/// How frequencies are stretched for long contexts.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// All wavelengths become longer alike (Chen et al., "Extending Context Window of Large Language Models via Positional
    /// Interpolation", 2023).
    Linear {
        /// How much longer.
        factor: f64,
    },
    /// Wavelengths become longer beyond the context that the configuration names, which no text here is.
    Dynamic {
        /// How much longer.
        factor: f64,
    },
    /// Short wavelengths stay, long ones are stretched, and scores grow (Peng et al., "YaRN", 2023).
    Yarn(Yarn),
    /// Short wavelengths stay, long ones are stretched, as in Llama 3.1.
    Llama3(Llama3),
}

/// YaRN's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Yarn {
    /// How much longer wavelengths become.
    pub factor: f64,
    /// The context first trained on.
    pub original: usize,
    /// Pairs that turn more often than this within that context stay as they are.
    pub beta_fast: f64,
    /// Pairs that turn less often than this are stretched whole.
    pub beta_slow: f64,
    /// Whether the bounds between the two are rounded to whole pairs.
    pub truncate: bool,
    /// What cosines and sines are multiplied by; follows from `factor` where it is none.
    pub attention_factor: Option<f64>,
    /// What the logarithm of `factor` weighs in that, and in what it is divided by; where both are given and not 0.
    pub mscale: [Option<f64>; 2],
}

/// Llama 3.1's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Llama3 {
    /// How much longer wavelengths become.
    pub factor: f64,
    /// Wavelengths above the old context divided by this are stretched whole.
    pub low_freq_factor: f64,
    /// Wavelengths below the old context divided by this stay.
    pub high_freq_factor: f64,
    /// The context first trained on.
    pub original: usize,
}

impl Rope {
    /// Without scaling.
    pub fn plain(theta: f64) -> Self {
        Self { theta, scaling: RopeScaling::None }
    }

    /// The frequencies of a head's pairs, in radians a position.
    pub fn frequencies(&self, head_dim: usize) -> Vec<f64> {
        let plain = RotaryTable::frequencies(self.theta, head_dim);
        match &self.scaling {
            RopeScaling::None | RopeScaling::Dynamic { .. } => plain,
            RopeScaling::Linear { factor } => plain.into_iter().map(|frequency| frequency / factor).collect(),
            RopeScaling::Yarn(yarn) => yarn.stretch(&plain, self.theta),
            RopeScaling::Llama3(scaling) => {
                plain.into_iter().map(|frequency| scaling.stretch(frequency)).collect()
            }
        }
    }

    /// Cosines and sines of `positions` positions.
    pub fn table(&self, head_dim: usize, positions: usize) -> RotaryTable {
        let table = RotaryTable::new(&self.frequencies(head_dim), positions);
        match &self.scaling {
            RopeScaling::Yarn(yarn) => table.scaled(yarn.sharpening()),
            _ => table,
        }
    }
}

impl Yarn {
    /// `1 / frequency` becomes `factor` times as long as far as its pair turns seldom.
    fn stretch(&self, plain: &[f64], theta: f64) -> Vec<f64> {
        let [low, high] = self.bounds(2 * plain.len(), theta);
        let stretched = |(pair, frequency): (usize, &f64)| {
            let share = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
            share * frequency / self.factor + (1.0 - share) * frequency
        };
        plain.iter().enumerate().map(stretched).collect()
    }

    /// The pairs between which it goes over from keeping to stretching.
    fn bounds(&self, head_dim: usize, theta: f64) -> [f64; 2] {
        let pair_that_turns =
            |turns: f64| head_dim as f64 * (self.original as f64 / (turns * TAU)).ln() / (2.0 * theta.ln());
        let (mut low, mut high) = (pair_that_turns(self.beta_fast), pair_that_turns(self.beta_slow));
        if self.truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        let (low, high) = (low.max(0.0), high.min(head_dim as f64 - 1.0));
        [low, if low == high { high + 1e-3 } else { high }]
    }

    /// What cosines and sines are multiplied by.
    fn sharpening(&self) -> f64 {
        let grown =
            |weight: f64| if self.factor <= 1.0 { 1.0 } else { 0.1 * weight * self.factor.ln() + 1.0 };
        match (self.attention_factor, self.mscale) {
            (Some(factor), _) => factor,
            (None, [Some(above), Some(below)]) if above != 0.0 && below != 0.0 => grown(above) / grown(below),
            _ => grown(1.0),
        }
    }
}

impl Llama3 {
    /// Those between short and long are blended.
    fn stretch(&self, frequency: f64) -> f64 {
        let turns = self.original as f64 * frequency / TAU;
        let share = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor);
        let kept = share.clamp(0.0, 1.0);
        kept * frequency + (1.0 - kept) * frequency / self.factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YARN: Yarn = Yarn {
        factor: 4.0,
        original: 64,
        beta_fast: 32.0,
        beta_slow: 1.0,
        truncate: true,
        attention_factor: None,
        mscale: [None; 2],
    };

    #[test]
    fn every_scaling_of_one_factor_changes_nothing() {
        let of = |scaling| Rope { theta: 10_000.0, scaling }.frequencies(16);
        let plain = of(RopeScaling::None);
        let llama3 = Llama3 { factor: 1.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original: 64 };
        for scaling in [
            RopeScaling::Linear { factor: 1.0 },
            RopeScaling::Dynamic { factor: 1.0 },
            RopeScaling::Yarn(Yarn { factor: 1.0, ..YARN }),
            RopeScaling::Llama3(llama3),
        ] {
            let off = of(scaling).iter().zip(&plain).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < 1e-15);
        }
        assert_eq!(Yarn { factor: 1.0, ..YARN }.sharpening(), 1.0);
    }

    #[test]
    fn yarn_keeps_what_turns_often_and_stretches_what_turns_seldom() {
        let plain = RotaryTable::frequencies(10_000.0, 16);
        let stretched = Rope { theta: 10_000.0, scaling: RopeScaling::Yarn(YARN) }.frequencies(16);
        assert_eq!(stretched[0], plain[0]);
        assert!((stretched[7] - plain[7] / 4.0).abs() < 1e-12);
        assert!(plain[1] / 4.0 < stretched[1] && stretched[1] < plain[1]);
    }

    #[test]
    fn the_factor_of_scores_is_given_or_follows() {
        assert!((YARN.sharpening() - (0.1 * 4_f64.ln() + 1.0)).abs() < 1e-15);
        assert_eq!(Yarn { attention_factor: Some(1.5), ..YARN }.sharpening(), 1.5);
        assert_eq!(Yarn { mscale: [Some(0.7), Some(0.7)], ..YARN }.sharpening(), 1.0);
        assert_eq!(Yarn { mscale: [Some(0.7), None], ..YARN }.sharpening(), YARN.sharpening());
    }
}
