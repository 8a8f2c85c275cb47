/// Bits of a word.
const BITS: usize = u64::BITS as usize;

/// A set of ids below the size of a vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenMask {
    words: Vec<u64>,
    size: usize,
}

impl TokenMask {
    /// No id of `size`.
    pub fn none(size: usize) -> Self {
        Self { words: vec![0; size.div_ceil(BITS)], size }
    }

    /// How many ids there are, in the set or not.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Takes all ids out.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Takes an id in; one that is beyond the vocabulary is left out.
    pub fn insert(&mut self, id: u32) {
        if (id as usize) < self.size {
            self.words[id as usize / BITS] |= 1 << (id as usize % BITS);
        }
    }

    /// Takes all ids of another set in.
    pub fn insert_all(&mut self, other: &Self) {
        for (own, other) in self.words.iter_mut().zip(&other.words) {
            *own |= other;
        }
    }

    /// Whether an id is in the set.
    pub fn contains(&self, id: u32) -> bool {
        self.words.get(id as usize / BITS).is_some_and(|word| word >> (id as usize % BITS) & 1 == 1)
    }

    /// Whether there is none in the set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_taken_in_and_out() {
        let mut mask = TokenMask::none(70);
        assert!(mask.is_empty() && !mask.contains(69) && !mask.contains(1000));
        mask.insert(69);
        mask.insert(70);
        assert!(mask.contains(69) && !mask.contains(70) && !mask.contains(68));
        let mut other = TokenMask::none(70);
        other.insert(3);
        other.insert_all(&mask);
        assert!(other.contains(3) && other.contains(69));
        mask.clear();
        assert!(mask.is_empty());
    }
}
