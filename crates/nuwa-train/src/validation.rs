use nuwa_models::{Losses, Model, losses};
use nuwa_nn::Context;
use nuwa_shards::{Part, Shards};
use nuwa_tensor::Tape;

use crate::loader::{read_before, read_behind};
use crate::objectives::{Objective, Windows};
use crate::{Error, Figures, LayerShares, Result, shares};

/// How well a model predicts held-out text.
#[derive(Debug, Clone, PartialEq)]
pub struct Validation {
    /// Mean loss, in nats a token, and of the classes of texts where there are any.
    pub loss: f64,
    /// Bits a byte of text, where every token is predicted: `sum of losses / ln 2 / bytes`.
    pub bits_per_byte: Option<f64>,
    /// What the objective tells besides, and how evenly experts are used where there are some.
    pub figures: Figures,
    /// How the tokens were shared among the experts of each layer that has some.
    pub experts: Vec<LayerShares>,
    /// Tokens that were looked at.
    pub tokens: u64,
}

/// Scores windows of `context` tokens, `sequences` at a time (as in training, whose buffers then fit): all of them one after
/// the other where they hold at most `max_tokens`, else so many of them spread evenly over the text.
///
/// The bytes of the tokens looked at are taken in proportion to the whole. Each window starts without a past, which
/// makes this a little stricter than the evaluation of the finished model.
///
/// # Errors
/// When the shards cannot be read or hold fewer than two tokens.
pub fn validate(
    model: &dyn Model,
    tape: &Tape,
    objective: &dyn Objective,
    shards: &Shards,
    [sequences, context]: [usize; 2],
    max_tokens: u64,
) -> Result<Validation> {
    let available = shards.tokens().saturating_sub(1);
    let mut windows = windows(available, context as u64, max_tokens);
    windows.retain(|window| window.length >= objective.shortest());
    if windows.is_empty() {
        let needed = objective.shortest() as u64 + 1;
        return Err(Error::TooShort { part: "validation", tokens: shards.tokens(), needed });
    }
    let (mut done, mut found) = (0, Vec::new());
    for alike in windows.chunk_by(|a, b| a.length == b.length) {
        found.extend(score(model, tape, objective, &HeldBack { shards, windows: alike }, sequences)?);
        done += (alike.len() * alike[0].length) as u64;
    }
    let total: f64 = found.iter().map(|losses| rows(&losses.tokens.rows)).sum();
    let predicted: usize = found.iter().map(|losses| losses.tokens.rows.len()).sum();
    let bytes = shards.bytes() as f64 * done as f64 / available as f64;
    let bits = total / std::f64::consts::LN_2 / bytes.max(1.0);
    let experts = shares::of(&found);
    let mut figures = objective.figures(&found);
    figures.extend(shares::figures(&experts));
    let classes = figures.get("next_sentence_loss").copied().unwrap_or(0.0);
    Ok(Validation {
        loss: total / predicted as f64 + classes,
        bits_per_byte: objective.predicts_every_token().then_some(bits),
        figures,
        experts,
        tokens: done,
    })
}

fn rows(losses: &[f32]) -> f64 {
    losses.iter().map(|&row| f64::from(row)).sum()
}

/// A piece of the text whose every token is predicted from those before it in the piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    start: u64,
    length: usize,
}

fn windows(available: u64, context: u64, max_tokens: u64) -> Vec<Window> {
    if available <= max_tokens.max(context) {
        let of = |start| Window { start, length: context.min(available - start) as usize };
        return (0..available).step_by(context as usize).map(of).collect();
    }
    let count = (max_tokens / context).max(1);
    let last = available - context;
    let of = |index| Window { start: last * index / (count - 1).max(1), length: context as usize };
    (0..count).map(of).collect()
}

/// Windows of equal length of text that is held out.
struct HeldBack<'a> {
    shards: &'a Shards,
    windows: &'a [Window],
}

impl Windows for HeldBack<'_> {
    fn count(&self) -> u64 {
        self.windows.len() as u64
    }

    fn context(&self) -> usize {
        self.windows[0].length
    }

    fn read(&self, number: u64, ids: &mut [u32]) -> Result<()> {
        Ok(self.shards.read(self.windows[number as usize].start, ids)?)
    }

    fn place(&self, number: u64) -> Option<(Part, u64)> {
        Some((Part::Validation, self.windows[number as usize].start))
    }

    fn read_before(&self, number: u64, ids: &mut [u32]) -> Result<bool> {
        read_before(self.shards, self.windows[number as usize].start, ids)
    }

    fn read_behind(&self, number: u64, ids: &mut [u32]) -> Result<usize> {
        let Window { start, length } = self.windows[number as usize];
        read_behind(self.shards, start + length as u64, ids)
    }
}

/// The losses of windows of equal length, so many at a time.
fn score(
    model: &dyn Model,
    tape: &Tape,
    objective: &dyn Objective,
    windows: &HeldBack<'_>,
    sequences: usize,
) -> Result<Vec<Losses>> {
    let context = Context::new(tape);
    let firsts = (0..windows.count()).step_by(sequences.max(1));
    firsts
        .map(|first| {
            let numbers = first..(first + sequences.max(1) as u64).min(windows.count());
            Ok(losses(model, &context, &objective.batch(windows, numbers, 1)?)?)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_all_or_spread_evenly() {
        let all = windows(25, 10, 100);
        let ends: Vec<u64> = all.iter().map(|window| window.start + window.length as u64).collect();
        assert_eq!(ends, [10, 20, 25]);
        let some = windows(1000, 10, 35);
        assert_eq!(some.iter().map(|window| window.start).collect::<Vec<_>>(), [0, 495, 990]);
        assert_eq!(windows(5, 10, 1), [Window { start: 0, length: 5 }]);
    }
}
