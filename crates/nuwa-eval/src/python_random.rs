//! Python's generator of random numbers, so that what other programs draw with a seed can be drawn here too.
//!
//! `random.Random(seed)` is the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), seeded by `init_by_array`; `sample` and
//! `random` are those of CPython's `Lib/random.py`.

use std::collections::HashSet;

/// Numbers of the state.
const STATE: usize = 624;
/// How far apart the numbers are that a new one is mixed from.
const APART: usize = 397;

/// `random.Random(seed)`.
#[derive(Clone)]
pub struct PythonRandom {
    state: [u32; STATE],
    next: usize,
}

impl PythonRandom {
    /// The generator that Python has after `random.seed(seed)`.
    pub fn new(seed: u32) -> Self {
        let mut generator = Self { state: started(19_650_218), next: STATE };
        generator.mix_in(seed);
        generator
    }

    /// Python's `init_by_array` with a key of one word.
    fn mix_in(&mut self, key: u32) {
        let state = &mut self.state;
        let mut at = 1;
        let advance = |state: &mut [u32; STATE], at: &mut usize| {
            *at += 1;
            if *at == STATE {
                state[0] = state[STATE - 1];
                *at = 1;
            }
        };
        let folded = |previous: u32| previous ^ (previous >> 30);
        for _ in 0..STATE {
            state[at] = (state[at] ^ folded(state[at - 1]).wrapping_mul(1_664_525)).wrapping_add(key);
            advance(state, &mut at);
        }
        for _ in 1..STATE {
            let mixed = state[at] ^ folded(state[at - 1]).wrapping_mul(1_566_083_941);
            state[at] = mixed.wrapping_sub(at as u32);
            advance(state, &mut at);
        }
        state[0] = 1 << 31;
    }

    /// 32 random bits.
    fn bits(&mut self) -> u32 {
        if self.next == STATE {
            self.renew();
        }
        let mut bits = self.state[self.next];
        self.next += 1;
        bits ^= bits >> 11;
        bits ^= (bits << 7) & 0x9d2c_5680;
        bits ^= (bits << 15) & 0xefc6_0000;
        bits ^ (bits >> 18)
    }

    fn renew(&mut self) {
        for at in 0..STATE {
            let joined = (self.state[at] & 0x8000_0000) | (self.state[(at + 1) % STATE] & 0x7fff_ffff);
            let twisted = (joined >> 1) ^ if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[at] = self.state[(at + APART) % STATE] ^ twisted;
        }
        self.next = 0;
    }

    /// A number below `end`, which is at least 1: as many bits as `end` has, drawn until they are small enough.
    fn below(&mut self, end: usize) -> usize {
        // No list in memory has more items.
        let end = u32::try_from(end).unwrap_or(u32::MAX);
        let shift = end.leading_zeros();
        loop {
            let bits = self.bits() >> shift;
            if bits < end {
                return bits as usize;
            }
        }
    }

    /// `random.sample(range(population), count)`: that many different numbers below `population`, in the order drawn; all of
    /// them where there are no more.
    pub fn sample(&mut self, population: usize, count: usize) -> Vec<usize> {
        let count = count.min(population);
        match population <= room_of_a_set(count) {
            true => self.sample_of_list(population, count),
            false => self.sample_of_set(population, count),
        }
    }

    /// The last that is left takes the place of the one that was drawn.
    fn sample_of_list(&mut self, population: usize, count: usize) -> Vec<usize> {
        let mut pool: Vec<usize> = (0..population).collect();
        let draw = |taken| {
            let left = population - taken;
            let chosen = self.below(left);
            let drawn = pool[chosen];
            pool[chosen] = pool[left - 1];
            drawn
        };
        (0..count).map(draw).collect()
    }

    /// What was drawn already is drawn anew.
    fn sample_of_set(&mut self, population: usize, count: usize) -> Vec<usize> {
        let mut seen = HashSet::new();
        let mut drawn = Vec::with_capacity(count);
        while drawn.len() < count {
            let chosen = self.below(population);
            if seen.insert(chosen) {
                drawn.push(chosen);
            }
        }
        drawn
    }
}

/// The state after `init_genrand(seed)`.
fn started(seed: u32) -> [u32; STATE] {
    let mut state = [seed; STATE];
    for at in 1..STATE {
        let folded = state[at - 1] ^ (state[at - 1] >> 30);
        state[at] = folded.wrapping_mul(1_812_433_253).wrapping_add(at as u32);
    }
    state
}

/// CPython draws from a list where that is no longer than this: 21, and for more than five the power of four above three times
/// as many.
fn room_of_a_set(count: usize) -> usize {
    let mut table = 1;
    while table < 3 * count {
        table *= 4;
    }
    if count > 5 { 21 + table } else { 21 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed by CPython 3.11: `random.Random(1234).sample(range(n), k)`.
    #[test]
    fn samples_are_those_of_python() {
        let of = |population, count| PythonRandom::new(1234).sample(population, count);
        let arc = [
            902, 239, 15, 185, 71, 171, 201, 726, 484, 35, 63, 32, 708, 991, 949, 304, 186, 374, 234, 29,
            1030, 996, 511, 132, 1108,
        ];
        assert_eq!(of(1119, 25), arc);
        assert_eq!(of(39_905, 10), [28883, 7657, 490, 5940, 38156, 2288, 5500, 6450, 23241, 15519]);
    }

    #[test]
    fn the_state_runs_on_from_sample_to_sample() {
        let mut generator = PythonRandom::new(1234);
        assert_eq!(generator.sample(5, 5), [3, 0, 4, 2, 1]);
        assert_eq!(generator.sample(5, 5), [0, 4, 1, 3, 2]);
        assert_eq!(generator.sample(5, 5), [0, 4, 1, 2, 3]);
    }

    #[test]
    fn more_than_there_are_is_all_there_are() {
        let mut all = PythonRandom::new(7).sample(3, 9);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
        assert_eq!(PythonRandom::new(7).sample(0, 2), Vec::<usize>::new());
    }
}
