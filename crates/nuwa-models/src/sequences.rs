//! Sequence to sequence (Sutskever et al. 2014): what an encoder reads, and what a decoder is to write.

use crate::{Batch, Targets, Text};

/// A text and what is to be written for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SequencePair {
    /// What the encoder reads, with its end.
    pub source: Vec<u32>,
    /// What the decoder is to write; all of it counts in the loss. The decoder reads it one place later, behind the start.
    pub answer: Vec<u32>,
}

impl SequencePair {
    /// Positions that it takes in the encoder and in the decoder.
    pub fn positions(&self) -> usize {
        self.source.len() + self.answer.len()
    }
}

impl Batch {
    /// Pairs one after the other, without padding: the encoder reads all sources, the decoder each answer behind `start`, and every
    /// token of an answer is predicted from its source and the tokens before it. Each of them counts `weight`.
    pub fn of_pairs<'a>(pairs: impl IntoIterator<Item = &'a SequencePair>, start: u32, weight: f32) -> Self {
        let pairs: Vec<&SequencePair> = pairs.into_iter().collect();
        let source = Text::packed_whole(pairs.iter().map(|pair| pair.source.as_slice()));
        let read: Vec<Vec<u32>> = pairs.iter().map(|pair| shifted(&pair.answer, start)).collect();
        let answer = Text::packed(read.iter().map(Vec::as_slice));
        let ids: Vec<u32> = pairs.iter().flat_map(|pair| &pair.answer).copied().collect();
        let weights = vec![weight; ids.len()];
        Self { source, answer: Some(answer), targets: Targets { rows: None, ids, weights }, classes: None }
    }
}

/// What a decoder reads while it is to write `answer`: the same one place later, behind the start.
fn shifted(answer: &[u32], start: u32) -> Vec<u32> {
    std::iter::once(start).chain(answer.iter().copied()).take(answer.len()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_stand_one_after_the_other() {
        let pairs = [
            SequencePair { source: vec![1, 2, 0], answer: vec![3, 0] },
            SequencePair { source: vec![4, 0], answer: vec![5, 6, 7, 0] },
        ];
        let batch = Batch::of_pairs(&pairs, 8, 0.25);
        assert_eq!((pairs[1].positions(), batch.source.ids), (6, vec![1, 2, 0, 4, 0]));
        assert_eq!(&*batch.source.positions, [0, 1, 2, 0, 1]);
        let answer = batch.answer.unwrap();
        assert_eq!((answer.ids, &*answer.positions), (vec![8, 3, 8, 5, 6, 7], &[0, 1, 0, 1, 2, 3][..]));
        assert_eq!(batch.targets.ids, [3, 0, 5, 6, 7, 0]);
        assert_eq!(batch.targets.weights, [0.25; 6]);
    }
}
