//! A model as a picture and a table show it: which parts it has, one upon the other, with their matrices, weights and operations.
//!
//! All of it follows from the names and shapes of the parameters, and so is there for every family.

mod read;

use read::{Reader, is_norm};

use crate::ModelConfig;

/// The parts of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// What comes before the blocks.
    pub first: Vec<OutlinePiece>,
    /// The blocks; of an encoder-decoder first those of the encoder.
    pub stacks: Vec<OutlineStack>,
    /// What comes after them; the head too, where it is the embedding and has no weights of its own.
    pub last: Vec<OutlinePiece>,
    /// Positions that a pass may have.
    pub context: usize,
    /// Features of a row between the parts.
    pub width: usize,
    /// Token ids, each of which gets a logit.
    pub vocabulary: usize,
}

/// Blocks one upon the other: block `i` is `blocks[pattern[i % pattern.len()]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct OutlineStack {
    /// `encoder` or `decoder`; empty where there is one stack alone.
    pub name: String,
    /// How many there are.
    pub layers: usize,
    /// The kinds of them.
    pub blocks: Vec<OutlineBlock>,
    /// The shortest pattern that they follow.
    pub pattern: Vec<usize>,
}

/// A kind of blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct OutlineBlock {
    /// Which layers are of this kind, from 0.
    pub layers: Vec<usize>,
    /// What one of them is made of.
    pub pieces: Vec<OutlinePiece>,
}

/// A part of a model or of a block.
#[derive(Debug, Clone, PartialEq)]
pub struct OutlinePiece {
    /// The name of it in the paths of its parameters.
    pub name: String,
    /// What its parameters do not tell: `lstm`, `8 heads, 2 kv heads`; empty where there is nothing to be said.
    pub about: String,
    /// Its matrices: each with its name and axes, and how many are alike.
    pub matrices: Vec<(String, Vec<usize>, usize)>,
    /// All weights of it.
    pub parameters: usize,
    /// Floating-point operations for one token on its way forward, two for each weight of a matrix that it meets. Of attention with
    /// those of the scores, for as many keys as tokens of a whole context have on average.
    pub operations: f64,
}

impl Outline {
    /// That of a model with this configuration, which has been validated.
    pub fn of(config: &ModelConfig) -> Self {
        Reader::new(config).read()
    }

    /// All pieces, each with how often the model has it.
    pub fn pieces(&self) -> impl Iterator<Item = (&OutlinePiece, usize)> {
        let blocks = self.stacks.iter().flat_map(|stack| &stack.blocks);
        let inner = blocks.flat_map(|block| block.pieces.iter().map(|piece| (piece, block.layers.len())));
        self.first.iter().chain(&self.last).map(|piece| (piece, 1)).chain(inner)
    }

    /// All weights.
    pub fn parameters(&self) -> usize {
        self.pieces().map(|(piece, times)| times * piece.parameters).sum()
    }

    /// All operations for one token.
    pub fn operations(&self) -> f64 {
        self.pieces().map(|(piece, times)| times as f64 * piece.operations).sum()
    }
}

impl OutlinePiece {
    /// Whether it does nothing but normalise.
    pub fn is_norm(&self) -> bool {
        is_norm(&self.name)
    }
}

impl OutlineStack {
    /// The pattern with neighbours that are alike put together: the kind of block, and how many follow each other.
    pub fn runs(&self) -> Vec<(&OutlineBlock, usize)> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for &kind in &self.pattern {
            match runs.last_mut() {
                Some((last, count)) if *last == kind => *count += 1,
                _ => runs.push((kind, 1)),
            }
        }
        // A pattern of one kind is that kind as often as there are layers.
        match runs[..] {
            [(kind, _)] => vec![(&self.blocks[kind], self.layers)],
            _ => runs.into_iter().map(|(kind, count)| (&self.blocks[kind], count)).collect(),
        }
    }
}
