//! Log-probabilities of answers, from the losses of their tokens.

use nuwa_train::Trainer;

use crate::pack::{Example, groups};
use crate::tune::packed;

/// How the log-probability of an answer is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// The sum over its tokens.
    Whole,
    /// Their mean.
    ByToken,
}

impl Measure {
    pub(crate) fn new(by_token: bool) -> Self {
        if by_token { Self::ByToken } else { Self::Whole }
    }

    /// What the sum over an answer's tokens is divided by.
    pub(crate) fn length(self, answer: &Example) -> f32 {
        match self {
            Self::Whole => 1.0,
            Self::ByToken => answer.trained_tokens() as f32,
        }
    }

    /// The log-probabilities of `answers`, one after the other, from the losses of all their tokens.
    pub(crate) fn of(self, answers: &[&Example], losses: &[f32]) -> Vec<f32> {
        let mut rest = losses;
        let mut next = |answer: &&Example| {
            let (own, others) = rest.split_at(answer.trained_tokens());
            rest = others;
            -own.iter().sum::<f32>() / self.length(answer)
        };
        answers.iter().map(&mut next).collect()
    }

    /// The log-probabilities by `trainer`'s model as it is now; the answers of a unit go through it together, and as many units
    /// at a time as make up `micro_batch`.
    pub(crate) fn ask(
        self,
        trainer: &mut Trainer,
        units: &[&[Example]],
        micro_batch: usize,
    ) -> nuwa_train::Result<Vec<f32>> {
        let sizes: Vec<usize> = units.iter().map(|unit| positions(unit)).collect();
        let mut found = Vec::new();
        for group in groups(0..units.len(), &sizes, micro_batch) {
            let answers: Vec<&Example> = group.iter().flat_map(|&index| units[index]).collect();
            let losses = trainer.losses(&packed(answers.iter().copied(), 1.0))?;
            found.extend(self.of(&answers, &losses));
        }
        Ok(found)
    }
}

/// Positions of the model that answers take together.
pub(crate) fn positions(answers: &[Example]) -> usize {
    answers.iter().map(Example::positions).sum()
}
