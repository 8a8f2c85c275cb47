use std::ops::Range;
use std::sync::Arc;

use super::{AttentionMask, Dropout, Visible};
use crate::Precision;

/// Where queries and keys stand, for [attention by distance](crate::Tape::relative_attention).
#[derive(Debug, Clone)]
pub struct RelativePlaces {
    places: Arc<[u32]>,
    segments: Option<[Arc<[u32]>; 2]>,
    before: usize,
}

impl RelativePlaces {
    /// Queries at `places` among the keys of their sequences; of the rows of distances, `before` stand before that of distance 0.
    pub fn new(places: impl Into<Arc<[u32]>>, before: usize) -> Self {
        Self { places: places.into(), segments: None, before }
    }

    /// The same with the segment of each query and of each key; without them all are of one.
    #[must_use]
    pub fn with_segments(self, queries: impl Into<Arc<[u32]>>, keys: impl Into<Arc<[u32]>>) -> Self {
        Self { segments: Some([queries.into(), keys.into()]), ..self }
    }

    /// How far the keys that queries at `places` may see lie before them at most, and after them.
    pub fn farthest(places: &[u32], mask: &AttentionMask) -> [usize; 2] {
        let Visible::Ranges(ranges) = mask.visible();
        let seen = ranges.iter().zip(places).filter(|([first, end], _)| first < end);
        seen.fold([0; 2], |[before, after], (&[first, end], &place)| {
            let own = [place.saturating_sub(first), (end - 1).saturating_sub(place)];
            [before.max(own[0] as usize), after.max(own[1] as usize)]
        })
    }

    /// The place of each query among the keys of its sequence.
    pub(crate) fn places(&self) -> &Arc<[u32]> {
        &self.places
    }

    /// The segments of queries, and of keys.
    pub(crate) fn segments(&self) -> Option<&[Arc<[u32]>; 2]> {
        self.segments.as_ref()
    }

    /// Rows of distances before that of distance 0.
    pub(crate) fn before(&self) -> usize {
        self.before
    }
}

/// What forward and backward of one layer share besides its operands.
#[derive(Debug, Clone)]
pub(crate) struct RelativeCall {
    pub precision: Precision,
    pub heads: usize,
    pub head_dim: usize,
    pub mask: AttentionMask,
    /// As in [`RelativePlaces`].
    pub places: Arc<[u32]>,
    pub before: usize,
    /// Rows of distances.
    pub distances: usize,
    /// Of each key; all 0 without an order.
    pub ranks: Arc<[u32]>,
    /// Of each query; all 1 without an order.
    pub limits: Arc<[u32]>,
    /// Of each query, and of each key.
    pub segments: [Arc<[u32]>; 2],
    pub scale: f32,
    pub dropout: Option<Dropout>,
}

impl RelativeCall {
    /// The width of a row of queries, of distances, of the output; half of that of a row `[keys | values]`.
    pub fn width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// The keys that each query may see, whatever their order.
    pub fn ranges(&self) -> &[[u32; 2]] {
        let Visible::Ranges(ranges) = self.mask.visible();
        ranges
    }

    /// The keys of its sequence that a query may see, whatever their order.
    pub fn range(&self, query: usize) -> Range<usize> {
        let [first, end] = self.ranges()[query];
        first as usize..end as usize
    }

    /// The row of distances that belongs to a query and the key `key` of its sequence, counted from the row `first`.
    #[inline(always)]
    pub fn distance(&self, query: usize, key: usize, first: usize) -> usize {
        self.before + key - self.places[query] as usize - first
    }
}
