use super::bias::add_bias;
use super::{
    KEY_BLOCK, Layout, Memory, Operands, PACKED, Packed, QUERY_BLOCK, key_blocks, keys_of_queries,
    packed_rows, seen,
};
use crate::device::Stored;
use crate::device::cpu::product::{Matrix, Output, Spans, Store, multiply_serial};
use crate::element::Element;
use crate::parallel::each_alone;
use crate::simd::{LANES, exp2_for, maximum, sum_of_lanes, vectorised};
use std::ops::Range;

pub fn forward<T: Stored>(layout: Layout<'_>, operands: Operands<'_, T>, y: &mut [T], log_sums: &mut [f32]) {
    if layout.is_empty() {
        y.fill(T::default());
        return log_sums.fill(f32::INFINITY);
    }
    let Layout { heads, queries: length, .. } = layout;
    let pairs = layout.sequences() * heads.kv_heads;
    // Few sequences on many threads: each then packs the keys of its queries for itself.
    let chunks = (2 * rayon::current_num_threads()).div_ceil(pairs).min(length.div_ceil(QUERY_BLOCK));
    let chunk = length.div_ceil(chunks).next_multiple_of(QUERY_BLOCK);
    let chunks = length.div_ceil(chunk);
    let (y, log_sums) = (Output::new(y, heads.query_width()), Output::new(log_sums, heads.heads));
    each_alone(pairs * chunks, &|task| {
        let (pair, first) = (task / chunks, task % chunks * chunk);
        let (sequence, shared) = (pair / heads.kv_heads, pair % heads.kv_heads);
        let rows = sequence * length + first..sequence * length + (first + chunk).min(length);
        let memory = operands.memory.after_rows(sequence * layout.keys);
        Forward { layout, operands, memory, rows }.run(shared, &y, &log_sums);
    });
}

/// The forward pass of some queries of one sequence.
struct Forward<'a, T> {
    layout: Layout<'a>,
    operands: Operands<'a, T>,
    /// The keys and values of the sequence.
    memory: Memory<'a, T>,
    /// The queries, as rows of all sequences.
    rows: Range<usize>,
}

impl<T: Stored> Forward<'_, T> {
    /// All query heads that share one key-value head.
    fn run(&self, shared: usize, y: &Output<'_, T>, log_sums: &Output<'_, f32>) {
        let Layout { precision, heads, .. } = self.layout;
        let dim = heads.head_dim;
        let rows = packed_rows(self.ranges());
        PACKED.with_borrow_mut(|packed| {
            packed.keys.pack(self.memory.key_rows(shared, dim, rows.clone()).transposed(), precision);
            packed.values.pack(self.memory.value_rows(shared, dim, rows), precision);
            for member in 0..heads.group() {
                let head = shared * heads.group() + member;
                for start in self.rows.clone().step_by(QUERY_BLOCK) {
                    let rows = start..(start + QUERY_BLOCK).min(self.rows.end);
                    self.query_block(packed, head, rows, y, log_sums);
                }
            }
        });
    }

    fn ranges(&self) -> &[[u32; 2]] {
        &self.layout.ranges[self.rows.clone()]
    }

    fn query_block(
        &self,
        packed: &mut Packed,
        head: usize,
        rows: Range<usize>,
        y: &Output<'_, T>,
        log_sums: &Output<'_, f32>,
    ) {
        let Layout { precision, heads, .. } = self.layout;
        let (dim, count) = (heads.head_dim, rows.len());
        let ranges = &self.layout.ranges[rows.clone()];
        let first = packed_rows(self.ranges()).start;
        let queries = self.operands.query_rows(head, dim, rows.clone());
        let scale = self.layout.binary_scale();
        let mut running = [[f32::NEG_INFINITY, 0.0]; QUERY_BLOCK];
        let (scores, weights) = packed.blocks.scores::<T>();
        packed.floats.clear();
        packed.floats.resize(count * dim, 0.0);
        for block in key_blocks(ranges) {
            let store = Store::plain(scores, KEY_BLOCK);
            let place = block.start - first..block.end - first;
            let keys = packed.keys.part(0..dim, place.clone(), precision);
            keys_of_queries(&mut packed.keys_of_queries, ranges, &block);
            let spans = &packed.keys_of_queries;
            multiply_serial(&mut packed.left, queries, &keys, Spans::Columns(spans), &store);
            let mut scale = scale;
            if let Some(bias) = self.layout.bias {
                let (sequence, query) = (rows.start / self.layout.queries, rows.start % self.layout.queries);
                let first_key = sequence * self.layout.keys;
                add_bias(scores, &block, ranges, bias, head, first_key, query, scale);
                scale = 1.0;
            }
            softmax_block(scores, weights, &block, ranges, &mut running, &mut packed.floats, scale);
            if let Some(dropout) = self.layout.dropout {
                dropout.weights(weights, &block, self.layout, head, rows.clone());
            }
            let weights = Matrix::strided(&*weights, count, block.len(), KEY_BLOCK);
            let values = packed.values.part(place, 0..dim, precision);
            let add = Store::onto(&mut packed.floats, dim);
            multiply_serial(&mut packed.left, weights, &values, Spans::Inner(spans), &add);
        }
        for (row, (&[largest, total], sums)) in rows.zip(running.iter().zip(packed.floats.chunks_exact(dim)))
        {
            let inverse = if total > 0.0 { 1.0 / total } else { 0.0 };
            // SAFETY: this task alone has these rows of this head.
            let y = unsafe { y.part(row, head * dim, dim) };
            scaled_row(sums, inverse, y);
            // A query that sees nothing gives 0, and weights of 2^(score - infinity) = 0 in backward.
            let log_sum = if total > 0.0 { largest + total.log2() } else { f32::INFINITY };
            // SAFETY: as above.
            let place = unsafe { log_sums.part(row, head, 1) };
            place[0] = log_sum;
        }
    }
}

