//! Scores of given ids, where what windows begin with alike goes through the model once.
//!
//! Windows side by side that begin alike are an item: a question with its options. Items side by side may begin alike too: with the
//! same examples. A batch of items is three passes: what all of them begin with; what is left of each item's beginning, all items
//! together; what is left of each window, all windows together. Each goes on from a copy of the cache of the one before. Where that
//! saves little, windows are scored as [`score`] does, which is also the reference that this is held against.

use std::ops::Range;

use nuwa_models::{Context, Input, Model, NewRows};
use nuwa_tensor::{DType, LossRows, Tape, Tensor, on_worker};

use crate::Result;
use crate::score::{Window, score};
use crate::slot::{Slot, common};

/// Positions that go through the model at one time.
const MOST_ROWS: usize = 4096;
/// Positions that the caches of one batch hold together.
const MOST_CACHED: usize = 1 << 15;
/// Beginnings that differ in so many ids at the end still belong to one item: tokens may join what follows.
const LOOSE_END: usize = 4;

/// Windows side by side, and how many of their first ids they have in common, none of them scored.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    windows: Range<usize>,
    shared: usize,
}

/// The negative log-likelihood, in nats, of each scored id of each window, as [`score`] gives it up to rounding.
///
/// # Errors
/// When a window is longer than the context or holds nothing to score, or an id is outside the model's vocabulary.
pub fn score_shared(model: &dyn Model, windows: &[Window<'_>]) -> Result<Vec<Vec<f32>>> {
    windows.iter().try_for_each(|window| window.check(model.context()))?;
    let mut losses = Vec::with_capacity(windows.len());
    let mut trunk: Option<Slot> = None;
    for batch in batches(windows, &items(windows)) {
        let all = batch[0].windows.start..batch[batch.len() - 1].windows.end;
        let seen = trunk.as_ref().map(Slot::seen).unwrap_or_default();
        let plain: usize = windows[all.clone()].iter().map(|window| window.inputs().len()).sum();
        losses.extend(match rows_needed(windows, &batch, seen) * 4 <= plain * 3 {
            true => {
                on_worker(|| Shared { model, windows, tape: &Tape::inference() }.score(&batch, &mut trunk))?
            }
            false => score(model, &windows[all])?,
        });
    }
    Ok(losses)
}

/// Puts windows side by side together where they begin alike.
fn items(windows: &[Window<'_>]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for (place, window) in windows.iter().enumerate() {
        let free = window.scored_from - 1;
        if let Some(last) = items.last_mut() {
            let alike = common(windows[last.windows.start].inputs(), window.inputs()).min(free);
            if last.shared > 0 && alike + LOOSE_END >= last.shared {
                last.windows.end = place + 1;
                last.shared = last.shared.min(alike);
                continue;
            }
        }
        items.push(Item { windows: place..place + 1, shared: free });
    }
    items
}

/// Items that go through the model together: as many as the limits allow, at least one.
fn batches(windows: &[Window<'_>], items: &[Item]) -> Vec<Vec<Item>> {
    let mut batches: Vec<Vec<Item>> = Vec::new();
    let (mut rows, mut slots, mut longest) = (0, 0, 0);
    for item in items {
        let of_item = windows[item.windows.clone()].iter().map(|window| window.inputs().len());
        let own: usize = of_item.clone().sum();
        let length = of_item.max().unwrap_or(0).max(longest);
        let count = slots + item.windows.len() + 1;
        let fits = rows + own <= 4 * MOST_ROWS && count * length <= MOST_CACHED;
        match batches.last_mut().filter(|_| fits) {
            Some(batch) => {
                batch.push(item.clone());
                (rows, slots, longest) = (rows + own, count, length);
            }
            None => {
                batches.push(vec![item.clone()]);
                (rows, slots) = (own, item.windows.len() + 1);
                longest =
                    windows[item.windows.clone()].iter().map(|one| one.inputs().len()).max().unwrap_or(0);
            }
        }
    }
    batches
}

/// What all items of a batch begin with; of a single item all that its windows share.
fn trunk_of<'a>(windows: &[Window<'a>], batch: &[Item]) -> &'a [u32] {
    let first = windows[batch[0].windows.start].ids;
    let alike = |item: &Item| common(first, windows[item.windows.start].ids).min(item.shared);
    &first[..batch.iter().map(alike).min().unwrap_or(0)]
}

/// The positions that a batch takes where `seen` has gone through the model.
fn rows_needed(windows: &[Window<'_>], batch: &[Item], seen: &[u32]) -> usize {
    let trunk = trunk_of(windows, batch);
    let of_item = |item: &Item| {
        let left = |window: &Window<'_>| window.inputs().len() - item.shared;
        item.shared - trunk.len() + windows[item.windows.clone()].iter().map(left).sum::<usize>()
    };
    trunk.len() - common(trunk, seen) + batch.iter().map(of_item).sum::<usize>()
}

struct Shared<'a> {
    model: &'a dyn Model,
    windows: &'a [Window<'a>],
    tape: &'a Tape,
}

