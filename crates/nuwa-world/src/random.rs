/// A stream of numbers that follows from a seed and a name: SplitMix64 (Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream `name` under `seed`.
    pub fn new(seed: u64, name: &str) -> Self {
        Self { state: xxhash_rust::xxh3::xxh3_64_with_seed(name.as_bytes(), seed) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A whole number from 0 to below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.next()) * limit as u128) >> 64) as usize
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        (self.next() >> 11) as f64 / ((1_u64 << 53) as f64) < probability
    }

    /// One of `items`, which are not empty.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Another order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// `count` different ones of `items`, or all of them where there are fewer.
    pub fn several<T: Clone>(&mut self, items: &[T], count: usize) -> Vec<T> {
        let mut all = items.to_vec();
        self.shuffle(&mut all);
        all.truncate(count);
        all
    }

    /// An index by weights that are not all 0.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = (self.next() >> 11) as f64 / ((1_u64 << 53) as f64) * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0)
    }
}

/// Whether one in `share` of the things named so is held out of everything that is trained on.
pub fn held_out(seed: u64, name: &str, share: u64) -> bool {
    xxhash_rust::xxh3::xxh3_64_with_seed(name.as_bytes(), seed ^ 0x6865_6c64).is_multiple_of(share)
}
