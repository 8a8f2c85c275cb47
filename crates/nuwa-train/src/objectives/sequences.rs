//! What objectives of an encoder-decoder have in common.

use nuwa_models::{Batch, Losses, SequencePair};

use super::Windows;
use super::measured::Mean;
use crate::{Error, Figures, Result};

/// The tokens that all of them need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceTokens {
    /// What the decoder reads first, before the first token of an answer.
    pub start: u32,
    /// Ends a text, and a document.
    pub end: u32,
}

/// The examples one after the other. Every token of their answers counts alike: its loss is a mean divided by `passes`.
///
/// # Errors
/// When an example cannot be made, or windows have less than `shortest` tokens.
pub(super) fn batch(
    windows: &dyn Windows,
    shortest: usize,
    tokens: SequenceTokens,
    passes: usize,
    examples: impl Iterator<Item = Result<SequencePair>>,
) -> Result<Batch> {
    if windows.context() < shortest {
        let (found, needed) = (windows.context() as u64, shortest as u64);
        return Err(Error::TooShort { part: "training", tokens: found, needed });
    }
    let examples = examples.collect::<Result<Vec<_>>>()?;
    let predicted: usize = examples.iter().map(|example| example.answer.len()).sum();
    Ok(Batch::of_pairs(&examples, tokens.start, 1.0 / (predicted * passes) as f32))
}

/// Nats and accuracy of a token of the answer.
pub(super) fn figures(losses: &[Losses]) -> Figures {
    let mean = Mean::of(losses.iter().map(|losses| &losses.tokens));
    Figures::from([("target_loss".into(), mean.loss), ("target_accuracy".into(), mean.accuracy)])
}

#[cfg(test)]
pub(super) mod counted {
    use std::ops::Range;

    use super::*;

    pub const END: u32 = 0;
    pub const TOKENS: SequenceTokens = SequenceTokens { start: 201, end: END };

    /// Windows of so many tokens that count up: every fortieth ends a document, those that 5 divides end a sentence.
    pub struct Counted(pub usize);

    impl Windows for Counted {
        fn count(&self) -> u64 {
            1000
        }

        fn context(&self) -> usize {
            self.0
        }

        fn read(&self, number: u64, ids: &mut [u32]) -> Result<()> {
            let token = |at: u64| if at % 40 == 39 { END } else { 1 + (at % 199) as u32 };
            ids.iter_mut().zip(number * self.0 as u64..).for_each(|(id, at)| *id = token(at));
            Ok(())
        }
    }

    /// The pairs that a batch was made of.
    pub fn pairs(batch: &Batch) -> Vec<SequencePair> {
        let answer = batch.answer.as_ref().unwrap();
        let [sources, answers] = [&batch.source, answer].map(|text| documents(text.starts.as_ref().unwrap()));
        assert_eq!(sources.len(), answers.len());
        let pair = |(source, own): (Range<usize>, Range<usize>)| {
            let (read, answer) = (&answer.ids[own.clone()], batch.targets.ids[own].to_vec());
            assert_eq!((read[0], &read[1..]), (TOKENS.start, &answer[..answer.len() - 1]));
            SequencePair { source: batch.source.ids[source].to_vec(), answer }
        };
        sources.into_iter().zip(answers).map(pair).collect()
    }

    fn documents(starts: &[u32]) -> Vec<Range<usize>> {
        let length = |document: &[u32]| document[0] as usize..document[0] as usize + document.len();
        starts.chunk_by(|a, b| a == b).map(length).collect()
    }
}