impl Shared<'_> {
    /// `trunk` is what the batch before began with; it is left with what this one begins with.
    fn score(&self, batch: &[Item], trunk: &mut Option<Slot>) -> Result<Vec<Vec<f32>>> {
        let ids = trunk_of(self.windows, batch);
        let root = self.root(ids, trunk.take())?;
        let copy =
            |slot: &Slot, length: usize| slot.prefix(length).filter(|copy| copy.seen().len() == length);
        let stems: Option<Vec<Slot>> = batch.iter().map(|_| copy(&root, ids.len())).collect();
        let Some(mut stems) = stems else { return self.plain(batch) };
        let rest = |item: &Item| &self.windows[item.windows.start].ids[ids.len()..item.shared];
        self.advance(stems.iter_mut().zip(batch.iter().map(rest)))?;
        let of_item = |(item, stem): (&Item, &Slot)| {
            item.windows.clone().map(|_| copy(stem, item.shared)).collect::<Vec<_>>()
        };
        let leaves: Option<Vec<Slot>> = batch.iter().zip(&stems).flat_map(of_item).collect();
        let Some(mut leaves) = leaves else { return self.plain(batch) };
        drop(stems);
        *trunk = Some(root);
        let shared: Vec<usize> =
            batch.iter().flat_map(|item| item.windows.clone().map(|_| item.shared)).collect();
        let first = batch[0].windows.start;
        let mut losses = Vec::new();
        let mut done = 0;
        while done < leaves.len() {
            let left = |place: usize| self.windows[first + place].inputs().len() - shared[place];
            let mut rows = 0;
            let some = (done..leaves.len())
                .take_while(|place| {
                    rows += left(*place);
                    *place == done || rows <= MOST_ROWS
                })
                .count();
            let range = done..done + some;
            losses.extend(self.ends(&mut leaves[range.clone()], first + done, &shared[range])?);
            done += some;
        }
        Ok(losses)
    }

    fn plain(&self, batch: &[Item]) -> Result<Vec<Vec<f32>>> {
        score(self.model, &self.windows[batch[0].windows.start..batch[batch.len() - 1].windows.end])
    }

    /// A slot that has seen `ids`, going on from another where there is room.
    fn root(&self, ids: &[u32], before: Option<Slot>) -> Result<Slot> {
        let longest = self.model.context();
        let mut slot = before.unwrap_or_else(|| Slot::new(self.model, longest, DType::F32));
        slot.go_back(slot.common(ids), self.model, DType::F32);
        let seen = slot.seen().len();
        self.advance(std::iter::once((&mut slot, &ids[seen..])))?;
        Ok(slot)
    }

    /// Runs new ids of several slots through the model, in as many passes as they take.
    fn advance<'b>(&self, work: impl Iterator<Item = (&'b mut Slot, &'b [u32])>) -> Result<()> {
        let mut waiting: Vec<(&mut Slot, &[u32])> = Vec::new();
        let mut rows = 0;
        for (slot, ids) in work.filter(|(_, ids)| !ids.is_empty()) {
            if rows > 0 && rows + ids.len() > MOST_ROWS {
                self.run(&mut waiting)?;
                rows = 0;
            }
            rows += ids.len();
            waiting.push((slot, ids));
        }
        self.run(&mut waiting)
    }

    fn run(&self, waiting: &mut Vec<(&mut Slot, &[u32])>) -> Result<()> {
        if !waiting.is_empty() {
            self.hidden(waiting)?;
            waiting.clear();
        }
        Ok(())
    }

    fn hidden(&self, work: &mut [(&mut Slot, &[u32])]) -> Result<Tensor> {
        let new = work.iter_mut().map(|(slot, ids)| NewRows { cache: slot.cache(), ids });
        let hidden = self.model.hidden(&Context::new(self.tape), Input::Next(new.collect()))?.hidden;
        work.iter_mut().for_each(|(slot, ids)| slot.note(ids));
        Ok(hidden)
    }

    /// What is left of some windows, from the one numbered `first` on, and the losses of what is scored in each.
    fn ends(&self, slots: &mut [Slot], first: usize, shared: &[usize]) -> Result<Vec<Vec<f32>>> {
        let windows = &self.windows[first..first + slots.len()];
        let rest = windows.iter().zip(shared).map(|(window, shared)| &window.inputs()[*shared..]);
        let mut work: Vec<(&mut Slot, &[u32])> = slots.iter_mut().zip(rest).collect();
        let hidden = self.hidden(&mut work)?;
        let mut rows = Vec::new();
        let mut begin = 0;
        for (window, shared) in windows.iter().zip(shared) {
            let length = window.inputs().len();
            rows.extend((window.scored_from - 1..length).map(|row| (begin + row - shared) as u32));
            begin += length - shared;
        }
        let ids: Vec<u32> = windows.iter().flat_map(Window::scored).copied().collect();
        let head = self.model.head();
        let rows = head.rows(self.tape, &self.tape.rows(&hidden, &rows)?)?;
        let weights = vec![1.0; ids.len()];
        let loss = head.loss(&rows, LossRows { targets: &ids, weights: &weights });
        let losses = self.tape.cross_entropy(&loss)?.rows;
        let mut rest = losses.as_slice();
        let of_window = |window: &Window<'_>| {
            let (own, others) = rest.split_at(window.scored().len());
            rest = others;
            own.to_vec()
        };
        Ok(windows.iter().map(of_window).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_that_begin_alike_are_an_item() {
        let texts: [&[u32]; 4] = [&[1, 2, 3, 4, 5, 6], &[1, 2, 3, 4, 7], &[1, 2, 9, 9, 9, 9, 9, 9], &[8, 8]];
        let windows: Vec<Window<'_>> =
            texts.iter().zip([4, 4, 7, 1]).map(|(ids, scored_from)| Window { ids, scored_from }).collect();
        let item = |windows, shared| Item { windows, shared };
        // The third begins with two of the three ids, which the loose end allows; the last has nothing before what is scored.
        assert_eq!(items(&windows[..2]), [item(0..2, 3)]);
        assert_eq!(items(&windows[2..]), [item(0..1, 6), item(1..2, 0)]);
        let batch = items(&windows[..2]);
        assert_eq!(trunk_of(&windows, &batch), [1, 2, 3]);
        assert_eq!(rows_needed(&windows, &batch, &[]), 3 + 2 + 1);
        assert_eq!(rows_needed(&windows, &batch, &[1, 2, 5]), 1 + 2 + 1);
    }
}
