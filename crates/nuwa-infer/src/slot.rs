use std::sync::Arc;

use nuwa_models::{Cache, Context, Input, Model, NewRows};
use nuwa_tensor::{DType, Tape, Tensor};

use crate::Result;

/// A place for one sequence: the ids that the model has seen there, and what it remembers of them.
#[derive(Debug, Clone)]
pub struct Slot {
    cache: Cache,
    seen: Vec<u32>,
    /// What is answered here.
    source: Option<Arc<[u32]>>,
}

impl Slot {
    pub fn new(model: &dyn Model, capacity: usize, dtype: DType) -> Self {
        Self { cache: model.new_cache(capacity, dtype), seen: Vec::new(), source: None }
    }

    /// A place for an answer to `source`, of which `cache` holds what the model remembers.
    pub fn answering(cache: Cache, source: Arc<[u32]>) -> Self {
        Self { cache, seen: Vec::new(), source: Some(source) }
    }

    /// Whether it answers `source`.
    pub fn answers(&self, source: &[u32]) -> bool {
        self.source.as_deref() == Some(source)
    }

    /// The ids that the model has seen.
    pub fn seen(&self) -> &[u32] {
        &self.seen
    }

    /// The positions that there is room for.
    pub fn capacity(&self) -> usize {
        self.cache.capacity()
    }

    /// How many of the first of `ids` the model has seen here.
    pub fn common(&self, ids: &[u32]) -> usize {
        common(&self.seen, ids)
    }

    /// How many of the first of `ids` the model has seen here that there is a way back to.
    pub fn known(&self, ids: &[u32]) -> usize {
        self.cache.nearest(self.common(ids))
    }

    /// Whether layers carry a state along, from which there is a way back to some lengths alone.
    pub fn carries_states(&self) -> bool {
        self.cache.carries_states()
    }

    /// Goes back to the first `length` ids, or where the model cannot, to the most of them that it can: [`Slot::seen`] says which.
    pub fn go_back(&mut self, length: usize, model: &dyn Model, dtype: DType) {
        let length = self.cache.nearest(length);
        match self.cache.truncate(length) {
            true => self.seen.truncate(length),
            false => *self = Self::new(model, self.cache.capacity(), dtype),
        }
    }

    /// What is remembered of what was seen.
    pub fn cache(&mut self) -> &mut Cache {
        &mut self.cache
    }

    /// Notes ids that have gone through the model with the cache.
    pub fn note(&mut self, ids: &[u32]) {
        self.seen.extend_from_slice(ids);
    }

    /// A copy that has seen the first `length` ids, or where the model cannot go back to them, the most of them that it can.
    pub fn prefix(&self, length: usize) -> Option<Self> {
        let length = self.cache.nearest(length);
        let (seen, source) = (self.seen[..length].to_vec(), self.source.clone());
        Some(Self { cache: self.cache.prefix(length)?, seen, source })
    }
}

/// The length of the longest common prefix.
pub fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Slots for answers to `sources`, which the encoder reads together.
///
/// # Errors
/// When a source is empty or longer than the model reads, or an id is outside the vocabulary.
pub fn begin(
    model: &dyn Model,
    tape: &Tape,
    sources: &[Arc<[u32]>],
    capacity: usize,
    dtype: DType,
) -> Result<Vec<Slot>> {
    let ids: Vec<&[u32]> = sources.iter().map(AsRef::as_ref).collect();
    let caches = model.begin(&Context::new(tape), &ids, capacity, dtype)?;
    Ok(caches
        .into_iter()
        .zip(sources)
        .map(|(cache, source)| Slot::answering(cache, source.clone()))
        .collect())
}

/// New ids of a slot.
pub struct Work<'a> {
    pub slot: &'a mut Slot,
    pub ids: &'a [u32],
    /// Whether the logits of what follows the last of them are wanted.
    pub wanted: bool,
}

/// Runs the new ids of some slots through the model at one time. Gives the logits of every id after the last one of each slot
/// where they are wanted, `[slots, vocabulary]`.
pub fn pass(model: &dyn Model, tape: &Tape, work: &mut [Work<'_>]) -> Result<Option<Tensor>> {
    let new = work.iter_mut().map(|work| NewRows { cache: &mut work.slot.cache, ids: work.ids });
    let hidden = model.hidden(&Context::new(tape), Input::Next(new.collect()))?.hidden;
    for Work { slot, ids, wanted } in &mut *work {
        slot.seen.extend_from_slice(ids);
        // What was read may be what others begin with; what is written, one id at a time, seldom is.
        if ids.len() > 1 || !*wanted {
            slot.cache.snapshot();
        }
    }
    let mut end = 0;
    let ends = work.iter().map(|work| {
        end += work.ids.len();
        (work.wanted, end - 1)
    });
    let wanted: Vec<usize> = ends.filter(|(wanted, _)| *wanted).map(|(_, last)| last).collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    let wanted: Vec<u32> = wanted.into_iter().map(|row| row as u32).collect();
    let rows = tape.rows(&hidden, &wanted)?;
    Ok(Some(model.head().logits(tape, &rows)?))
}
