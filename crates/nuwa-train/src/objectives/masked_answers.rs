//! Answers of which most tokens are hidden: sequence to sequence of a model that fills in masks (UniLM: Dong et al. 2019, 3.1 and
//! the fine-tuning of its authors' code).
//!
//! A text is `[CLS] source [SEP] answer [SEP]`. Tokens of the source see all of it, those of the answer the source and what stands
//! before them. 70 % of the tokens of the answer, its end among them, are chosen at random, at least one; 80 % of those are replaced
//! by `[MASK]`, 10 % by any token, 10 % stay, and all are to be predicted.

use nuwa_models::unilm::Task;
use nuwa_models::{Batch, SequencePair, Targets};
use nuwa_tensor::Random;

use super::MaskedTokens;
use super::draw::Draw;
use super::masked::replacement;

/// Hides tokens of answers.
#[derive(Debug, Clone)]
pub struct MaskedAnswers {
    tokens: MaskedTokens,
    random: Random,
}

/// Share of an answer's tokens that are to be predicted.
const SHARE: f64 = 0.7;

impl MaskedAnswers {
    /// That of a run with `seed`.
    pub fn new(tokens: MaskedTokens, seed: u64) -> Self {
        Self { tokens, random: Random::new(seed).named("masked answers") }
    }

    /// How many tokens of a pair's answer are to be predicted.
    pub fn hidden(pair: &SequencePair) -> usize {
        ((SHARE * pair.answer.len() as f64).round() as usize).max(1)
    }

    /// Pairs one after the other, without padding, with the numbers that decide what is hidden of each; every token that is to be
    /// predicted counts `weight`.
    pub fn batch<'a>(&self, pairs: impl IntoIterator<Item = (u64, &'a SequencePair)>, weight: f32) -> Batch {
        let (mut texts, mut rows, mut targets, mut start) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (number, pair) in pairs {
            let mut draw = Draw::new(self.random.stream(number));
            let mut ids = [&pair.source[..], &pair.answer].concat();
            for place in chosen(pair, &mut draw) {
                rows.push((start + place) as u32);
                targets.push(ids[place]);
                ids[place] = replacement(&self.tokens, ids[place], &mut draw);
            }
            start += ids.len();
            texts.push((ids, pair.source.len()));
        }
        let weights = vec![weight; targets.len()];
        let source = Task::SequenceToSequence.packed(&texts);
        let targets = Targets { rows: Some(rows), ids: targets, weights };
        Batch { source, answer: None, targets, classes: None }
    }
}

/// The places of an answer's tokens that are to be predicted, in their order.
fn chosen(pair: &SequencePair, draw: &mut Draw) -> Vec<usize> {
    let first = pair.source.len();
    let mut places = draw.shuffled((first..first + pair.answer.len()).collect());
    places.truncate(MaskedAnswers::hidden(pair));
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objectives::{Special, Words};

    const SPECIAL: Special = Special { padding: 100, class: 101, separator: 102, mask: 103 };

    fn answers() -> MaskedAnswers {
        let words = Words::made_up(100, |_| true, |_| false);
        MaskedAnswers::new(MaskedTokens { special: SPECIAL, eos: Some(0), words }, 3)
    }

    fn pair(length: u32) -> SequencePair {
        let (source, answer) = (vec![101, 7, 8, 102], (1..=length).chain([102]).collect());
        SequencePair { source, answer }
    }

    #[test]
    fn seven_in_ten_tokens_of_answers_are_hidden_and_none_of_sources() {
        let pairs = vec![pair(19); 300];
        let batch = answers().batch((0..).zip(&pairs), 0.5);
        let rows = batch.targets.rows.unwrap();
        assert_eq!((rows.len(), MaskedAnswers::hidden(&pairs[0])), (300 * 14, 14));
        assert!(rows.iter().all(|row| row % 24 >= 4));
        let shown: Vec<u32> = rows.iter().map(|row| batch.source.ids[*row as usize]).collect();
        let share = |count: usize| count as f64 / rows.len() as f64;
        let masks = share(shown.iter().filter(|id| **id == SPECIAL.mask).count());
        let same = share(shown.iter().zip(&batch.targets.ids).filter(|(one, other)| one == other).count());
        assert!((masks - 0.8).abs() < 0.02 && (same - 0.1).abs() < 0.02, "{masks} {same}");
        let ends = share(batch.targets.ids.iter().filter(|id| **id == SPECIAL.separator).count());
        assert!((ends - 0.05).abs() < 0.01, "{ends}");
        assert_eq!(batch.source.segments[..6], [4, 4, 4, 4, 5, 5]);
    }

    #[test]
    fn what_is_hidden_follows_from_seed_and_number() {
        let pairs = [pair(9), pair(4), pair(1)];
        let whole = answers().batch((5..).zip(&pairs), 1.0);
        let part = answers().batch([(6, &pairs[1])], 1.0);
        assert_eq!(whole.source.ids[14..23], part.source.ids);
        assert_eq!(MaskedAnswers::hidden(&pair(0)), 1);
    }
}
