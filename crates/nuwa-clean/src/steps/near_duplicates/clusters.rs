//! Union-find over documents, and the similarity that joins them.

use std::cmp::{Ordering, Reverse};
use std::path::Path;

use crate::Result;
use crate::spill::{Numbers, numbers_of};

/// Clusters of documents; the root of each is the document that is kept. On disk, 4 bytes a document.
#[derive(Debug)]
pub(super) struct Clusters {
    parents: Numbers,
    /// Absent where the first document is kept.
    lengths: Option<Numbers>,
}

impl Clusters {
    /// Each document by itself; with lengths the longest will be kept.
    pub fn new(folder: &Path, documents: u32, lengths: Option<Numbers>) -> Result<Self> {
        let mut parents = Numbers::create(folder, "parents")?;
        (0..documents).try_for_each(|document| parents.push(document))?;
        Ok(Self { parents, lengths })
    }

    /// The document that is kept of this one's cluster.
    pub fn root(&mut self, mut document: u32) -> Result<u32> {
        loop {
            let parent = self.parents.get(document)?;
            if parent == document {
                return Ok(document);
            }
            let grandparent = self.parents.get(parent)?;
            if grandparent != parent {
                self.parents.set(document, grandparent)?;
            }
            document = grandparent;
        }
    }

    /// Makes two clusters one.
    pub fn join(&mut self, one: u32, other: u32) -> Result<()> {
        let (one, other) = (self.root(one)?, self.root(other)?);
        let is_better = self.worth(one)? >= self.worth(other)?;
        let (better, worse) = if is_better { (one, other) } else { (other, one) };
        self.parents.set(worse, better)
    }

    fn worth(&mut self, document: u32) -> Result<(u32, Reverse<u32>)> {
        let length = self.lengths.as_mut().map(|lengths| lengths.get(document)).transpose()?;
        Ok((length.unwrap_or(0), Reverse(document)))
    }
}

/// The Jaccard similarity of two sets of sorted hashes, four bytes each: what both have over what either has.
pub(super) fn similarity(one: &[u8], other: &[u8]) -> f64 {
    let [one, other] = [one, other].map(|set| numbers_of(set).collect::<Vec<_>>());
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
    use crate::spill::bytes_of;

    #[test]
    fn the_kept_one_does_not_depend_on_the_order_of_joins() {
        let pairs = [(0, 3), (3, 4), (1, 2), (4, 5)];
        let folder = tempfile::tempdir().unwrap();
        for (lengths, kept) in [(None, [0, 1, 1, 0, 0, 0]), (Some([5, 9, 9, 7, 8, 8]), [4, 1, 1, 4, 4, 4])] {
            for turned in [false, true] {
                let lengths = lengths.map(|lengths| {
                    let mut numbers = Numbers::create(folder.path(), "lengths").unwrap();
                    lengths.iter().for_each(|length| numbers.push(*length).unwrap());
                    numbers
                });
                let mut clusters = Clusters::new(folder.path(), 6, lengths).unwrap();
                let mut pairs = pairs.to_vec();
                if turned {
                    pairs.reverse();
                }
                pairs.iter().for_each(|&(one, other)| clusters.join(one, other).unwrap());
                assert_eq!([0, 1, 2, 3, 4, 5].map(|document| clusters.root(document).unwrap()), kept);
            }
        }
    }

    #[test]
    fn similarity_is_that_of_the_sets() {
        assert_eq!(similarity(&bytes_of(&[1, 2, 300]), &bytes_of(&[2, 300, 400])), 0.5);
        assert_eq!(similarity(&bytes_of(&[1]), &bytes_of(&[2])), 0.0);
        assert_eq!(similarity(&bytes_of(&[1, 2]), &bytes_of(&[1, 2])), 1.0);
    }
}
