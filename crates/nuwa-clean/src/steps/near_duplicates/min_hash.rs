//! Shingles and their MinHash signatures.

use nuwa_text::{mix, words};

/// The different shingles of `text` as sorted hashes; none where there is no word.
pub(super) fn shingles(text: &str, shingle_words: usize) -> Vec<u32> {
    let words = words(text);
    let runs = words.windows(shingle_words.min(words.len()).max(1));
    let hash = |run: &[nuwa_text::Word]| run.iter().fold(0, |hash, word| mix(hash, word.hash));
    let mut hashes: Vec<u32> = runs.map(hash).map(|hash| (hash >> 32) as u32 ^ hash as u32).collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

/// A family of hash functions: each mixes the shingle's hash with two constants of its own.
#[derive(Debug)]
pub(super) struct Hashers {
    rows: usize,
    masks: Vec<u32>,
    multipliers: Vec<u32>,
}

impl Hashers {
    /// As many functions as there are rows in all bands.
    pub fn new(bands: usize, rows: usize) -> Self {
        let count = (bands * rows) as u64;
        let constant = |kind: u64| (1..=count).map(move |at| mix(mix(kind, at), at) >> 16);
        Self {
            rows,
            masks: constant(1).map(|value| value as u32).collect(),
            multipliers: constant(2).map(|value| value as u32 | 1).collect(),
        }
    }

    /// A hash of each band of the signature; none for a document without shingles, which is like no other.
    pub fn bands(&self, shingles: &[u32]) -> Vec<u64> {
        if shingles.is_empty() {
            return Vec::new();
        }
        let signature = self.signature(shingles);
        let bands = signature.chunks_exact(self.rows).zip(0..);
        bands.map(|(rows, band)| rows.iter().fold(band, |hash, value| mix(hash, u64::from(*value)))).collect()
    }

    /// The smallest value of each function over all shingles.
    fn signature(&self, shingles: &[u32]) -> Vec<u32> {
        let mut smallest = vec![u32::MAX; self.masks.len()];
        for hash in shingles {
            for ((least, mask), multiplier) in smallest.iter_mut().zip(&self.masks).zip(&self.multipliers) {
                let value = (hash ^ mask).wrapping_mul(*multiplier);
                *least = (value ^ (value >> 15)).min(*least);
            }
        }
        smallest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_signatures_estimate_the_similarity() {
        let hashers = Hashers::new(1000, 1);
        let [one, other] = [0..1000u32, 250..1250].map(|numbers| {
            hashers.signature(&numbers.map(|number| mix(7, number.into()) as u32).collect::<Vec<_>>())
        });
        let equal = one.iter().zip(&other).filter(|(one, other)| one == other).count() as f64 / 1000.0;
        // Four standard errors of sqrt(0.6 x 0.4 / 1000).
        assert!((equal - 0.6).abs() < 0.062, "{equal}");
    }

    #[test]
    fn shingles_know_neither_case_nor_order_of_places() {
        assert_eq!(shingles("One two, three four five SIX.", 5), shingles("one two three four five six", 5));
        assert_eq!(shingles("床前明月光，疑是地上霜", 5).len(), 6);
        assert_eq!(shingles("a b", 5).len(), 1);
        assert!(shingles("?!", 5).is_empty());
    }
}
