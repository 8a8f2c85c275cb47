//! Attention of new rows over what is cached: decoding, of several sequences at a time.
//!
//! As [the module above](super), causally or within a sliding window, without a backward pass. Each row says by its place
//! which sequence it belongs to and at which position it stands; its sums run over its own keys in one order, so its result
//! has the same bits whichever other rows are computed with it, and however many.

use std::any::Any;
use std::fmt;

use super::{AttentionOptions, HeadLayout};
use crate::element::DType;
use crate::ops::linear::with_width;
use crate::{Device, Error, Result, Tape, Tensor};

/// What a device keeps of the keys and values of one sequence.
pub(crate) trait CacheMemory: Any + Send + Sync + fmt::Debug {
    /// A copy of the first `positions`, which are there.
    fn prefix(&self, positions: usize) -> Box<dyn CacheMemory>;

    /// The bytes that it takes.
    fn bytes(&self) -> usize;
}

/// The keys and values of the positions seen so far, for one layer and one sequence, on the device that computed them. Memory
/// grows with what it holds.
#[derive(Debug)]
pub struct KeyValueCache {
    /// None before the first rows.
    memory: Option<(Device, Box<dyn CacheMemory>)>,
    dtype: DType,
    width: usize,
    length: usize,
    capacity: usize,
}

/// New rows of one sequence, and what is cached of it.
#[derive(Debug)]
pub struct CachedRows<'a> {
    /// The keys and values of the rows before, which those of the new ones join.
    pub cache: &'a mut KeyValueCache,
    /// How many rows are new.
    pub rows: usize,
}

impl Clone for KeyValueCache {
    fn clone(&self) -> Self {
        self.prefix(self.length)
    }
}

impl KeyValueCache {
    /// Room for `capacity` positions, kept in this dtype.
    pub fn new(heads: HeadLayout, capacity: usize, dtype: DType) -> Self {
        Self { memory: None, dtype, width: heads.key_width(), length: 0, capacity }
    }

    /// The number of positions it holds.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The number of positions it may hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets all positions from `length` on.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// A copy of the first `length` positions, or of all where there are fewer.
    #[must_use]
    pub fn prefix(&self, length: usize) -> Self {
        let length = self.length.min(length);
        let memory = self.memory.as_ref().map(|(device, memory)| (*device, memory.prefix(length)));
        Self { memory, length, ..*self }
    }

    /// The bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.memory.as_ref().map_or(0, |(_, memory)| memory.bytes())
    }

    /// The dtype that it keeps.
    pub(crate) fn dtype(&self) -> DType {
        self.dtype
    }

    /// What a device keeps of it, made through `make` when there is none yet.
    pub(crate) fn memory<M: CacheMemory>(&mut self, device: Device, make: impl FnOnce() -> M) -> &mut M {
        let (_, memory) = self.memory.get_or_insert_with(|| (device, Box::new(make())));
        let memory: &mut dyn Any = memory.as_mut();
        memory.downcast_mut().expect("a device's kernels get memory of their own")
    }

    /// Counts rows that its device has added.
    pub(crate) fn grow(&mut self, rows: usize) {
        self.length += rows;
    }

    fn check(&self, device: Device, rows: usize) -> Result<()> {
        let (needed, capacity) = (self.length + rows, self.capacity);
        match &self.memory {
            Some((own, _)) if *own != device => {
                let (found, expected) = (own.name(), device.name());
                Err(Error::Device { operation: "cached_attention", found, expected })
            }
            _ if needed > capacity => Err(Error::CacheFull { needed, capacity }),
            _ => Ok(()),
        }
    }
}

impl Tape {
    /// Attention of new rows over the cached positions of their sequences and themselves, causally, each over at most
    /// `window` keys, without dropout; their keys and values join the caches. The rows of `sequences` stand one after the other in `qkv`.
    ///
    /// # Errors
    /// When the width of `qkv` is not that of `heads`, its rows are not those of `sequences`, a cache has no room, or `qkv`
    /// needs a gradient; the caches are then as before.
    pub fn cached_attention(
        &self,
        qkv: &Tensor,
        heads: HeadLayout,
        sequences: &mut [CachedRows<'_>],
        window: Option<usize>,
        options: AttentionOptions,
    ) -> Result<Tensor> {
        heads.check("cached_attention", qkv)?;
        options.check("cached_attention")?;
        let kernels = self.kernels_for("cached_attention", &[qkv], &[])?;
        check_rows(self.device(), qkv, heads, sequences)?;
        let shape = with_width(qkv.shape(), heads.query_width());
        let call = CachedCall { heads, window, scale: options.scale(heads) };
        let y = kernels.cached_attention(call, qkv.storage(), sequences);
        self.untracked("cached_attention", &[qkv], shape, y)
    }
}

fn check_rows(device: Device, qkv: &Tensor, heads: HeadLayout, sequences: &[CachedRows<'_>]) -> Result<()> {
    let (rows, expected) = (qkv.rows(), sequences.iter().map(|new| new.rows).sum::<usize>());
    if rows != expected {
        let reason = format!("{rows} rows, but the sequences have {expected} new ones");
        return Err(Error::shape("cached_attention", reason));
    }
    if let Some(wrong) = sequences.iter().find(|new| new.cache.width != heads.key_width()) {
        let reason = format!("a cache of width {} does not fit {heads:?}", wrong.cache.width);
        return Err(Error::shape("cached_attention", reason));
    }
    sequences.iter().try_for_each(|new| new.cache.check(device, new.rows))
}

/// What holds for all rows.
#[derive(Clone, Copy)]
pub(crate) struct CachedCall {
    pub heads: HeadLayout,
    /// The most keys that a row sees.
    pub window: Option<usize>,
    /// What scores are multiplied by.
    pub scale: f32,
}
