use std::ops::Range;

use super::{KEY_BLOCK, Layout, QUERY_BLOCK};
use crate::calls::Dropout;
use crate::element::Element;
use crate::simd::vectorised;

const GROUP: usize = Dropout::GROUP;

/// Where the draws of some queries and a block of keys lie.
#[derive(Clone, Copy)]
struct Place {
    /// The first draw of the first query.
    first: u64,
    /// Draws from a query to the next.
    stride: u64,
}

impl Dropout {
    /// `block` begins at a whole group, for it begins where a panel does.
    fn place(layout: Layout<'_>, head: usize, row: usize, block: &Range<usize>) -> Place {
        let heads = layout.heads.heads;
        let first = Self::draw(row, [head, heads], [block.start, layout.keys]);
        Place { first, stride: heads as u64 * layout.keys.div_ceil(GROUP) as u64 }
    }

    /// Drops weights of a block `[queries][keys]`.
    pub fn weights<T: Element>(
        &self,
        weights: &mut [T],
        block: &Range<usize>,
        layout: Layout<'_>,
        head: usize,
        rows: Range<usize>,
    ) {
        let place = Self::place(layout, head, rows.start, block);
        drop_weights(*self, place, block.len(), &mut weights[..rows.len() * KEY_BLOCK]);
    }

    /// What the weights of a block `[keys][queries]` are multiplied by.
    pub fn transposed_factors(
        &self,
        factors: &mut Vec<f32>,
        block: &Range<usize>,
        layout: Layout<'_>,
        head: usize,
        rows: Range<usize>,
    ) {
        let place = Self::place(layout, head, rows.start, block);
        factors.resize(block.len().next_multiple_of(GROUP) * QUERY_BLOCK, 0.0);
        transposed(*self, place, rows.len(), factors);
    }
}

vectorised! {
    fn drop_weights[T: Element](dropout: Dropout, place: Place, keys: usize, weights: &mut [T]) {
        for (query, weights) in (0..).zip(weights.chunks_exact_mut(KEY_BLOCK)) {
            let first = place.first + query * place.stride;
            for (group, weights) in (0..).zip(weights[..keys].chunks_mut(GROUP)) {
                for (weight, factor) in weights.iter_mut().zip(dropout.factors(first + group)) {
                    *weight = T::narrow(weight.widen() * factor);
                }
            }
        }
    }
}

vectorised! {
    fn transposed(dropout: Dropout, place: Place, queries: usize, factors: &mut [f32]) {
        for (group, factors) in (0..).zip(factors.chunks_exact_mut(GROUP * QUERY_BLOCK)) {
            for query in 0..queries {
                let drawn = dropout.factors(place.first + query as u64 * place.stride + group);
                for (lane, factor) in drawn.into_iter().enumerate() {
                    factors[lane * QUERY_BLOCK + query] = factor;
                }
            }
        }
    }
}
