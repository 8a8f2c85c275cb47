//! How well the text predicts itself: the held-out text under an n-gram model of the training text.
//!
//! Interpolated n-grams (Witten and Bell, "The Zero-Frequency Problem", 1991): with `n(c)` tokens seen after the context `c`, of
//! which `d(c)` were different ones, `p(w | c) = (n(c, w) + d(c) p(w | c')) / (n(c) + d(c))`, where `c'` is `c` without its
//! first token, down to `1 / vocabulary`. It learns in a second what a small network learns in minutes, so it tells texts that
//! repeat themselves from those that do not.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use nuwa_shards::Shards;

use crate::Result;

/// Tokens of context at most.
const ORDER: usize = 5;

/// Tokens that are looked at: of the training text, whose counts take about 100 bytes each for a moment, and of the held-out text.
const MOST_TRAIN: u64 = 400_000;
const MOST_HELD_OUT: u64 = 20_000;

/// The steepest power law that is followed beyond what was looked at.
const STEEPEST: f64 = 0.5;

/// Bits a byte of the held-out text, after more and more training text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SelfPrediction {
    /// Tokens learnt from, and bits a byte then; the last has the most tokens.
    pub points: Vec<(u64, f64)>,
}

impl SelfPrediction {
    /// Learns from at most `tokens` of `train` in steps of four; none where there is nothing to measure on.
    pub fn measure(
        train: &Shards,
        held_out: &Shards,
        vocabulary: usize,
        tokens: u64,
    ) -> Result<Option<Self>> {
        let bits = held_out.tokens() as f64 / held_out.bytes().max(1) as f64 / std::f64::consts::LN_2;
        let held_out = tokens_of(held_out, MOST_HELD_OUT)?;
        let train = tokens_of(train, tokens.min(MOST_TRAIN))?;
        if held_out.is_empty() || train.is_empty() {
            return Ok(None);
        }
        let mut model = NGram::new(vocabulary);
        let (mut points, mut learnt) = (Vec::new(), 0);
        for part in [16, 4, 1] {
            let end = train.len() / part;
            if end > learnt {
                model.learn(&train, learnt, end);
                learnt = end;
                points.push((end as u64, bits * model.loss(&held_out)));
            }
        }
        Ok(Some(Self { points }))
    }

    /// Bits a byte after `tokens`: along the power law between the points around it, and along that of the last two beyond them.
    pub fn after(&self, tokens: u64) -> f64 {
        let [.., last] = self.points[..] else { return f64::NAN };
        let beyond = tokens > last.0;
        let around =
            self.points.windows(2).find(|pair| tokens <= pair[1].0).or(self.points.windows(2).last());
        let Some([(fewer, higher), (most, bits)]) =
            around.and_then(|pair| <[(u64, f64); 2]>::try_from(pair).ok())
        else {
            return last.1;
        };
        let exponent = (higher / bits).ln() / (most as f64 / fewer as f64).ln();
        let exponent = if beyond { exponent.clamp(0.0, STEEPEST) } else { exponent };
        bits * (most as f64 / tokens.max(1) as f64).powf(exponent)
    }
}

/// Tokens in pieces spread over all of `shards`. Those at the beginning are spread as evenly as all of them: texts of one kind often
/// stand together, and what is learnt first must not be of one kind.
fn tokens_of(shards: &Shards, most: u64) -> Result<Vec<u32>> {
    const PIECE: u64 = 2000;
    let all = shards.tokens();
    let pieces = most.min(all).div_ceil(PIECE).max(1);
    let length = (most.min(all) / pieces) as usize;
    let mut ids = vec![0; length * pieces as usize];
    let mut order: Vec<u64> = (0..pieces).collect();
    order.sort_by_key(|piece| piece.reverse_bits());
    for (piece, ids) in order.into_iter().zip(ids.chunks_exact_mut(length.max(1))) {
        let start = (all - length as u64) * piece / (pieces - 1).max(1);
        shards.read(start, ids)?;
    }
    Ok(ids)
}

/// Keys are hashes already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers")
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

type Table<V> = HashMap<u64, V, BuildHasherDefault<AsIs>>;

