use std::ops::Range;
use std::sync::Arc;

use crate::{Error, Result};

/// Which keys each query attends to, in sequences of equal length.
///
/// A contiguous range of keys a query is enough for causal, bidirectional, prefix and sliding-window attention, for padding and
/// for document boundaries. An [order](AttentionMask::in_order) beside the ranges hides keys within them, too.
#[derive(Debug, Clone)]
pub struct AttentionMask {
    sequences: usize,
    queries: usize,
    keys: usize,
    visible: Visible,
    order: Option<Order>,
}

/// An order in which tokens are predicted: of the keys in its range a query sees those that come before its limit.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Of each key of all sequences.
    pub ranks: Arc<[u32]>,
    /// Of each query of all sequences.
    pub limits: Arc<[u32]>,
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
        Ok(Self { sequences, queries, keys, visible: Visible::Ranges(ranges.into()), order: None })
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
        Self { sequences, queries, keys, visible: Visible::Ranges(one.repeat(sequences).into()), order: None }
    }

    /// The same, but each query sees a key only where the rank of the key is below the limit of the query: any factorisation
    /// order of a text (Yang et al. 2019). A token of rank `r` that sees itself has the limit `r + 1`, one that does not `r`.
    /// Only [relative attention](crate::Tape::relative_attention) computes it.
    ///
    /// # Errors
    /// When there is not one rank a key and one limit a query.
    pub fn in_order(self, ranks: Vec<u32>, limits: Vec<u32>) -> Result<Self> {
        let (keys, queries) = (self.sequences * self.keys, self.rows());
        if ranks.len() != keys || limits.len() != queries {
            let [ranks, limits] = [ranks.len(), limits.len()];
            let reason = format!("{ranks} ranks of {keys} keys, {limits} limits of {queries} queries");
            return Err(Error::shape("attention mask", reason));
        }
        Ok(Self { order: Some(Order { ranks: ranks.into(), limits: limits.into() }), ..self })
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

    /// The queries of this mask and after them those of `other`, sequence by sequence, over the same keys. An order of only one of
    /// them hides nothing from the queries of the other.
    ///
    /// # Errors
    /// When the two differ in sequences or keys.
    pub fn beside(&self, other: &Self) -> Result<Self> {
        if [self.sequences, self.keys] != [other.sequences, other.keys] {
            let [own, others] = [self, other].map(|mask| [mask.sequences, mask.keys]);
            let reason = format!("{own:?} sequences and keys beside {others:?}");
            return Err(Error::shape("attention mask", reason));
        }
        let both = [self, other];
        let ranges = interleaved(self.sequences, both.map(|mask| mask.ranges()));
        let ranks = both.iter().find_map(|mask| mask.order.as_ref()).map(|order| Arc::clone(&order.ranks));
        let order = ranks.map(|ranks| {
            let limits = both.map(Self::limits);
            Order {
                ranks,
                limits: interleaved(self.sequences, limits.each_ref().map(|limits| &limits[..])).into(),
            }
        });
        let queries = self.queries + other.queries;
        Ok(Self { queries, visible: Visible::Ranges(ranges.into()), order, ..*self })
    }

    /// The same over more keys: before those of each sequence stand `memory` others, which come first in every order. A query
    /// that sees its sequence from the first key on sees those of memory from `first` of its sequence on, too.
    ///
    /// # Errors
    /// When there is not one `first` a sequence, at most `memory`.
    pub fn after_memory(&self, memory: usize, first: &[u32]) -> Result<Self> {
        let fits = first.len() == self.sequences && first.iter().all(|&first| first as usize <= memory);
        if !fits {
            let reason =
                format!("memory of {memory} keys begins at {first:?} in {} sequences", self.sequences);
            return Err(Error::shape("attention mask", reason));
        }
        let later = |(row, &[start, end]): (usize, &[u32; 2])| {
            let memory = memory as u32;
            [if start == 0 { first[row / self.queries] } else { memory + start }, memory + end]
        };
        let ranges = self.ranges().iter().enumerate().map(later).collect();
        let order = self.order.as_ref().map(|order| {
            let of_sequence = |ranks: &[u32]| [&vec![0; memory][..], ranks].concat();
            let ranks = order.ranks.chunks_exact(self.keys.max(1)).flat_map(of_sequence).collect();
            Order { ranks, limits: Arc::clone(&order.limits) }
        });
        Ok(Self { keys: memory + self.keys, visible: Visible::Ranges(ranges), order, ..*self })
    }

    fn ranges(&self) -> &[[u32; 2]] {
        let Visible::Ranges(ranges) = &self.visible;
        ranges
    }

    /// The limit of each query, above every rank where there is no order.
    fn limits(&self) -> Arc<[u32]> {
        let none = || vec![u32::MAX; self.rows()].into();
        self.order.as_ref().map_or_else(none, |order| Arc::clone(&order.limits))
    }

    fn narrowed(&self, narrow: impl Fn(usize, [u32; 2]) -> [u32; 2]) -> Self {
        let Visible::Ranges(ranges) = &self.visible;
        let narrowed = ranges.iter().enumerate().map(|(row, &range)| narrow(row, range));
        let order = self.order.clone();
        Self { visible: Visible::Ranges(narrowed.collect()), order, ..*self }
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

    /// The order beside the ranges, where there is one.
    pub(crate) fn order(&self) -> Option<&Order> {
        self.order.as_ref()
    }
}

/// What belongs to the queries of two masks, sequence by sequence.
fn interleaved<T: Copy>(sequences: usize, [first, second]: [&[T]; 2]) -> Vec<T> {
    let of = |all: &[T], sequence: usize| {
        let count = all.len() / sequences;
        all[sequence * count..(sequence + 1) * count].to_vec()
    };
    (0..sequences).flat_map(|sequence| [of(first, sequence), of(second, sequence)].concat()).collect()
}
