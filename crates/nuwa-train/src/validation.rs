use nuwa_data::shards::Shards;
use nuwa_models::{Input, LanguageModel};
use nuwa_tensor::{LossRows, Tape};

use crate::trainer::sequences;
use crate::{Error, Result};

/// Tokens that go through the model at one time.
const BATCH_TOKENS: usize = 4096;

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

/// Scores windows of `context` tokens one after the other, from the start, up to about `max_tokens`.
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
    context: usize,
    end_of_text: Option<u32>,
    max_tokens: u64,
) -> Result<Validation> {
    let available = shards.tokens().saturating_sub(1);
    if available == 0 {
        return Err(Error::TooShort { part: "validation", tokens: shards.tokens(), needed: 2 });
    }
    let wanted = available.min(max_tokens.max(context as u64));
    let (mut done, mut total) = (0, 0.0);
    while done < wanted {
        let left = (wanted - done) as usize;
        let length = context.min(left);
        let count = (left / length).min((BATCH_TOKENS / length).max(1));
        total += score(model, tape, shards, done, count, length, end_of_text)?;
        done += (count * length) as u64;
    }
    let bytes = shards.bytes() as f64 * done as f64 / available as f64;
    let bits_per_byte = total / std::f64::consts::LN_2 / bytes.max(1.0);
    Ok(Validation { loss: total / done as f64, bits_per_byte, tokens: done })
}

/// The sum of the losses of `count` windows of `length` from token `start` on.
fn score(
    model: &dyn LanguageModel,
    tape: &Tape,
    shards: &Shards,
    start: u64,
    count: usize,
    length: usize,
    end_of_text: Option<u32>,
) -> Result<f64> {
    let mut ids = vec![0; count * length + 1];
    shards.read(start, &mut ids)?;
    let (inputs, targets) = (&ids[..count * length], &ids[1..]);
    let sequences = sequences(inputs, count, length, end_of_text);
    let hidden = model.hidden(tape, inputs, Input::Sequences(&sequences))?;
    let weights = vec![1.0; targets.len()];
    let loss = tape.cross_entropy(&hidden, model.head(), LossRows { targets, weights: &weights })?;
    Ok(loss.rows.iter().map(|&row| f64::from(row)).sum())
}
