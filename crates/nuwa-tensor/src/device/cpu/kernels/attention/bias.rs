use std::ops::Range;

use super::{KEY_BLOCK, QUERY_BLOCK, seen};
use crate::calls::BiasCall;
use crate::device::cpu::product::TILE_ROWS;
use crate::device::{Storage, Stored};
use crate::element::Element;
use crate::simd::vectorised;

/// A bias of scores, `[heads][rows]`.
pub struct HeadBias {
    values: Vec<f32>,
    rows: usize,
    /// As in [`BiasCall`].
    before: Option<usize>,
}

/// The bias of a block `[keys][queries]`, its queries beside each other.
pub struct BlockBias<'a> {
    values: &'a [f32],
    first: usize,
    /// From a key to the next.
    step: isize,
}

impl BlockBias<'_> {
    /// Of some queries from `query` on.
    #[inline(always)]
    pub fn of(&self, key: usize, query: usize, queries: usize) -> &[f32] {
        &self.values[self.first.wrapping_add_signed(key as isize * self.step) + query..][..queries]
    }
}

impl HeadBias {
    /// The values of a table `[rows, heads]`, times `factor`.
    pub fn new(call: BiasCall, table: &Storage, factor: f32) -> Self {
        let BiasCall { rows, before, .. } = call;
        let (all, heads): (&[f32], usize) = (Stored::of(table), table.len() / rows);
        let of_head = |head: usize| all[head..].iter().step_by(heads).map(|value| value * factor);
        Self { values: (0..heads).flat_map(of_head).collect(), rows, before }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    fn head(&self, head: usize) -> &[f32] {
        &self.values[head * self.rows..][..self.rows]
    }

    /// What `keys` get that a query sees, both of the sequence whose first key is `first_key`.
    pub fn of_keys(&self, head: usize, first_key: usize, query: usize, keys: Range<usize>) -> &[f32] {
        let first = match self.before {
            Some(before) => before + keys.start - query,
            None => first_key + keys.start,
        };
        &self.head(head)[first..][..keys.len()]
    }

    /// The bias of a block; what is by distance stands along diagonals, so that a key's begins one before that of the key
    /// before it.
    pub fn of_block<'a>(
        &self,
        head: usize,
        first_key: usize,
        query: usize,
        keys: &Range<usize>,
        values: &'a mut Vec<f32>,
    ) -> BlockBias<'a> {
        values.clear();
        let Some(before) = self.before else {
            let own = &self.head(head)[first_key + keys.start..][..keys.len()];
            values.extend(own.iter().flat_map(|value| [*value; QUERY_BLOCK]));
            return BlockBias { values, first: 0, step: QUERY_BLOCK as isize };
        };
        let (own, nearest) = (self.head(head), before + keys.end - 1);
        // 0 for distances that the table does not have, of which no query sees a key.
        let of_place = |place: usize| nearest.checked_sub(query + place).and_then(|column| own.get(column));
        values.extend((0..keys.len() + QUERY_BLOCK).map(|place| of_place(place).copied().unwrap_or(0.0)));
        BlockBias { values, first: keys.len() - 1, step: -1 }
    }

    /// Adds sums along diagonals, of which the first is that of the first query and the last key, to those of all distances.
    pub fn add_diagonals(&self, query: usize, last_key: usize, diagonals: &[f32], totals: &mut [f32]) {
        let nearest = self.before.unwrap_or(0) + last_key;
        for (place, sum) in diagonals.iter().enumerate() {
            let column = nearest.checked_sub(query + place);
            if let Some(total) = column.and_then(|column| totals.get_mut(column)) {
                *total += sum;
            }
        }
    }
}

vectorised! {
    /// `scale S + bias` in place of the scores `S` of a block `[queries][keys]` that are seen.
    pub fn add_bias with m (
        scores: &mut [f32],
        block: &Range<usize>,
        ranges: &[[u32; 2]],
        bias: &HeadBias,
        head: usize,
        first_key: usize,
        query: usize,
        scale: f32,
    ) {
        for ((scores, &range), query) in scores.chunks_exact_mut(KEY_BLOCK).zip(ranges).zip(query..) {
            let (start, end) = seen(range, block);
            if start < end {
                let bias = bias.of_keys(head, first_key, query, block.start + start..block.start + end);
                for (score, bias) in scores[start..end].iter_mut().zip(bias) {
                    *score = m.multiply_add(*score, scale, *bias);
                }
            }
        }
    }
}

vectorised! {
    /// Adds a block `[keys][queries]` of gradients of scores to the sums along its diagonals, the first of which is that of the
    /// first query and the last key; `seeing` are the queries that see any key of a tile.
    pub fn sum_diagonals[T: Element](gradients: &[T], keys: usize, seeing: &[Range<usize>], sums: &mut [f32]) {
        for (key, gradients) in gradients.chunks_exact(QUERY_BLOCK).take(keys).enumerate() {
            let queries = seeing[key / TILE_ROWS].clone();
            let sums = &mut sums[keys - 1 - key..][queries.clone()];
            for (sum, gradient) in sums.iter_mut().zip(&gradients[queries]) {
                *sum += gradient.widen();
            }
        }
    }
}