vectorised! {
    fn scaled_row[T: Element](sums: &[f32], factor: f32, y: &mut [T]) {
        for (y, sum) in y.iter_mut().zip(sums) {
            *y = T::narrow(sum * factor);
        }
    }
}

vectorised! {
    /// Turns scores into weights relative to the running maximum, and rescales what was summed before.
    fn softmax_block with m [T: Element](
        scores: &mut [f32],
        weights: &mut [T],
        block: &Range<usize>,
        ranges: &[[u32; 2]],
        running: &mut [[f32; 2]; QUERY_BLOCK],
        sums: &mut [f32],
        scale: f32,
    ) {
        let dim = sums.len() / ranges.len();
        let rows = scores.chunks_exact_mut(KEY_BLOCK).zip(weights.chunks_exact_mut(KEY_BLOCK)).zip(ranges);
        for ((((scores, weights), &range), running), sums) in rows.zip(running).zip(sums.chunks_exact_mut(dim)) {
            let (start, end) = seen(range, block);
            if start == end {
                weights[..block.len()].fill(T::default());
                continue;
            }
            // Whole vectors; what is not seen weighs 2^(-infinity) = 0.
            let (first, last) = (start / LANES * LANES, end.next_multiple_of(LANES));
            weights[..first].fill(T::default());
            weights[last.min(block.len())..block.len()].fill(T::default());
            scores[first..start].fill(f32::NEG_INFINITY);
            scores[end..last].fill(f32::NEG_INFINITY);
            let (scores, weights) = (&mut scores[first..last], &mut weights[first..last]);
            let [old, total] = *running;
            let largest = (scale * maximum(scores)).max(old);
            let mut lanes = [0.0_f32; LANES];
            for scores in scores.as_chunks_mut::<LANES>().0 {
                for (score, lane) in scores.iter_mut().zip(&mut lanes) {
                    *score = exp2_for::<T>(m, m.multiply_add(*score, scale, -largest));
                    *lane += *score;
                }
            }
            T::narrow_row(scores, weights);
            let correction = exp2_for::<T>(m, old - largest);
            *running = [largest, total * correction + sum_of_lanes(lanes)];
            if total > 0.0 && correction != 1.0 {
                sums.iter_mut().for_each(|value| *value *= correction);
            }
        }
    }
}
