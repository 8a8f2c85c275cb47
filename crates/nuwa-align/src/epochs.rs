//! How often records are seen, and how many at a time, where that is left open: few records are seen often, in small steps.

use serde::{Deserialize, Serialize};

/// Steps an epoch should have at least, so that records are not all seen at one time.
const STEPS_AN_EPOCH: usize = 8;
/// Steps that a model needs to learn what is new to it.
const ENOUGH_STEPS: usize = 400;
/// Epochs that are chosen: records that are seen more often teach nothing more.
const EPOCHS: [u64; 2] = [2, 60];
/// Tokens a step that are chosen: of few records, and of so many that they make enough steps all the same.
const BATCH: [usize; 3] = [32, 1024, 4096];

/// How often, and how many at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epochs {
    /// How often each record is seen.
    pub epochs: u64,
    /// Tokens a step.
    pub batch_tokens: usize,
}

impl Epochs {
    /// What was said, and for the rest what fits records of so many tokens in all.
    pub fn of(epochs: Option<u64>, batch_tokens: Option<usize>, tokens: usize) -> Self {
        let most = (tokens * EPOCHS[0] as usize / ENOUGH_STEPS).clamp(BATCH[1], BATCH[2]);
        let batch_tokens = batch_tokens.unwrap_or((tokens / STEPS_AN_EPOCH).clamp(BATCH[0], most));
        let steps = tokens.div_ceil(batch_tokens).max(1);
        let enough = ENOUGH_STEPS.div_ceil(steps) as u64;
        Self { epochs: epochs.unwrap_or(enough.clamp(EPOCHS[0], EPOCHS[1])), batch_tokens }
    }
}

/// Steps that a preference needs to show.
const ENOUGH_PAIR_STEPS: usize = 80;
/// Epochs of pairs that are chosen: seen more often, they pull the model away from everything else.
const PAIR_EPOCHS: [u64; 2] = [1, 10];
/// Pairs a step that are chosen.
const PAIRS_A_STEP: [usize; 2] = [1, 16];

/// How often pairs are seen, and how many at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairEpochs {
    /// How often each pair is seen.
    pub epochs: u64,
    /// Pairs a step, or single answers.
    pub batch_pairs: usize,
}

impl PairEpochs {
    /// What was said, and for the rest what fits so many pairs.
    pub fn of(epochs: Option<u64>, batch_pairs: Option<usize>, pairs: usize) -> Self {
        let [least, most] = PAIRS_A_STEP;
        let batch_pairs = batch_pairs.unwrap_or((pairs / STEPS_AN_EPOCH).clamp(least, most));
        let enough = ENOUGH_PAIR_STEPS.div_ceil(pairs.div_ceil(batch_pairs).max(1)) as u64;
        Self { epochs: epochs.unwrap_or(enough.clamp(PAIR_EPOCHS[0], PAIR_EPOCHS[1])), batch_pairs }
    }

    /// The same for so many single answers, of which two count as a pair.
    pub fn of_answers(epochs: Option<u64>, batch: Option<usize>, answers: usize) -> Self {
        let as_pairs = Self::of(epochs, None, answers.div_ceil(2));
        Self::of(
            epochs.or(batch.is_none().then_some(as_pairs.epochs)),
            batch.or(Some(2 * as_pairs.batch_pairs)),
            answers,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_records_are_seen_often_and_many_seldom() {
        let chosen = |tokens| {
            let Epochs { epochs, batch_tokens } = Epochs::of(None, None, tokens);
            (epochs, batch_tokens)
        };
        assert_eq!(chosen(326), (45, 40));
        assert_eq!(chosen(20), (60, 32));
        assert_eq!(chosen(3200), (50, 400));
        assert_eq!(chosen(30_720), (14, 1024));
        assert_eq!(chosen(360_000), (2, 1800));
        assert_eq!(chosen(10_000_000), (2, 4096));
    }

    #[test]
    fn few_pairs_are_seen_often_and_many_once() {
        let chosen = |pairs| {
            let PairEpochs { epochs, batch_pairs } = PairEpochs::of(None, None, pairs);
            (epochs, batch_pairs)
        };
        assert_eq!(chosen(2), (10, 1));
        assert_eq!(chosen(12), (7, 1));
        assert_eq!(chosen(100), (9, 12));
        assert_eq!(chosen(400), (4, 16));
        assert_eq!(chosen(1520), (1, 16));
        assert_eq!(PairEpochs::of(Some(3), Some(4), 12), PairEpochs { epochs: 3, batch_pairs: 4 });
        assert_eq!(PairEpochs::of_answers(None, None, 24), PairEpochs { epochs: 7, batch_pairs: 2 });
        assert_eq!(PairEpochs::of_answers(None, None, 3040), PairEpochs { epochs: 1, batch_pairs: 32 });
        assert_eq!(PairEpochs::of_answers(Some(3), Some(4), 12), PairEpochs { epochs: 3, batch_pairs: 4 });
    }

    #[test]
    fn what_was_said_is_kept() {
        assert_eq!(Epochs::of(Some(3), None, 240), Epochs { epochs: 3, batch_tokens: 32 });
        assert_eq!(Epochs::of(None, Some(1000), 240), Epochs { epochs: 60, batch_tokens: 1000 });
    }
}
