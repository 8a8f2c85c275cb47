//! Union-find over documents, and the similarity that joins them.

use std::cmp::{Ordering, Reverse};

/// Clusters of documents; the root of each is the document that is kept.
#[derive(Debug)]
pub(super) struct Clusters {
    parents: Vec<u32>,
    /// Empty where the first document is kept.
    lengths: Vec<u32>,
}

impl Clusters {
    /// Each document by itself; with lengths the longest will be kept.
    pub fn new(documents: u32, lengths: Vec<u32>) -> Self {
        Self { parents: (0..documents).collect(), lengths }
    }

    /// The document that is kept of this one's cluster.
    pub fn root(&mut self, mut document: u32) -> u32 {
        while self.parents[document as usize] != document {
            let grandparent = self.parents[self.parents[document as usize] as usize];
            self.parents[document as usize] = grandparent;
            document = grandparent;
        }
        document
    }

    /// Makes two clusters one.
    pub fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.root(one), self.root(other));
        let worth =
            |document: u32| (self.lengths.get(document as usize).copied().unwrap_or(0), Reverse(document));
        let (better, worse) = if worth(one) >= worth(other) { (one, other) } else { (other, one) };
        self.parents[worse as usize] = better;
    }

    /// The document that is kept of each document's cluster.
    pub fn roots(mut self) -> Vec<u32> {
        (0..self.parents.len() as u32).for_each(|document| {
            let root = self.root(document);
            self.parents[document as usize] = root;
        });
        self.parents
    }
}

/// The Jaccard similarity of two sets of sorted hashes, four bytes each: what both have over what either has.
pub(super) fn similarity(one: &[u8], other: &[u8]) -> f64 {
    let hashes = |set: &[u8]| -> Vec<u32> {
        set.chunks_exact(4).map(|hash| u32::from_le_bytes(hash.try_into().expect("four bytes"))).collect()
    };
    let (one, other) = (hashes(one), hashes(other));
    let (mut at, mut against, mut common) = (0, 0, 0);
    while at < one.len() && against < other.len() {
        match one[at].cmp(&other[against]) {
            Ordering::Less => at += 1,
            Ordering::Greater => against += 1,
            Ordering::Equal => {
                common += 1;
                at += 1;
                against += 1;
            }
        }
    }
    common as f64 / (one.len() + other.len() - common).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_one_does_not_depend_on_the_order_of_joins() {
        let pairs = [(0, 3), (3, 4), (1, 2), (4, 5)];
        for lengths in [vec![], vec![5, 9, 9, 7, 8, 8]] {
            let kept = if lengths.is_empty() { [0, 1, 1, 0, 0, 0] } else { [4, 1, 1, 4, 4, 4] };
            for turned in [false, true] {
                let mut clusters = Clusters::new(6, lengths.clone());
                let mut pairs = pairs.to_vec();
                if turned {
                    pairs.reverse();
                }
                pairs.iter().for_each(|&(one, other)| clusters.join(one, other));
                assert_eq!(clusters.roots(), kept);
            }
        }
    }

    #[test]
    fn similarity_is_that_of_the_sets() {
        let set = |hashes: &[u32]| hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect::<Vec<u8>>();
        assert_eq!(similarity(&set(&[1, 2, 300]), &set(&[2, 300, 400])), 0.5);
        assert_eq!(similarity(&set(&[1]), &set(&[2])), 0.0);
        assert_eq!(similarity(&set(&[1, 2]), &set(&[1, 2])), 1.0);
    }
}
