//! How the loss falls with more text.
//!
//! Kaplan et al., "Scaling Laws for Neural Language Models" (2020): the loss is a power law of the number of tokens,
//! `L(D) = L(D0) (D0 / D)^a`. The level `L(D0)` comes from the pilot on the real text. Tokens seen again count less
//! (Muennighoff et al. 2023): `D' = U + U r (1 - e^(-R / r))` for `U` tokens of text repeated `R` more times.

use super::PilotResult;

/// The exponent, fitted to runs of 0.5 to 3 million weights on English and Chinese text; see `docs/log.md`.
const EXPONENT: f64 = 0.075;

/// How far runs were from this law, as a share of the loss (standard deviation).
const SPREAD: f64 = 0.05;

/// Repetitions over which the worth of a repeated token falls to 1/e.
const REPETITION: f64 = 15.0;

/// What n-grams of the text make of the held-back text, by what a small model comes to, and the weight of that beside the pilot's law:
/// from five runs of 20 KB to 4 MB, see `docs/log.md`.
const OF_NGRAMS: f64 = 0.92;
const WEIGHT_OF_NGRAMS: f64 = 2.0 / 3.0;

/// How far these five runs were from both together, as a share of the loss.
const SPREAD_WITH_NGRAMS: f64 = 0.12;

/// The fewest steps of a pilot that say anything about the loss.
const FEWEST_STEPS: u64 = 5;

/// An expected loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// Bits a byte on held-back text.
    pub bits_per_byte: f64,
    /// One standard deviation.
    pub error: f64,
}

/// The loss after `tokens`, of which `text` are different; none where the pilot was too short to tell.
pub fn extrapolate(pilot: &PilotResult, tokens: u64, text: u64) -> Option<Expected> {
    if pilot.steps < FEWEST_STEPS {
        return None;
    }
    let (from, to) = (worth(pilot.tokens, text), worth(tokens, text));
    let bits_per_byte = pilot.bits_per_byte * (from / to).powf(EXPONENT);
    Some(Expected { bits_per_byte, error: bits_per_byte * SPREAD })
}

impl Expected {
    /// The weighted geometric mean with what `ngrams`, in bits a byte, lets expect.
    pub fn with_ngrams(self, ngrams: f64) -> Self {
        let of_ngrams = ngrams * OF_NGRAMS;
        let bits_per_byte =
            self.bits_per_byte.powf(1.0 - WEIGHT_OF_NGRAMS) * of_ngrams.powf(WEIGHT_OF_NGRAMS);
        Self { bits_per_byte, error: bits_per_byte * SPREAD_WITH_NGRAMS }
    }
}

/// How many new tokens `tokens` are worth when there are `text` different ones.
fn worth(tokens: u64, text: u64) -> f64 {
    let (tokens, text) = (tokens.max(1) as f64, text.max(1) as f64);
    if tokens <= text {
        return tokens;
    }
    let repetitions = tokens / text - 1.0;
    text + text * REPETITION * (1.0 - (-repetitions / REPETITION).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_tokens_are_worth_less_and_less() {
        assert_eq!(worth(500, 1000), 500.0);
        assert!((worth(4000, 1000) - 4000.0).abs() < 400.0);
        assert!(worth(1_000_000, 1000) < 16_001.0);
    }

    #[test]
    fn ngrams_that_know_the_text_lower_what_is_expected() {
        let expected = Expected { bits_per_byte: 2.0, error: 0.1 };
        let with = |ngrams| expected.with_ngrams(ngrams).bits_per_byte;
        assert!((with(2.0 / OF_NGRAMS) - 2.0).abs() < 1e-12);
        assert!(with(1.0) < 1.3 && with(1.0) > 0.92, "{}", with(1.0));
    }

    #[test]
    fn ten_times_the_tokens_lower_the_loss_by_a_sixth() {
        let pilot = PilotResult {
            steps: 100,
            tokens: 100_000,
            seconds: 10.0,
            tokens_per_second: 1e4,
            loss: 5.0,
            bits_per_byte: 2.8,
            held_back: Vec::new(),
        };
        let expected = extrapolate(&pilot, 1_000_000, 10_000_000).unwrap();
        assert!((expected.bits_per_byte / 2.8 - 0.841).abs() < 0.002, "{expected:?}");
        assert!(extrapolate(&PilotResult { steps: 3, ..pilot }, 1_000_000, 10_000_000).is_none());
    }
}
