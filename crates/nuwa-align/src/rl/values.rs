//! Numbers that a model with a head for them gives for rows of packed examples: rewards, values.

use nuwa_models::Text;
use nuwa_tensor::Objective;
use nuwa_train::Trainer;

use crate::pack::{Example, groups};

/// The rows of each example that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// That of its last token.
    Last,
    /// Those before each trained token, and that of the last one: the values of the states in which tokens are chosen, and of
    /// what comes after them all.
    States,
}

impl Asked {
    /// The rows of an example whose own begin at `start`.
    fn rows(self, example: &Example, start: u32) -> Vec<u32> {
        let last = start + example.ids.len() as u32 - 1;
        match self {
            Self::Last => vec![last],
            Self::States => (last - example.trained_tokens() as u32..=last).collect(),
        }
    }
}

/// Examples one after the other in one row with all of their ids, and the rows that are asked for.
fn packed(examples: &[&Example], asked: Asked) -> (Text, Vec<u32>, Vec<usize>) {
    let (mut rows, mut counts, mut start) = (Vec::new(), Vec::new(), 0);
    for example in examples {
        let own = asked.rows(example, start);
        counts.push(own.len());
        rows.extend(own);
        start += example.ids.len() as u32;
    }
    (Text::packed(examples.iter().map(|example| &example.ids[..])), rows, counts)
}

fn sizes(examples: &[&Example]) -> Vec<usize> {
    examples.iter().map(|example| example.ids.len()).collect()
}

fn split(mut values: &[f32], counts: &[usize]) -> Vec<Vec<f32>> {
    let mut next = |count: &usize| {
        let (own, rest) = values.split_at(*count);
        values = rest;
        own.to_vec()
    };
    counts.iter().map(&mut next).collect()
}

/// The numbers of each example, which `scores` gives for the rows of a text.
///
/// # Errors
/// When an example does not fit the model.
pub fn values<E>(
    examples: &[&Example],
    asked: Asked,
    micro_batch: usize,
    mut scores: impl FnMut(&Text, &[u32]) -> Result<Vec<f32>, E>,
) -> Result<Vec<Vec<f32>>, E> {
    let mut found = Vec::with_capacity(examples.len());
    for group in groups(0..examples.len(), &sizes(examples), micro_batch) {
        let members: Vec<&Example> = group.iter().map(|&index| examples[index]).collect();
        let (text, rows, counts) = packed(&members, asked);
        found.extend(split(&scores(&text, &rows)?, &counts));
    }
    Ok(found)
}

/// Adds the gradient of a loss of these numbers: `weigh` is given the indices of the examples of a pass and the numbers of each,
/// and gives the loss with its slope in each number. Examples whose numbers meet in a loss are in one of the `together`. Gives the
/// sum of all passes.
///
/// # Errors
/// When an example does not fit the model.
pub fn value_pass(
    trainer: &mut Trainer,
    examples: &[&Example],
    (together, asked): (&[Vec<usize>], Asked),
    micro_batch: usize,
    step: u64,
    mut weigh: impl FnMut(&[usize], &[Vec<f32>]) -> Objective + Send,
) -> nuwa_train::Result<f64> {
    let own = sizes(examples);
    let of = |group: &Vec<usize>| group.iter().map(|&index| own[index]).sum();
    let sizes: Vec<usize> = together.iter().map(of).collect();
    let mut sum = 0.0;
    for (pass, number) in groups(0..together.len(), &sizes, micro_batch).into_iter().zip(0..) {
        let indices: Vec<usize> = pass.iter().flat_map(|&group| together[group].iter().copied()).collect();
        let members: Vec<&Example> = indices.iter().map(|&index| examples[index]).collect();
        let (text, rows, counts) = packed(&members, asked);
        let objective = |values: &[f32]| weigh(&indices, &split(values, &counts));
        sum += f64::from(trainer.score_pass((&text, &rows), (step << 16) | number, objective)?);
    }
    Ok(sum)
}
