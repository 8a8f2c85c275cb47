use std::ops::Range;
use std::sync::Arc;

use crate::{Error, Result};

/// Which keys each query attends to, in sequences of equal length.
///
/// Every kind so far is a contiguous range of keys a query, which is enough for causal, bidirectional, prefix and
/// sliding-window attention, for padding and for document boundaries.
#[derive(Debug, Clone)]
pub struct AttentionMask {
    sequences: usize,
    queries: usize,
    keys: usize,
    visible: Visible,
}

/// How the visible keys are told.
#[derive(Debug, Clone)]
pub(crate) enum Visible {
    /// Query `i` of sequence `s` attends to the keys `first <= j < end` in `[s * queries + i]`.
    Ranges(Arc<[[u32; 2]]>),
}

impl AttentionMask {
    /// Any ranges, for attention within sequences of `length`: `ranges[s * length + i]` is `[first, end)` for query `i` of
    /// sequence `s`.
    ///
    /// # Errors
    /// When there are not `sequences * length` ranges, or one does not lie within its sequence.
    pub fn new(sequences: usize, length: usize, ranges: Vec<[u32; 2]>) -> Result<Self> {
        Self::over_memory(sequences, [length, length], ranges)
    }

    /// Any ranges, for `queries` a sequence that attend to a memory of `keys` a sequence.
    ///
    /// # Errors
    /// When there are not `sequences * queries` ranges, or one does not lie within the keys of its sequence.
    pub fn over_memory(sequences: usize, [queries, keys]: [usize; 2], ranges: Vec<[u32; 2]>) -> Result<Self> {
        if ranges.len() != sequences * queries {
            let reason = format!("{sequences} sequences of {queries} got {} ranges", ranges.len());
            return Err(Error::shape("attention mask", reason));
        }
        if let Some([first, end]) = ranges.iter().find(|[first, end]| first > end || *end as usize > keys) {
            let reason = format!("range {first}..{end} is not within 0..{keys}");
            return Err(Error::shape("attention mask", reason));
        }
        Ok(Self { sequences, queries, keys, visible: Visible::Ranges(ranges.into()) })
    }

    /// Each query attends to itself and everything before it.
    pub fn causal(sequences: usize, length: usize) -> Self {
        Self::of(sequences, [length, length], |i| [0, i + 1])
    }

    /// Each query attends to the whole sequence.
    pub fn full(sequences: usize, length: usize) -> Self {
        Self::full_memory(sequences, [length, length])
    }

    /// Each of `queries` attends to the whole memory of `keys`.
    pub fn full_memory(sequences: usize, [queries, keys]: [usize; 2]) -> Self {
        Self::of(sequences, [queries, keys], |_| [0, keys as u32])
    }

    fn of(sequences: usize, [queries, keys]: [usize; 2], range: impl Fn(u32) -> [u32; 2]) -> Self {
        let one: Vec<[u32; 2]> = (0..queries as u32).map(range).collect();
        Self { sequences, queries, keys, visible: Visible::Ranges(one.repeat(sequences).into()) }
    }

    /// The same, but each query attends to at most `window` keys up to and including its own position.
    #[must_use]
    pub fn within_window(self, window: usize) -> Self {
        let first = |row: usize| (row % self.queries + 1).saturating_sub(window) as u32;
        self.narrowed(|row, [start, end]| [start.max(first(row)), end])
    }

    /// The same, but no query attends to keys before the start of its document; `starts[s * length + i]` is the position in
    /// sequence `s` where the document of position `i` begins.
    ///
    /// # Panics
    /// When there is not one start a position.
    #[must_use]
    pub fn within_documents(self, starts: &[u32]) -> Self {
        assert_eq!(starts.len(), self.rows(), "one document start a position");
        self.narrowed(|row, [first, end]| [first.max(starts[row]), end])
    }

    fn narrowed(&self, narrow: impl Fn(usize, [u32; 2]) -> [u32; 2]) -> Self {
        let Visible::Ranges(ranges) = &self.visible;
        let narrowed = ranges.iter().enumerate().map(|(row, &range)| narrow(row, range));
        Self { visible: Visible::Ranges(narrowed.collect()), ..*self }
    }

    /// From the first key that query `row` of all sees, to the one after the last, in its sequence; empty where it sees none.
    ///
    /// # Panics
    /// When there is no such query.
    pub fn seen_by(&self, row: usize) -> Range<u32> {
        let Visible::Ranges(ranges) = &self.visible;
        ranges[row][0]..ranges[row][1]
    }

    /// How many sequences.
    pub fn sequences(&self) -> usize {
        self.sequences
    }

    /// Queries a sequence.
    pub fn length(&self) -> usize {
        self.queries
    }

    /// Keys a sequence.
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// Queries of all sequences.
    pub(crate) fn rows(&self) -> usize {
        self.sequences * self.queries
    }

    pub(crate) fn visible(&self) -> &Visible {
        &self.visible
    }
}
