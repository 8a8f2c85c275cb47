use std::ops::Range;
use std::sync::Arc;

use super::{Block, Learned, Pair, RelativeOperands, Span, WORKSPACE, Workspace, dropout_factors, room};
use crate::calls::RelativeCall;
use crate::device::cpu::product::{Matrix, Output, Spans, Store, multiply_serial};
use crate::device::{Pool, Stored};
use crate::element::convert;
use crate::parallel::{chunks, each_part_in, rows_mut};
use crate::simd::{dot, exp2_for, vectorised};

/// What forward read and left.
#[derive(Clone, Copy)]
pub struct RelativeSaved<'a, T> {
    pub operands: RelativeOperands<'a, T>,
    pub output: &'a [T],
    pub log_sums: &'a [f32],
    pub dy: &'a [T],
}

/// The gradients of the rows, every element of which is written, and of the biases and segments, `[5, heads head_dim]`, to which is
/// added.
pub struct RelativeSlopes<'a, T> {
    pub queries: &'a mut [T],
    pub memory: &'a mut [T],
    pub distances: &'a mut [T],
    pub parameters: &'a mut [f32],
}

/// Rows of the gradients of parameters.
pub const PARAMETERS: usize = 5;

/// The gradients of all rows. Those that sequences share are summed up apart for each, and added in order.
pub fn backward<T: Stored>(
    pool: &Arc<Pool>,
    call: &RelativeCall,
    learned: &Learned,
    saved: RelativeSaved<'_, T>,
    slopes: RelativeSlopes<'_, T>,
) {
    let (dim, width, distances) = (call.head_dim, call.width(), call.distances);
    let pairs = Pair::<T>::count(call);
    let mut sums = pool.take_zeroed::<f32>(pairs * (distances + PARAMETERS) * dim);
    let queries = Output::new(slopes.queries, width);
    let memory = Output::new(slopes.memory, 2 * width);
    let own = chunks(&mut sums, ((distances + PARAMETERS) * dim).max(1));
    each_part_in(own, 1..=1, |pair, sums| {
        let pair = Pair::new(call, learned, saved.operands, pair);
        let (distances, parameters) = sums.split_at_mut(distances * dim);
        let shared = Shared { distances, parameters };
        WORKSPACE.with_borrow_mut(|workspace| pair.backward(workspace, &saved, &queries, &memory, shared));
    });
    let of_pair = |sequence: usize, head: usize| {
        &sums[(sequence * call.heads + head) * (distances + PARAMETERS) * dim..]
    };
    let sequences = call.mask.sequences();
    let row = |row: usize, out: &mut [f32]| {
        for sequence in 0..sequences {
            for (head, out) in out.chunks_exact_mut(dim).enumerate() {
                let sums = &of_pair(sequence, head)[row * dim..][..dim];
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
            }
        }
    };
    rows_mut(slopes.distances, width, |first, rows| {
        for (index, out) in rows.chunks_exact_mut(width).enumerate() {
            let mut total = vec![0.0; width];
            row(first + index, &mut total);
            convert(&total, out);
        }
    });
    for (index, out) in slopes.parameters.chunks_exact_mut(width).enumerate() {
        row(distances + index, out);
    }
}

/// The gradients that a pair shares with other sequences.
struct Shared<'a> {
    /// `[distances, head_dim]`.
    distances: &'a mut [f32],
    /// `[PARAMETERS, head_dim]`.
    parameters: &'a mut [f32],
}

