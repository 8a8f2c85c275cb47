use nuwa_text::mix;

/// A Bloom filter with one hash: says at little cost, and in little memory, that most hashes are not among those put in. Of
/// the others it lets one in 16 or fewer through, more where its size was limited.
#[derive(Debug)]
pub(super) struct BloomFilter {
    bits: Vec<u64>,
    shift: u32,
}

impl BloomFilter {
    /// For so many hashes, 16 bits or more each.
    pub fn new(count: usize) -> Self {
        Self::of_words((count / 4).next_power_of_two())
    }

    /// For so many hashes, in at most so many bytes.
    pub fn within(count: usize, bytes: usize) -> Self {
        let most = bytes / size_of::<u64>();
        let words = (count / 4).next_power_of_two();
        Self::of_words(if words > most { most.next_power_of_two() / 2 } else { words })
    }

    fn of_words(words: usize) -> Self {
        let words = words.max(1);
        Self { bits: vec![0; words], shift: 64 - words.trailing_zeros() - 6 }
    }

    fn place(&self, hash: u64) -> (usize, u64) {
        let bit = (mix(hash, 1) >> self.shift) as usize;
        (bit / 64, 1 << (bit % 64))
    }

    pub fn insert(&mut self, hash: u64) {
        let (word, bit) = self.place(hash);
        self.bits[word] |= bit;
    }

    pub fn may_contain(&self, hash: u64) -> bool {
        let (word, bit) = self.place(hash);
        self.bits[word] & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_and_most_else_is_not() {
        let hash = |number: u64| mix(7, number);
        for (mut filter, false_alarms) in
            [(BloomFilter::new(1000), 70), (BloomFilter::within(1000, 600), 400)]
        {
            (0..1000).for_each(|number| filter.insert(hash(number)));
            assert!((0..1000).all(|number| filter.may_contain(hash(number))));
            let wrong = (1000..2000).filter(|number| filter.may_contain(hash(*number))).count();
            assert!(wrong <= false_alarms, "{wrong}");
        }
        assert_eq!(BloomFilter::within(1 << 20, 600).bits.len(), 64);
    }
}
