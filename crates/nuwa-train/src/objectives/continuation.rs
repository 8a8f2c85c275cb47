//! Continuation: an encoder-decoder learns from plain text, without pairs, to go on with a beginning.
//!
//! Each text is cut at a random place in its middle half: the encoder reads what stands before, closed by the end of a text, and the
//! decoder writes what follows. So both halves of the model learn the language, and the decoder learns to read the encoder; what
//! a source asks for is taught afterwards, by pairs. T5 tried the same as "prefix language modelling" (Raffel et al. 2020, 3.3.1).

use std::ops::Range;

use nuwa_models::{Batch, Losses, SequencePair};
use nuwa_tensor::Random;

use super::draw::Draw;
use super::sequences::{SequenceTokens, batch, figures};
use super::{Objective, Windows, read};
use crate::{Figures, Result};

/// Writes the rest of a text from its beginning.
#[derive(Debug, Clone)]
pub struct Continuation {
    tokens: SequenceTokens,
    random: Random,
}

/// The fewest tokens of a text.
const SHORTEST: usize = 8;

impl Continuation {
    /// The objective of a run with `seed`.
    pub fn new(tokens: SequenceTokens, seed: u64) -> Self {
        Self { tokens, random: Random::new(seed).named("continuation") }
    }

    /// Text `number`.
    fn example(&self, windows: &dyn Windows, number: u64) -> Result<SequencePair> {
        let mut draw = Draw::new(self.random.stream(number));
        let mut source = read(windows, number, windows.context())?;
        let answer = source.split_off(source.len() / 4 + draw.below(source.len() / 2));
        if source.last() != Some(&self.tokens.end) {
            source.push(self.tokens.end);
        }
        Ok(SequencePair { source, answer })
    }
}

impl Objective for Continuation {
    fn batch(&self, windows: &dyn Windows, numbers: Range<u64>, passes: usize) -> Result<Batch> {
        batch(windows, SHORTEST, self.tokens, passes, numbers.map(|number| self.example(windows, number)))
    }

    fn shortest(&self) -> usize {
        SHORTEST
    }

    fn predicts_every_token(&self) -> bool {
        false
    }

    fn figures(&self, losses: &[Losses]) -> Figures {
        figures(losses)
    }

    fn settings(&self) -> Option<serde_json::Value> {
        Some(serde_json::json!(["continuation", self.tokens.start, self.tokens.end]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::sequences::counted::{Counted, END, TOKENS, pairs};
    use super::*;

    #[test]
    fn a_text_is_cut_in_its_middle_half_and_nothing_is_lost() {
        let objective = Continuation::new(TOKENS, 3);
        let batch = objective.batch(&Counted(32), 0..200, 1).unwrap();
        let mut cuts = vec![0; 32];
        for (number, SequencePair { source, answer }) in pairs(&batch).into_iter().enumerate() {
            let window = read(&Counted(32), number as u64, 32).unwrap();
            let cut = window.len() - answer.len();
            assert_eq!(answer, window[cut..]);
            assert_eq!(&source[..cut], &window[..cut]);
            assert!(source[cut..].iter().all(|id| *id == END) && source.len() <= cut + 1);
            cuts[cut] += 1;
        }
        assert!(cuts[8..24].iter().all(|count| *count > 2), "every place is taken: {cuts:?}");
        assert_eq!(cuts.iter().sum::<i32>(), cuts[8..24].iter().sum::<i32>(), "and no other: {cuts:?}");
        assert!((batch.targets.weights.iter().sum::<f32>() - 1.0).abs() < 1e-3);
    }

    #[test]
    fn a_batch_follows_from_seed_and_number() {
        let objective = Continuation::new(TOKENS, 3);
        let whole = pairs(&objective.batch(&Counted(32), 4..8, 1).unwrap());
        assert_eq!(whole[2..], pairs(&objective.batch(&Counted(32), 6..8, 1).unwrap()));
        let other = Continuation::new(TOKENS, 4).batch(&Counted(32), 4..8, 1).unwrap();
        assert_ne!(whole, pairs(&other));
        assert!(objective.batch(&Counted(7), 0..1, 1).is_err(), "too short a window");
    }
}