impl<T: Stored> Pair<'_, T> {
    fn backward(
        &self,
        workspace: &mut Workspace,
        saved: &RelativeSaved<'_, T>,
        d_queries: &Output<'_, T>,
        d_memory: &Output<'_, T>,
        mut shared: Shared<'_>,
    ) {
        let (precision, dim, keys) = (self.call.precision, self.call.head_dim, self.call.mask.keys());
        workspace.transposed_keys.pack(self.keys().transposed(), precision);
        workspace.transposed_values.pack(self.values().transposed(), precision);
        workspace.transposed_distances.pack(self.distances().transposed(), precision);
        workspace.keys.pack(self.keys(), precision);
        workspace.distances.pack(self.distances(), precision);
        let mut floats = std::mem::take(&mut workspace.floats);
        let sums = room(&mut floats, 2 * keys * dim);
        sums.fill(0.0);
        let (d_keys, d_values) = sums.split_at_mut(keys * dim);
        for rows in self.blocks() {
            let span = self.span(rows.clone());
            if span.keys.is_empty() {
                for row in rows {
                    // SAFETY: this task alone has this head of this row.
                    let d_query = unsafe { d_queries.part(row, self.column(), dim) };
                    d_query.fill(T::default());
                }
                continue;
            }
            self.scores(workspace, &rows, &span, self.call.scale * std::f32::consts::LOG2_E);
            let kinds = self.slopes_of_scores(workspace, saved, &rows, &span);
            self.sum_up(workspace, saved, &rows, &span, [&mut *d_keys, &mut *d_values], &mut shared);
            self.write_queries(workspace, &rows, &span, &kinds, d_queries, &mut shared);
        }
        for (key, (d_key, d_value)) in d_keys.chunks_exact(dim).zip(d_values.chunks_exact(dim)).enumerate() {
            let row = self.sequence * keys + key;
            for (column, values) in [(0, d_key), (self.call.width(), d_value)] {
                // SAFETY: this task alone has this head of this sequence.
                convert(values, unsafe { d_memory.part(row, column + self.column(), dim) });
            }
        }
        workspace.floats = floats;
    }

    /// Turns the scores of a block into weights and their gradients, and puts these along distances, too. Gives the sums of the
    /// gradients over keys of the same segment and of another.
    fn slopes_of_scores(
        &self,
        workspace: &mut Workspace,
        saved: &RelativeSaved<'_, T>,
        rows: &Range<usize>,
        span: &Span,
    ) -> Vec<[f32; 2]> {
        let (dim, width, keys) = (self.call.head_dim, self.call.width(), span.keys.len());
        let Workspace { transposed_values, left, block, factors, .. } = workspace;
        let Block { scores, relative, gradients, .. } = block;
        let gradients = room(gradients, rows.len() * keys);
        let dy = Matrix::strided(&saved.dy[rows.start * width + self.column()..], rows.len(), dim, width);
        let right = transposed_values.part(0..dim, span.keys.clone(), self.call.precision);
        multiply_serial(left, dy, &right, Spans::All, &Store::plain(gradients, keys));
        let relative = room(relative, rows.len() * span.distances.len());
        relative.fill(0.0);
        let mut kinds = Vec::with_capacity(rows.len());
        for (index, row) in rows.clone().enumerate() {
            let (scores, gradients) =
                (&mut scores[index * keys..][..keys], &mut gradients[index * keys..][..keys]);
            let seen = self.call.range(row);
            if seen.is_empty() {
                scores.fill(0.0);
                gradients.fill(0.0);
                kinds.push([0.0; 2]);
                continue;
            }
            factors.clear();
            match self.call.dropout {
                Some(dropout) => {
                    dropout_factors(dropout, self.call, row, self.head, &span.keys, factors);
                }
                None => factors.resize(keys, 1.0),
            }
            let [first, end] = [seen.start, seen.end].map(|key| key - span.keys.start);
            for outside in [0..first, end..keys] {
                scores[outside.clone()].fill(0.0);
                gradients[outside].fill(0.0);
            }
            let dot = dot(self.of_row(saved.dy, row), self.of_row(saved.output, row));
            let log_sum = saved.log_sums[row * self.call.heads + self.head];
            let (scores, gradients) = (&mut scores[first..end], &mut gradients[first..end]);
            slopes(scores, gradients, &factors[first..end], log_sum, dot, self.call.scale);
            let start =
                index * span.distances.len() + self.call.distance(row, seen.start, span.distances.start);
            relative[start..][..seen.len()].copy_from_slice(gradients);
            let first_key = self.sequence * self.call.mask.keys() + seen.start;
            let segments = &self.call.segments[1][first_key..][..seen.len()];
            kinds.push(sums_of_kinds(gradients, segments, self.call.segments[0][row]));
        }
        kinds
    }

    /// Adds what a block gives to the gradients of keys, values and distances.
    fn sum_up(
        &self,
        workspace: &mut Workspace,
        saved: &RelativeSaved<'_, T>,
        rows: &Range<usize>,
        span: &Span,
        [d_keys, d_values]: [&mut [f32]; 2],
        shared: &mut Shared<'_>,
    ) {
        let (precision, dim, width) = (self.call.precision, self.call.head_dim, self.call.width());
        let Workspace { outputs, with_content, with_distance, left, block, .. } = workspace;
        let (count, keys, distances) = (rows.len(), span.keys.len(), span.distances.len());
        let of_span = |span: &Range<usize>| span.start * dim..span.end * dim;
        let dy = Matrix::strided(&saved.dy[rows.start * width + self.column()..], count, dim, width);
        outputs.pack(dy, precision);
        with_content.pack(Matrix::new(&block.content, count, dim), precision);
        with_distance.pack(Matrix::new(&block.distance, count, dim), precision);
        let products = [
            (&block.scores, keys, &*outputs, &mut d_values[of_span(&span.keys)]),
            (&block.gradients, keys, &*with_content, &mut d_keys[of_span(&span.keys)]),
            (&block.relative, distances, &*with_distance, &mut shared.distances[of_span(&span.distances)]),
        ];
        for (values, width, right, sums) in products {
            let values = Matrix::new(&values[..count * width], count, width).transposed();
            multiply_serial(left, values, &right.whole(precision), Spans::All, &Store::onto(sums, dim));
        }
    }

    /// The gradient of the queries of a block, and what it adds to those of biases and segments.
    fn write_queries(
        &self,
        workspace: &mut Workspace,
        rows: &Range<usize>,
        span: &Span,
        kinds: &[[f32; 2]],
        d_queries: &Output<'_, T>,
        shared: &mut Shared<'_>,
    ) {
        let (precision, dim, width) = (self.call.precision, self.call.head_dim, self.call.width());
        let Workspace { keys, distances, left, block, .. } = workspace;
        let count = rows.len();
        let mut products = [vec![0.0; count * dim], vec![0.0; count * dim]];
        let inputs =
            [(&block.gradients, &*keys, &span.keys), (&block.relative, &*distances, &span.distances)];
        for (out, (values, right, span)) in products.iter_mut().zip(inputs) {
            let values = Matrix::new(&values[..count * span.len()], count, span.len());
            let right = right.part(span.clone(), 0..dim, precision);
            multiply_serial(left, values, &right, Spans::All, &Store::plain(out, dim));
        }
        let segment_bias = self.of_row(&self.learned.biases[2], 0);
        let segments = [0, 1].map(|kind| &self.learned.segments[kind * width + self.column()..][..dim]);
        let sums = &mut *shared.parameters;
        for (index, row) in rows.clone().enumerate() {
            let query = self.of_row(self.operands.queries, row);
            let mut whole = vec![0.0; dim];
            for d in 0..dim {
                let [content, distance] = products.each_ref().map(|product| product[index * dim + d]);
                let [same, other] = kinds[index];
                let segment = same * segments[0][d] + other * segments[1][d];
                whole[d] = content + distance + segment;
                let with_bias = query[d].widen() + segment_bias[d];
                let parts = [content, distance, segment, same * with_bias, other * with_bias];
                for (parameter, part) in parts.into_iter().enumerate() {
                    sums[parameter * dim + d] += part;
                }
            }
            // SAFETY: this task alone has this head of this row.
            convert(&whole, unsafe { d_queries.part(row, self.column(), dim) });
        }
    }
}

vectorised! {
    /// `P = 2^(S - log sum)` in place of the scores, then `scale P (F dP - D)` in place of `dP`, and `P F` in place of `P`.
    fn slopes with m (scores: &mut [f32], gradients: &mut [f32], factors: &[f32], log_sum: f32, dot: f32, scale: f32) {
        for ((score, gradient), factor) in scores.iter_mut().zip(gradients).zip(factors) {
            let weight = exp2_for::<f32>(m, *score - log_sum);
            *gradient = scale * weight * (factor * *gradient - dot);
            *score = weight * factor;
        }
    }
}

/// The sum over keys of the query's own segment, and over others.
fn sums_of_kinds(gradients: &[f32], segments: &[u32], own: u32) -> [f32; 2] {
    let mut sums = [0.0; 2];
    for (gradient, segment) in gradients.iter().zip(segments) {
        sums[usize::from(*segment != own)] += gradient;
    }
    sums
}
