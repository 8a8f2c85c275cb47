use std::ops::Range;

use nuwa_models::{Batch, Context, Model, Targets, Text, losses};
use nuwa_tensor::{Tape, on_worker};

use crate::{Error, Result};

/// Positions that go through the model at one time: windows are packed up to here, however long each is.
const BATCH_POSITIONS: usize = 4096;

/// Ids in a row, of which the later ones are scored given all that stand before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window<'a> {
    /// At most one more than the model's context.
    pub ids: &'a [u32],
    /// The first id to score; at least 1, for the very first id stands after nothing.
    pub scored_from: usize,
}

impl<'a> Window<'a> {
    /// The model's input: all ids but the last.
    pub(crate) fn inputs(&self) -> &'a [u32] {
        &self.ids[..self.ids.len() - 1]
    }

    pub(crate) fn scored(&self) -> &'a [u32] {
        &self.ids[self.scored_from..]
    }

    pub(crate) fn check(&self, context: usize) -> Result<()> {
        let (ids, scored_from) = (self.ids.len(), self.scored_from);
        if scored_from >= 1 && scored_from < ids && ids <= context + 1 {
            return Ok(());
        }
        Err(Error::Window { ids, scored_from, context })
    }
}

/// The negative log-likelihood, in nats, of each scored id of each window.
///
/// Windows are packed one after the other, none seeing another, so short ones cost no padding.
///
/// # Errors
/// When a window is longer than the context or holds nothing to score, or an id is outside the model's vocabulary.
pub fn score(model: &dyn Model, windows: &[Window<'_>]) -> Result<Vec<Vec<f32>>> {
    let context = model.context();
    windows.iter().try_for_each(|window| window.check(context))?;
    on_worker(|| {
        let tape = Tape::inference();
        let mut losses = Vec::with_capacity(windows.len());
        for batch in batches(windows) {
            losses.extend(score_batch(model, &tape, &windows[batch])?);
        }
        Ok(losses)
    })
}

/// Cuts windows into runs of at most [`BATCH_POSITIONS`] inputs, or a single one that is longer.
fn batches(windows: &[Window<'_>]) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut first, mut positions) = (0, 0);
    for (index, window) in windows.iter().enumerate() {
        let length = window.inputs().len();
        if index > first && positions + length > BATCH_POSITIONS {
            batches.push(first..index);
            (first, positions) = (index, 0);
        }
        positions += length;
    }
    if first < windows.len() {
        batches.push(first..windows.len());
    }
    batches
}

fn score_batch(model: &dyn Model, tape: &Tape, windows: &[Window<'_>]) -> Result<Vec<Vec<f32>>> {
    let ids: Vec<u32> = windows.iter().flat_map(Window::scored).copied().collect();
    let weights = vec![1.0; ids.len()];
    let batch = Batch {
        source: Text::packed(windows.iter().map(Window::inputs)),
        answer: None,
        targets: Targets { rows: Some(scored_rows(windows)), ids, weights },
        classes: None,
    };
    let losses = losses(model, &Context::new(tape), &batch)?.tokens.rows;
    let mut rest = losses.as_slice();
    let of_window = |window: &Window<'_>| {
        let (own, others) = rest.split_at(window.scored().len());
        rest = others;
        own.to_vec()
    };
    Ok(windows.iter().map(of_window).collect())
}

/// The rows before the scored ids; the head is the dearest layer of a small model, so it runs on no others.
fn scored_rows(windows: &[Window<'_>]) -> Vec<u32> {
    let mut rows = Vec::new();
    let mut first = 0;
    for window in windows {
        let end = first + window.inputs().len();
        rows.extend((first + window.scored_from - 1) as u32..end as u32);
        first = end;
    }
    rows
}
