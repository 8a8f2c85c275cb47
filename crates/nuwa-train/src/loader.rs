use nuwa_shards::{Part, Shards};
use nuwa_tensor::Random;

use crate::objectives::Windows;
use crate::{Error, Result};

/// Windows of consecutive tokens, in an order that depends on the seed and the sample's number alone.
///
/// An epoch cuts the tokens into windows of `context` (plus one token, the last target), starting at an offset of its
/// own so that windows differ from epoch to epoch, and visits them in an order of its own. Nothing is stored, so the
/// memory is flat and a resumed run reads what an uninterrupted one would have read.
#[derive(Debug)]
pub struct Loader {
    shards: Shards,
    context: usize,
    windows: u64,
    offsets: u64,
    random: Random,
}

impl Loader {
    /// Over all tokens of `shards`, those of the part to learn from.
    ///
    /// # Errors
    /// When they do not fill one window.
    pub fn new(shards: Shards, context: usize, seed: u64) -> Result<Self> {
        let (tokens, length) = (shards.tokens(), context as u64);
        if tokens < length + 1 {
            return Err(Error::TooShort { part: "training", tokens, needed: length + 1 });
        }
        let windows = ((tokens - 1) / length).saturating_sub(1).max(1);
        let offsets = (tokens - 1 - windows * length + 1).min(length);
        Ok(Self { shards, context, windows, offsets, random: Random::new(seed).named("order") })
    }

    /// Windows an epoch.
    pub fn windows(&self) -> u64 {
        self.windows
    }

    /// Inputs and targets of one window.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Reads sample number `sample`, counted over all epochs: `context + 1` ids.
    ///
    /// # Errors
    /// When the shards cannot be read.
    pub fn read(&self, sample: u64, ids: &mut [u32]) -> Result<()> {
        Ok(self.shards.read(self.start(sample), ids)?)
    }

    /// The number of a sample's first token.
    fn start(&self, sample: u64) -> u64 {
        let (epoch, index) = (sample / self.windows, sample % self.windows);
        let random = self.random.stream(epoch);
        let window = permuted(&random, self.windows, index);
        random.below(0, self.offsets) + window * self.context as u64
    }
}

impl Windows for Loader {
    fn count(&self) -> u64 {
        self.windows
    }

    fn context(&self) -> usize {
        self.context
    }

    fn read(&self, number: u64, ids: &mut [u32]) -> Result<()> {
        Self::read(self, number, ids)
    }

    fn place(&self, number: u64) -> Option<(Part, u64)> {
        Some((Part::Train, self.start(number)))
    }

    fn read_before(&self, number: u64, ids: &mut [u32]) -> Result<bool> {
        read_before(&self.shards, self.start(number), ids)
    }

    fn read_behind(&self, number: u64, ids: &mut [u32]) -> Result<usize> {
        read_behind(&self.shards, self.start(number) + self.context as u64, ids)
    }
}

/// Reads the tokens of `shards` before number `start`; false where there are not so many.
pub fn read_before(shards: &Shards, start: u64, ids: &mut [u32]) -> Result<bool> {
    let Some(first) = start.checked_sub(ids.len() as u64) else { return Ok(false) };
    shards.read(first, ids)?;
    Ok(true)
}

/// Reads the tokens of `shards` from number `start` on, as many as there are; gives how many.
pub fn read_behind(shards: &Shards, start: u64, ids: &mut [u32]) -> Result<usize> {
    let there = shards.tokens().saturating_sub(start).min(ids.len() as u64) as usize;
    if there > 0 {
        shards.read(start, &mut ids[..there])?;
    }
    Ok(there)
}

/// Where `index` goes in a pseudo-random permutation of `0..length`, in constant memory: a four-round Feistel network
/// over the next even number of bits, walked until it lands inside (Black and Rogaway, "Ciphers with Arbitrary Finite
/// Domains", 2002).
fn permuted(random: &Random, length: u64, index: u64) -> u64 {
    let half = (64 - length.max(2).next_power_of_two().leading_zeros() as u64).div_ceil(2);
    let mask = (1_u64 << half) - 1;
    let mut value = index;
    loop {
        let (mut left, mut right) = (value >> half, value & mask);
        for round in 1..=4 {
            let mixed = u64::from(random.words(round << 48 | right)[0]) & mask;
            (left, right) = (right, left ^ mixed);
        }
        value = left << half | right;
        if value < length {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_permutation_visits_each_window_once() {
        for length in [1, 2, 3, 7, 64, 1000] {
            let random = Random::new(length);
            let mut seen: Vec<u64> = (0..length).map(|index| permuted(&random, length, index)).collect();
            seen.sort_unstable();
            assert!(seen.iter().copied().eq(0..length), "length {length}");
        }
        let random = Random::new(1);
        let in_place = (0..1000).filter(|&index| permuted(&random, 1000, index) == index).count();
        assert!(in_place < 20, "{in_place} of 1000 stay where they are");
    }
}
