use std::ops::Range;

use super::{KEY_BLOCK, Layout, QUERY_BLOCK};
use crate::Random;
use crate::element::Element;
use crate::simd::vectorised;

/// Keys that share one draw of four words.
const GROUP: usize = 4;

/// Which weights are dropped: a function of the query's row, its head and the key alone, so that backward and every
/// number of threads draw the same.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    random: Random,
    threshold: u32,
    scale: f32,
}

/// Where the draws of some queries and a block of keys lie.
#[derive(Clone, Copy)]
struct Place {
    /// The first draw of the first query.
    first: u64,
    /// Draws from a query to the next.
    stride: u64,
}

impl Dropout {
    /// Each weight becomes 0 with this probability; the others grow by `1 / (1 - probability)`.
    pub fn new(random: Random, probability: f32) -> Self {
        let threshold = (f64::from(probability) * 2_f64.powi(32)) as u32;
        Self { random, threshold, scale: 1.0 / (1.0 - probability) }
    }

    #[inline(always)]
    fn factors(&self, index: u64) -> [f32; GROUP] {
        self.random.words(index).map(|word| if word >= self.threshold { self.scale } else { 0.0 })
    }

    /// `block` begins at a whole group, for it begins where a panel does.
    fn place(layout: Layout<'_>, head: usize, row: usize, block: &Range<usize>) -> Place {
        let (heads, groups) = (layout.heads.heads as u64, layout.keys.div_ceil(GROUP) as u64);
        let first = (row as u64 * heads + head as u64) * groups + (block.start / GROUP) as u64;
        Place { first, stride: heads * groups }
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
