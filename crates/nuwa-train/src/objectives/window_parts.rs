//! A window of the text in two parts, of which the second may come from another window: what UniLM and XLNet read.

use super::draw::Draw;
use super::masked::{MaskedTokens, Parts};
use super::{Windows, read};
use crate::Result;

/// Two parts with so many tokens together.
pub(super) fn pair(
    tokens: &MaskedTokens,
    windows: &dyn Windows,
    number: u64,
    length: usize,
    draw: &mut Draw,
) -> Result<Parts> {
    let mut first = read(windows, number, length)?;
    let follows = first.split_off(cut(tokens, &first, draw));
    // Of a single window there is no elsewhere.
    if windows.count() < 2 || draw.chance(0.5) {
        return Ok(Parts { first, second: Some(follows), label: 0 });
    }
    let others = draw.below(windows.count() as usize - 1) as u64 + 1;
    let other = read(windows, (number + others) % windows.count(), windows.context())?;
    let latest = other.len() - follows.len();
    let start = (1..=latest).find(|&at| tokens.words.ends_sentence(other[at - 1])).unwrap_or(0);
    Ok(Parts { first, second: Some(other[start..start + follows.len()].to_vec()), label: 1 })
}

/// Where the first part ends: in the middle half, after a sentence if there is one, within a document if possible.
pub(super) fn cut(tokens: &MaskedTokens, ids: &[u32], draw: &mut Draw) -> usize {
    let middle = (ids.len() / 4).max(1)..(ids.len() * 3 / 4).max(2).min(ids.len());
    let is_end = |id: u32| Some(id) == tokens.eos;
    let within: Vec<usize> = middle.filter(|&at| !is_end(ids[at - 1]) && !is_end(ids[at])).collect();
    let after_sentence = |&&at: &&usize| tokens.words.ends_sentence(ids[at - 1]);
    let best: Vec<usize> = within.iter().filter(after_sentence).copied().collect();
    let places = if best.is_empty() { within } else { best };
    if places.is_empty() { ids.len() / 2 } else { places[draw.below(places.len())] }
}
