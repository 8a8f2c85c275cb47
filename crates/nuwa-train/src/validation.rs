use nuwa_data::shards::Shards;
use nuwa_models::{Input, LanguageModel};
use nuwa_tensor::{HeadLoss, LossRows, Tape};

use crate::trainer::sequences;
use crate::{Error, Result};

/// How well a model predicts held-back text.
#[derive(Debug, Clone, PartialEq)]
pub struct Validation {
    /// Mean loss, in nats a token.
    pub loss: f64,
    /// Bits a byte of text: `sum of losses / ln 2 / bytes`.
    pub bits_per_byte: f64,
    /// Tokens that were predicted.
    pub tokens: u64,
}

/// Scores windows of `context` tokens, `sequences` at a time (as in training, whose buffers then fit): all of them one after the other where they hold at most `max_tokens`, else so many
/// of them spread evenly over the text.
///
/// The bytes of the tokens looked at are taken in proportion to the whole. Each window starts without a past, which
/// makes this a little stricter than the evaluation of the finished model.
///
/// # Errors
/// When the shards cannot be read or hold fewer than two tokens.
pub fn validate(
    model: &dyn LanguageModel,
    tape: &Tape,
    shards: &Shards,
    [sequences, context]: [usize; 2],
    end_of_text: Option<u32>,
    max_tokens: u64,
) -> Result<Validation> {
    let available = shards.tokens().saturating_sub(1);
    if available == 0 {
        return Err(Error::TooShort { part: "validation", tokens: shards.tokens(), needed: 2 });
    }
    let windows = windows(available, context as u64, max_tokens);
    let (mut done, mut total) = (0, 0.0);
    for alike in windows.chunk_by(|a, b| a.length == b.length) {
        for batch in alike.chunks(sequences.max(1)) {
            total += score(model, tape, shards, batch, end_of_text)?;
            done += (batch.len() * batch[0].length) as u64;
        }
    }
    let bytes = shards.bytes() as f64 * done as f64 / available as f64;
    let bits_per_byte = total / std::f64::consts::LN_2 / bytes.max(1.0);
    Ok(Validation { loss: total / done as f64, bits_per_byte, tokens: done })
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

/// The sum of the losses of windows of equal length.
fn score(
    model: &dyn LanguageModel,
    tape: &Tape,
    shards: &Shards,
    windows: &[Window],
    end_of_text: Option<u32>,
) -> Result<f64> {
    let length = windows[0].length;
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    let mut ids = vec![0; length + 1];
    for window in windows {
        shards.read(window.start, &mut ids)?;
        inputs.extend_from_slice(&ids[..length]);
        targets.extend_from_slice(&ids[1..]);
    }
    let sequences = sequences(&inputs, windows.len(), length, end_of_text);
    let hidden = model.hidden(tape, &inputs, Input::Sequences(&sequences))?;
    let weights = vec![1.0; targets.len()];
    let rows = LossRows { targets: &targets, weights: &weights };
    let loss = tape.cross_entropy(&HeadLoss::new(&hidden, model.head(), rows))?;
    Ok(loss.rows.iter().map(|&row| f64::from(row)).sum())
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
