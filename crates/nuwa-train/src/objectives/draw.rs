use nuwa_tensor::Random;

/// Random numbers one after the other.
pub(super) struct Draw {
    random: Random,
    next: u64,
}

impl Draw {
    /// Those of a stream, from its first on.
    pub fn new(random: Random) -> Self {
        Self { random, next: 0 }
    }

    pub fn uniform(&mut self) -> f64 {
        self.next += 1;
        self.random.uniform(self.next)
    }

    pub fn chance(&mut self, share: f64) -> bool {
        self.uniform() < share
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.next += 1;
        self.random.below(self.next, limit as u64) as usize
    }

    pub fn shuffled<T>(&mut self, mut items: Vec<T>) -> Vec<T> {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
        items
    }

    /// `total` as the sum of `parts` whole numbers of at least 1, each such sum as likely as another.
    ///
    /// # Panics
    /// When there are more parts than the total, or none.
    pub fn partition(&mut self, total: usize, parts: usize) -> Vec<usize> {
        assert!((1..=total).contains(&parts), "{total} in {parts} parts");
        let ends: Vec<bool> = (1..total).map(|place| place < parts).collect();
        let mut lengths = vec![1];
        for ends_here in self.shuffled(ends) {
            match lengths.last_mut() {
                Some(length) if !ends_here => *length += 1,
                _ => lengths.push(1),
            }
        }
        lengths
    }

    /// A number of the Poisson distribution (Knuth, "The Art of Computer Programming", volume 2): how many uniform numbers can be
    /// multiplied until the product is at most `e^-mean`.
    pub fn poisson(&mut self, mean: f64) -> usize {
        let (limit, mut product, mut count) = ((-mean).exp(), self.uniform(), 0);
        while product > limit {
            product *= self.uniform();
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sum_of_parts_is_as_likely_as_another() {
        let mut draw = Draw::new(Random::new(1));
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..6000 {
            *counts.entry(draw.partition(5, 3)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6, "5 is the sum of three parts in six ways: {counts:?}");
        assert!(counts.iter().all(|(parts, count)| parts.iter().sum::<usize>() == 5
            && (850..1150).contains(count)), "{counts:?}");
        assert_eq!(draw.partition(4, 1), [4]);
        assert_eq!(draw.partition(3, 3), [1, 1, 1]);
    }

    #[test]
    fn poisson_numbers_come_as_often_as_they_should() {
        let mut draw = Draw::new(Random::new(2));
        let mut counts = [0.0; 12];
        for _ in 0..50_000 {
            counts[draw.poisson(3.0).min(11)] += 1.0 / 50_000.0;
        }
        let mut expected = (-3.0_f64).exp();
        for (number, share) in counts.iter().enumerate().take(10) {
            assert!((share - expected).abs() < 0.01, "{number}: {share} {expected}");
            expected *= 3.0 / (number + 1) as f64;
        }
    }
}
