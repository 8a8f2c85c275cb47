use std::ops::Range;

use super::{Learned, Pair, RelativeOperands, Span, WORKSPACE, Workspace, dropout_factors, room};
use crate::calls::RelativeCall;
use crate::device::Stored;
use crate::device::cpu::product::{Matrix, Output, Spans, Store, multiply_serial};
use crate::element::convert;
use crate::parallel::each_alone;
use crate::simd::{LANES, exp2_for, maximum, sum_of_lanes, vectorised};

/// The output, and the logarithm of base 2 of each query's sum of weights, `[rows][heads]`.
pub fn forward<T: Stored>(
    call: &RelativeCall,
    operands: RelativeOperands<'_, T>,
    learned: &Learned,
    y: &mut [T],
    log_sums: &mut [f32],
) {
    let (y, log_sums) = (Output::new(y, call.width()), Output::new(log_sums, call.heads));
    each_alone(Pair::<T>::count(call), &|pair| {
        let pair = Pair::new(call, learned, operands, pair);
        WORKSPACE.with_borrow_mut(|workspace| pair.forward(workspace, &y, &log_sums));
    });
}

impl<T: Stored> Pair<'_, T> {
    fn forward(&self, workspace: &mut Workspace, y: &Output<'_, T>, log_sums: &Output<'_, f32>) {
        let precision = self.call.precision;
        workspace.transposed_keys.pack(self.keys().transposed(), precision);
        workspace.transposed_distances.pack(self.distances().transposed(), precision);
        workspace.values.pack(self.values(), precision);
        for rows in self.blocks() {
            let span = self.span(rows.clone());
            if span.keys.is_empty() {
                self.write_nothing(rows, y, log_sums);
                continue;
            }
            self.scores(workspace, &rows, &span, self.call.scale * std::f32::consts::LOG2_E);
            self.weigh(workspace, &rows, &span, log_sums);
            self.sum_values(workspace, &rows, &span, y);
        }
    }

    /// The output of queries that see no key.
    fn write_nothing(&self, rows: Range<usize>, y: &Output<'_, T>, log_sums: &Output<'_, f32>) {
        for row in rows {
            // SAFETY: this task alone has this head of this row.
            let y = unsafe { y.part(row, self.column(), self.call.head_dim) };
            y.fill(T::default());
            // SAFETY: as above.
            let log_sum = unsafe { log_sums.part(row, self.head, 1) };
            log_sum[0] = f32::INFINITY;
        }
    }

    /// Turns scores into weights, with dropout; 0 for keys that are not seen.
    fn weigh(&self, workspace: &mut Workspace, rows: &Range<usize>, span: &Span, log_sums: &Output<'_, f32>) {
        let keys = span.keys.len();
        for (index, row) in rows.clone().enumerate() {
            let seen = self.call.range(row);
            let scores = &mut workspace.block.scores[index * keys..][..keys];
            let [first, end] = match seen.is_empty() {
                true => [0; 2],
                false => [seen.start, seen.end].map(|key| key - span.keys.start),
            };
            scores[..first].fill(0.0);
            scores[end..].fill(0.0);
            // SAFETY: this task alone has this head of this row.
            let log_sum = unsafe { log_sums.part(row, self.head, 1) };
            log_sum[0] = softmax(&mut scores[first..end]);
            if let Some(dropout) = self.call.dropout {
                dropout_factors(dropout, self.call, row, self.head, &span.keys, &mut workspace.factors);
                scores.iter_mut().zip(&workspace.factors).for_each(|(weight, factor)| *weight *= factor);
            }
        }
    }

    fn sum_values(&self, workspace: &mut Workspace, rows: &Range<usize>, span: &Span, y: &Output<'_, T>) {
        let (dim, keys) = (self.call.head_dim, span.keys.len());
        let Workspace { values, left, block, floats, .. } = workspace;
        let sums = room(floats, rows.len() * dim);
        let weights = Matrix::new(&block.scores[..rows.len() * keys], rows.len(), keys);
        let right = values.part(span.keys.clone(), 0..dim, self.call.precision);
        multiply_serial(left, weights, &right, Spans::All, &Store::plain(sums, dim));
        for (row, sums) in rows.clone().zip(sums.chunks_exact(dim)) {
            // SAFETY: as above.
            convert(sums, unsafe { y.part(row, self.column(), dim) });
        }
    }
}

vectorised! {
    /// Turns scores, as exponents of 2, into weights that add up to 1, and gives the logarithm of base 2 of what they added up to
    /// before; infinity, and weights of 0, where none is above minus infinity.
    fn softmax with m (scores: &mut [f32]) -> f32 {
        let largest = maximum(scores);
        if largest == f32::NEG_INFINITY {
            scores.fill(0.0);
            return f32::INFINITY;
        }
        let mut lanes = [0.0_f32; LANES];
        for scores in scores.chunks_mut(LANES) {
            for (score, lane) in scores.iter_mut().zip(&mut lanes) {
                *score = exp2_for::<f32>(m, *score - largest);
                *lane += *score;
            }
        }
        let total = sum_of_lanes(lanes);
        let inverse = 1.0 / total;
        scores.iter_mut().for_each(|weight| *weight *= inverse);
        largest + total.log2()
    }
}
