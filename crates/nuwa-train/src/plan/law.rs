//! How good a model will be, from what was measured before its training.
//!
//! Two small models see the text first: n-grams, which learn fast and hold what they were shown, and a pilot of the network itself. With
//! `g` bits a byte of the held-out text by the n-grams and `p` by the pilot, `ln b = (1 - w) ln g + w ln p - a` is expected.
//! A network of `N` weights is compared with n-grams of `k N` tokens: more text than that is more than it holds. The constants are
//! fitted to runs on texts of many kinds; how far other texts were from them is in `docs/benchmarks.md`.

use super::PilotResult;
use super::ngram::SelfPrediction;

/// `k`: tokens whose n-grams a weight is worth.
const TOKENS_PER_PARAMETER: f64 = 3.5;

/// `w`: the weight of the pilot.
const OF_PILOT: f64 = 0.19;

/// `a`: a trained network is better than both by this factor, as a logarithm.
const BETTER: f64 = 0.147;

/// Tokens of training by those of the pilot, in the runs that the constants are from, and the power of the tokens with which a pilot's
/// bits fall: a pilot that was shorter or longer by comparison is put on the same footing.
const USUAL_LENGTH: f64 = 26.0;
const FALLS: f64 = 0.1;

/// From this power of its tokens on, a pilot's bits fall faster than those of usual text: a text of few patterns, such as records or
/// tables, which a network comes to know better than n-grams. What is expected is lower by the excess (a logarithm), from one such
/// text, the embedded world; half of it counts as uncertain.
const FALLS_FAST: f64 = 0.2;

/// How far runs were from this law, as a share (standard deviation), and what is added to its square for each token of the held-out
/// text: the fewer there are, the less they tell.
const SPREAD: f64 = 0.07;
const SPREAD_OF_TOKEN: f64 = 10.0;

/// An expected loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// Bits a byte on held-out text.
    pub bits_per_byte: f64,
    /// One standard deviation.
    pub error: f64,
}

/// What training is about to do.
#[derive(Debug, Clone, Copy)]
pub struct Ahead {
    /// Weights of the model.
    pub parameters: u64,
    /// Tokens that it will be trained on, repetitions included.
    pub tokens: u64,
    /// Different ones.
    pub text: u64,
    /// Tokens of the held-out text.
    pub held_out: u64,
}

/// What is to be expected of the held-out text; none where the pilot was not measured on it.
pub fn expected(pilot: &PilotResult, ngrams: &SelfPrediction, ahead: Ahead) -> Option<Expected> {
    let (tokens, bits) = *pilot.held_out.last()?;
    let length = ahead.tokens.max(1) as f64 / tokens.max(1) as f64;
    let of_pilot = bits * (USUAL_LENGTH / length).powf(FALLS);
    let holds = (ahead.parameters as f64 * TOKENS_PER_PARAMETER) as u64;
    let of_ngrams = ngrams.after(holds.min(ahead.text).min(ahead.tokens));
    let excess = (falling(&pilot.held_out) - FALLS_FAST).max(0.0);
    let better = (-BETTER - excess).exp();
    let bits_per_byte = of_ngrams.powf(1.0 - OF_PILOT) * of_pilot.powf(OF_PILOT) * better;
    let of_little = SPREAD_OF_TOKEN / ahead.held_out.max(1) as f64;
    let spread = (SPREAD.powi(2) + of_little + (excess / 2.0).powi(2)).sqrt();
    Some(Expected { bits_per_byte, error: bits_per_byte * spread })
}

/// The power of the tokens with which bits fell between the last two measurements.
fn falling(measured: &[(u64, f64)]) -> f64 {
    let [.., (fewer, higher), (more, bits)] = *measured else { return 0.0 };
    let longer = more as f64 / fewer.max(1) as f64;
    if longer > 1.0 { (higher / bits).ln() / longer.ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pilot() -> PilotResult {
        PilotResult {
            steps: 100,
            tokens: 100_000,
            seconds: 10.0,
            tokens_per_second: 1e4,
            held_out: vec![(50_000, 3.2), (100_000, 3.0)],
            noise_scale: None,
        }
    }

    const AHEAD: Ahead = Ahead { parameters: 100_000, tokens: 2_600_000, text: 1_000_000, held_out: 50_000 };

    fn bits(points: &[(u64, f64)], ahead: Ahead) -> f64 {
        let ngrams = SelfPrediction { points: points.to_vec() };
        expected(&pilot(), &ngrams, ahead).unwrap().bits_per_byte
    }

    #[test]
    fn it_lies_below_the_mean_of_both() {
        let points = [(100_000, 2.5), ((1e5 * TOKENS_PER_PARAMETER) as u64, 2.0)];
        let mean = 2.0_f64.powf(1.0 - OF_PILOT) * 3.0_f64.powf(OF_PILOT);
        assert!((bits(&points, AHEAD) - mean * (-BETTER).exp()).abs() < 1e-9);
    }

    #[test]
    fn text_that_a_small_model_cannot_hold_does_not_help_it() {
        let points = [(100_000, 3.0), (400_000, 2.0)];
        let larger = Ahead { parameters: 400_000, ..AHEAD };
        assert!(bits(&points, larger) < 0.8 * bits(&points, AHEAD));
        let little = Ahead { text: (1e5 * TOKENS_PER_PARAMETER) as u64, ..larger };
        assert!((bits(&points, little) - bits(&points, AHEAD)).abs() < 1e-9);
    }

    #[test]
    fn little_held_out_text_makes_it_less_certain() {
        let error = |held_out| {
            let ngrams = SelfPrediction { points: vec![(1000, 2.0)] };
            expected(&pilot(), &ngrams, Ahead { held_out, ..AHEAD }).unwrap().error
        };
        assert!(error(500) > 1.5 * error(100_000));
    }

    #[test]
    fn a_pilot_that_falls_fast_promises_more_and_is_less_certain() {
        let after = |before| {
            let pilot = PilotResult { held_out: vec![(50_000, before), (100_000, 3.0)], ..pilot() };
            expected(&pilot, &SelfPrediction { points: vec![(1000, 2.0)] }, AHEAD).unwrap()
        };
        let [usual, fast] = [3.3, 4.5].map(after);
        assert_eq!(usual.bits_per_byte, after(3.1).bits_per_byte);
        assert!(fast.bits_per_byte < 0.8 * usual.bits_per_byte, "{fast:?} {usual:?}");
        assert!(fast.error / fast.bits_per_byte > 1.5 * usual.error / usual.bits_per_byte);
    }

    #[test]
    fn without_held_out_text_nothing_is_expected() {
        let untold = PilotResult { held_out: Vec::new(), ..pilot() };
        assert!(expected(&untold, &SelfPrediction { points: vec![(1000, 2.0)] }, AHEAD).is_none());
    }
}
