//! Philox4x32-10: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011).

use crate::normal;
use crate::parallel::chunks_mut;

/// Pairs of normal numbers that a thread makes at a time.
const NORMAL_PAIRS: usize = 1 << 14;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// A counter-based generator: number `index` of `stream` under `seed` is a pure function of the three.
///
/// Nothing is stored between calls, so a run that resumes at step 1,000 draws the same numbers as one that
/// never stopped, and threads may draw in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Random {
    key: [u32; 2],
    stream: u64,
}

impl Random {
    /// The generator of `seed`, stream 0.
    pub fn new(seed: u64) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], stream: 0 }
    }

    /// An independent stream of the same seed, told apart by a number.
    pub fn stream(self, number: u64) -> Self {
        let mixed = self.words(number ^ 0x6E75_7761_0000_0000);
        Self { key: self.key, stream: u64::from(mixed[0]) << 32 | u64::from(mixed[1]) }
    }

    /// An independent stream of the same seed, told apart by a name (FNV-1a of its bytes).
    pub fn named(self, name: &str) -> Self {
        let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
        self.stream(hash)
    }

    /// Four 32-bit words at `index`.
    #[inline(always)]
    pub fn words(&self, index: u64) -> [u32; 4] {
        let mut counter =
            [index as u32, (index >> 32) as u32, self.stream as u32, (self.stream >> 32) as u32];
        let mut key = self.key;
        for _ in 0..10 {
            let low = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
            let high = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
            counter = [
                (high >> 32) as u32 ^ counter[1] ^ key[0],
                high as u32,
                (low >> 32) as u32 ^ counter[3] ^ key[1],
                low as u32,
            ];
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        counter
    }

    /// A number in `[0, 1)` with 53 random bits.
    pub fn uniform(&self, index: u64) -> f64 {
        let [a, b, ..] = self.words(index);
        let bits = (u64::from(a) << 32 | u64::from(b)) >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }

    /// A whole number in `0..limit`, without bias worth measuring (multiply-shift on 64 bits).
    pub fn below(&self, index: u64, limit: u64) -> u64 {
        let [a, b, ..] = self.words(index);
        let bits = u64::from(a) << 32 | u64::from(b);
        ((u128::from(bits) * u128::from(limit)) >> 64) as u64
    }

    /// [`Random::words`] of neighbouring indices, the first words of all of them first.
    #[inline(always)]
    pub(crate) fn words_from<const N: usize>(&self, first: u64) -> [[u32; N]; 4] {
        let index = |lane: usize| first.wrapping_add(lane as u64);
        let mut counters = [
            std::array::from_fn(|lane| index(lane) as u32),
            std::array::from_fn(|lane| (index(lane) >> 32) as u32),
            [self.stream as u32; N],
            [(self.stream >> 32) as u32; N],
        ];
        let mut key = self.key;
        for _ in 0..10 {
            let low: [u64; N] = counters[0].map(|word| u64::from(MULTIPLIERS[0]) * u64::from(word));
            let high: [u64; N] = counters[2].map(|word| u64::from(MULTIPLIERS[1]) * u64::from(word));
            counters = [
                std::array::from_fn(|lane| (high[lane] >> 32) as u32 ^ counters[1][lane] ^ key[0]),
                high.map(|product| product as u32),
                std::array::from_fn(|lane| (low[lane] >> 32) as u32 ^ counters[3][lane] ^ key[1]),
                low.map(|product| product as u32),
            ];
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        counters
    }

    /// Fills `values` with a normal distribution of the given standard deviation, side by side.
    pub fn fill_normal(&self, values: &mut [f32], deviation: f32) {
        chunks_mut(values, 2, NORMAL_PAIRS, |first, values| {
            normal::fill(values, *self, first as u64, deviation);
        });
    }

    /// A permutation of `0..length` (Fisher and Yates).
    pub fn permutation(&self, length: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..length).collect();
        for last in (1..length).rev() {
            order.swap(last, self.below(last as u64, last as u64 + 1) as usize);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_equal_the_published_vectors() {
        let zero = Random { key: [0, 0], stream: 0 };
        assert_eq!(zero.words(0), [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]);
        let ones = Random { key: [!0, !0], stream: !0 };
        assert_eq!(ones.words(!0), [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]);
        let random = Random::new(9).named("a");
        let beside = random.words_from::<5>(u64::from(u32::MAX) - 2);
        for lane in 0..5 {
            let alone = random.words(u64::from(u32::MAX) - 2 + lane as u64);
            assert_eq!(beside.map(|words| words[lane]), alone);
        }
    }

    #[test]
    fn normal_numbers_have_the_asked_moments() {
        let mut values = vec![0.0; 100_001];
        Random::new(7).named("weights").fill_normal(&mut values, 0.5);
        let count = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let variance = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / count;
        assert!(mean.abs() < 0.01, "mean {mean}");
        assert!((variance.sqrt() - 0.5).abs() < 0.01, "deviation {}", variance.sqrt());
    }

    #[test]
    fn a_permutation_holds_each_index_once() {
        let mut order = Random::new(3).permutation(1000);
        assert_ne!(order[..5], [0, 1, 2, 3, 4]);
        order.sort_unstable();
        assert!(order.iter().copied().eq(0..1000));
    }
}
