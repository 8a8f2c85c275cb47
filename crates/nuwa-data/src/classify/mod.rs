//! A linear classifier of texts: learnt from examples, small, fast, and the same from the same examples.
//!
//! Logistic regression over hashed n-grams, as fastText does it without the embedding (Joulin et al. 2017,
//! <https://arxiv.org/abs/1607.01759>): words, pairs of words, and sequences of four letters within words, so that
//! inflected and disguised forms count too; in scripts without blanks, characters and pairs of them. With it FineWeb-Edu
//! and DCLM choose pages worth learning from, and others leave out what is toxic. [`train`] makes one and says by cross
//! validation what it is worth; [`Classifier`] applies it.

mod examples;
mod features;
mod file;
mod measure;
mod train;

pub use examples::{Examples, read_examples};
pub use measure::{CrossValidation, Rates};
pub use train::{TrainSettings, train};

use features::Features;

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
}

impl Classifier {
    /// How probable it is that the text is of the kind of the positive examples, 0 to 1.
    ///
    /// Calibrated on examples that were held out in training, so it holds for their mixture of positives and negatives.
    pub fn probability(&self, text: &str) -> f32 {
        self.calibrated(self.sum(&Features::of(text, self.bits())))
    }

    /// The probability from which on a text is best taken for positive: the greatest F0.5 on held-out examples.
    pub fn threshold(&self) -> f32 {
        self.threshold
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
