//! A bias of the scores by where a query and a key stand.
//!
//! `y_i = sum over j of softmax_j(scale q_i . k_j + b[j - i]) v_j` with a number for each distance and head, which may be learned:
//! T5's (Raffel et al. 2020), where neighbouring distances share a bucket. The gradient of `b[d]` is the sum of `dS` along a
//! diagonal, `sum over i of dS[i, i + d]`, over all sequences. Or `b[j]`, with a number for each key and head: as a softmax does not
//! change with what is added to all of a row, ALiBi's `-slope (i - j)` (Press et al. 2022) is `slope j`.

use crate::calls::{AttentionMask, BiasCall, HeadLayout, Visible};
use crate::element::DType;
use crate::{Error, Result, Tensor};

/// What is added to scaled scores. Tables are `f32`.
#[derive(Debug, Clone, Copy)]
pub enum AttentionBias<'a> {
    /// A number for each distance `j - i` of a key `j` from a query `i`, and each head.
    Relative {
        /// `[distances, heads]`, in the rising order of distances.
        table: &'a Tensor,
        /// How many rows stand before that of distance 0.
        before: usize,
    },
    /// A number for each key and head, without a gradient.
    Keys {
        /// `[rows, heads]`; over caches `[positions, heads]`.
        table: &'a Tensor,
    },
}

impl<'a> AttentionBias<'a> {
    /// The numbers.
    pub(crate) fn table(&self) -> &'a Tensor {
        match *self {
            Self::Relative { table, .. } | Self::Keys { table } => table,
        }
    }

    /// What kernels have to know of it. `farthest` is how far the keys lie before their queries, and after them; `keys` is how
    /// many there are.
    pub(crate) fn check(
        &self,
        operation: &'static str,
        heads: HeadLayout,
        farthest: [usize; 2],
        keys: usize,
    ) -> Result<BiasCall> {
        let table = self.table();
        let (shape, rows) = (table.shape(), table.rows());
        if shape.axes().len() != 2 || table.width() != heads.heads || table.dtype() != DType::F32 {
            let reason = format!("a bias of shape {shape} in {:?} does not fit {heads:?}", table.dtype());
            return Err(Error::shape(operation, reason));
        }
        let is_tracked = table.is_tracked();
        let (before, missing) = match *self {
            Self::Relative { before, .. } => (Some(before), missing_distances(rows, before, farthest)),
            Self::Keys { .. } if is_tracked => return Err(Error::NoBackward { operation }),
            Self::Keys { .. } => {
                (None, (rows < keys).then(|| format!("the bias has {rows} rows, but there are {keys} keys")))
            }
        };
        match missing {
            Some(reason) => Err(Error::shape(operation, reason)),
            None => Ok(BiasCall { rows, before, is_tracked }),
        }
    }
}

/// In words, where a table lacks a distance.
fn missing_distances(rows: usize, before: usize, farthest: [usize; 2]) -> Option<String> {
    let after = rows.checked_sub(before).and_then(|rows| rows.checked_sub(1));
    if farthest[0] <= before && after.is_some_and(|after| farthest[1] <= after) {
        return None;
    }
    Some(format!(
        "the bias has {rows} distances, {before} of them before the query, but keys lie up to {} before and {} after it",
        farthest[0], farthest[1]
    ))
}

impl AttentionMask {
    /// How far the keys that are seen lie before their queries at most, and after them.
    pub(crate) fn farthest(&self) -> [usize; 2] {
        let Visible::Ranges(ranges) = self.visible();
        let mut farthest = [0; 2];
        for (row, &[first, end]) in ranges.iter().enumerate().filter(|(_, [first, end])| first < end) {
            let query = row % self.length();
            farthest[0] = farthest[0].max(query.saturating_sub(first as usize));
            farthest[1] = farthest[1].max((end as usize - 1).saturating_sub(query));
        }
        farthest
    }
}

/// T5's rule that gives each distance a bucket (Raffel et al. 2020): near ones have one each, far ones share by their logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelativeBuckets {
    /// Buckets.
    pub buckets: usize,
    /// The distance from which on all share the last bucket.
    pub max_distance: usize,
    /// Whether keys after the query have buckets of their own, half of all; else they share that of distance 0.
    pub bidirectional: bool,
}

impl RelativeBuckets {
    /// The bucket of distance `j - i`, below [`RelativeBuckets::buckets`]. In `f32`, as PyTorch computes it.
    pub fn bucket(&self, distance: i64) -> u32 {
        let own = if self.bidirectional { self.buckets / 2 } else { self.buckets };
        let first = if self.bidirectional && distance > 0 { own } else { 0 };
        let length = if self.bidirectional { distance.abs() } else { -distance.min(0) } as usize;
        let exact = own / 2;
        if length < exact {
            return (first + length) as u32;
        }
        let range = (self.max_distance as f64 / exact as f64).ln() as f32;
        let share = (length as f32 / exact as f32).ln() / range;
        let far = exact + (share * (own - exact) as f32) as usize;
        (first + far.min(own - 1)) as u32
    }

    /// The buckets of all distances from `-before` to `after`.
    pub fn of_distances(&self, before: usize, after: usize) -> Vec<u32> {
        (-(before as i64)..=after as i64).map(|distance| self.bucket(distance)).collect()
    }
}