struct NGram {
    /// For contexts of each length: tokens seen after them, and different ones.
    contexts: Table<[u32; 2]>,
    /// How often a token was seen after a context.
    pairs: Table<u32>,
    vocabulary: usize,
}

impl NGram {
    fn new(vocabulary: usize) -> Self {
        Self { contexts: Table::default(), pairs: Table::default(), vocabulary }
    }

    /// Learns the tokens from `start` to `end`.
    fn learn(&mut self, ids: &[u32], start: usize, end: usize) {
        for at in start..end {
            for length in 0..=ORDER.min(at) {
                let context = key(&ids[at - length..at], length as u32);
                let seen = self.pairs.entry(join(context, ids[at])).or_default();
                *seen += 1;
                let is_new = *seen == 1;
                let [all, different] = self.contexts.entry(context).or_default();
                *all += 1;
                *different += u32::from(is_new);
            }
        }
    }

    /// The mean negative log-likelihood in nats a token.
    fn loss(&self, ids: &[u32]) -> f64 {
        let of = |at: usize| -self.probability(&ids[at.saturating_sub(ORDER)..at], ids[at]).ln();
        (0..ids.len()).map(of).sum::<f64>() / ids.len() as f64
    }

    fn probability(&self, context: &[u32], id: u32) -> f64 {
        let mut probability = 1.0 / self.vocabulary.max(1) as f64;
        for length in 0..=context.len() {
            let context = key(&context[context.len() - length..], length as u32);
            // A context that was never seen says nothing, and neither do longer ones.
            let Some([all, different]) = self.contexts.get(&context) else { break };
            let seen = self.pairs.get(&join(context, id)).copied().unwrap_or(0);
            let [seen, all, different] = [seen, *all, *different].map(f64::from);
            probability = (seen + different * probability) / (all + different);
        }
        probability
    }
}

fn key(context: &[u32], length: u32) -> u64 {
    context.iter().fold(join(0x9e37_79b9_7f4a_7c15, length), |key, &id| join(key, id))
}

/// A step of a multiplicative hash with the shifts of SplitMix64.
fn join(key: u64, id: u32) -> u64 {
    let mixed = (key ^ u64::from(id)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_add_up_to_one() {
        let mut model = NGram::new(7);
        let ids: Vec<u32> = (0..200).map(|at| (at * at + at / 3) % 7).collect();
        model.learn(&ids, 0, ids.len());
        for context in [&[][..], &[1], &[3, 1], &[2, 5, 1, 0, 4], &[6, 6, 6]] {
            let sum: f64 = (0..7).map(|id| model.probability(context, id)).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{context:?}: {sum}");
        }
    }

    #[test]
    fn what_repeats_itself_is_predicted_and_noise_is_not() {
        let learnt = |ids: &[u32]| {
            let mut model = NGram::new(16);
            model.learn(ids, 0, ids.len() / 2);
            model.loss(&ids[ids.len() / 2..])
        };
        let cycle: Vec<u32> = (0..2000).map(|at| at % 16).collect();
        let noise: Vec<u32> = (0..2000).map(|at| (join(1, at) % 16) as u32).collect();
        assert!(learnt(&cycle) < 0.1, "{}", learnt(&cycle));
        assert!(learnt(&noise) > 0.95 * 16_f64.ln(), "{}", learnt(&noise));
    }

    #[test]
    fn between_and_beyond_the_points_is_a_power_law() {
        let prediction = SelfPrediction { points: vec![(25, 8.0), (100, 4.0), (400, 2.0)] };
        for (tokens, bits) in [(25, 8.0), (50, 32_f64.sqrt()), (100, 4.0), (400, 2.0), (1600, 1.0)] {
            assert!((prediction.after(tokens) - bits).abs() < 1e-9, "{tokens}: {}", prediction.after(tokens));
        }
        let falling_fast = SelfPrediction { points: vec![(100, 4.0), (400, 0.5)] };
        assert!((falling_fast.after(1600) - 0.25).abs() < 1e-9, "{}", falling_fast.after(1600));
        assert_eq!(SelfPrediction { points: vec![(100, 4.0)] }.after(1000), 4.0);
    }
}
