use std::any::Any;
use std::fmt;

use super::HeadLayout;
use crate::element::DType;
use crate::{Error, Result};

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
    /// With the name of its device; none before the first rows.
    memory: Option<(&'static str, Box<dyn CacheMemory>)>,
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

/// Rows of queries of one sequence, and what they attend to all of: the keys and values of a source, which stay as they are.
#[derive(Debug, Clone, Copy)]
pub struct KeptRows<'a> {
    /// The keys and values.
    pub memory: &'a KeyValueCache,
    /// How many rows of queries.
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

    /// The features of a key, and of a value.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// What the device of this name keeps of it, made through `make` when there is none yet.
    pub(crate) fn memory<M: CacheMemory>(
        &mut self,
        device: &'static str,
        make: impl FnOnce() -> M,
    ) -> &mut M {
        let (_, memory) = self.memory.get_or_insert_with(|| (device, Box::new(make())));
        let memory: &mut dyn Any = memory.as_mut();
        memory.downcast_mut().expect("a device's kernels get memory of their own")
    }

    /// What the device of this name keeps of it; none before the first rows.
    pub(crate) fn kept<M: CacheMemory>(&self) -> Option<&M> {
        let (_, memory) = self.memory.as_ref()?;
        let memory: &dyn Any = memory.as_ref();
        memory.downcast_ref()
    }

    /// Counts rows that its device has added.
    pub(crate) fn grow(&mut self, rows: usize) {
        self.length += rows;
    }

    /// An error unless the device of this name may add `rows`.
    pub(crate) fn check(&self, expected: &'static str, rows: usize) -> Result<()> {
        let (needed, capacity) = (self.length + rows, self.capacity);
        match &self.memory {
            Some((found, _)) if *found != expected => {
                Err(Error::Device { operation: "cached_attention", found, expected })
            }
            _ if needed > capacity => Err(Error::CacheFull { needed, capacity }),
            _ => Ok(()),
        }
    }
}
