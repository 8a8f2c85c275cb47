//! A linear classifier of texts: learnt from examples, small, fast, and the same from the same examples.
//!
//! Logistic regression over hashed n-grams, as fastText does it without the embedding (Joulin et al. 2017,
//! <https://arxiv.org/abs/1607.01759>): words, pairs of words, and sequences of four letters within words, so that
//! inflected and disguised forms count too; in scripts without blanks, characters and pairs of them. With it FineWeb-Edu
//! and DCLM choose pages worth learning from, and others leave out what is toxic. [`train`] makes one and says by cross
//! validation what it is worth; [`Classifier`] applies it.
//!
//! Form is left out (`form`): heads of posts and mails, links, names with an @, ids, times, tags, quotation marks and the layout.
//! A text is judged by the mean of pieces of like length, in training as in use, so its length does not count either.
//! What it cannot do: tell what words mean. A text that speaks of abuse, or quotes it, has the words of abuse; abuse in words
//! that no example has is not found; where all positive examples are of one place, its topics and its tone count as well.

mod examples;
mod features;
mod file;
mod form;
mod measure;
mod train;

pub use examples::{Examples, read_examples};
pub use measure::{CrossValidation, Rates};
pub use train::{TrainSettings, train};

use features::Features;
use form::content;

use crate::cut_near;

/// Bytes of a piece of text that is judged by itself.
const PIECE: usize = 1000;

/// What was learnt.
#[derive(Debug, Clone, PartialEq)]
pub struct Classifier {
    /// A weight for each place of the hash table; their number is a power of two.
    weights: Vec<f32>,
    bias: f32,
    /// What makes a probability of the weighted sum: 1 / (1 + exp(-(slope x sum + offset))).
    slope: f32,
    offset: f32,
    threshold: f32,
    judges: Judges,
}

/// What of a text the weights were learnt from; files of an earlier version learnt from all of it at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judges {
    AsWritten,
    PiecesOfContent,
}

/// Pieces of like length.
fn pieces(content: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = content;
    while rest.len() > PIECE {
        let size = rest.len().div_ceil(rest.len().div_ceil(PIECE));
        let (piece, behind) = rest.split_at(cut_near(rest, size, size / 8).max(1));
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

impl Classifier {
    /// How probable it is that the text is of the kind of the positive examples, 0 to 1.
    ///
    /// Calibrated on examples that were held out in training, so it holds for their mixture of positives and negatives.
    pub fn probability(&self, text: &str) -> f32 {
        self.calibrated(match self.judges {
            Judges::AsWritten => self.sum(&Features::of(text, self.bits())),
            Judges::PiecesOfContent => self.mean(&content(text)),
        })
    }

    /// The probability from which on a text is best taken for positive: about the greatest F0.5 on held-out
    /// examples.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// The mean of the sums of the pieces of a text without its form.
    fn mean(&self, content: &str) -> f32 {
        let pieces = pieces(content);
        let sums = pieces.iter().map(|piece| self.sum(&Features::of(piece, self.bits())));
        sums.sum::<f32>() / pieces.len() as f32
    }

    fn bits(&self) -> u32 {
        self.weights.len().trailing_zeros()
    }

    fn sum(&self, features: &Features) -> f32 {
        self.bias
            + features.all.iter().map(|(place, value)| self.weights[*place as usize] * value).sum::<f32>()
    }

    fn calibrated(&self, sum: f32) -> f32 {
        sigmoid(self.slope * sum + self.offset)
    }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_of_like_length() {
        let sizes = |length: usize| {
            pieces(&"clay ".repeat(length / 5)).iter().map(|piece| piece.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(400), [400]);
        assert_eq!(pieces(""), [""]);
        for length in [1005, 1500, 2400, 9990] {
            let sizes = sizes(length);
            assert_eq!(sizes.iter().sum::<usize>(), length);
            assert!(sizes.iter().all(|size| (400..=PIECE).contains(size)), "{sizes:?}");
        }
        assert_eq!(pieces(&"陶".repeat(1000)).concat().chars().count(), 1000);
    }
}
