//! One row, or a few, times a transposed matrix: decoding. Weights are read once, as they lie.

use rayon::prelude::*;

use super::{Epilogue, Matrix};
use crate::element::Element;
use crate::simd::{dot, vectorised};

/// Rows of weights that a task takes: large enough against the cost of handing it to another thread.
const TASK: usize = 64;

/// `A B`, where the columns of `b` lie together.
pub fn product<A: Element, B: Element, E: Epilogue>(a: Matrix<'_, A>, b: Matrix<'_, B>, epilogue: &E) {
    let task = |index: usize| {
        let first = index * TASK;
        let count = TASK.min(b.columns - first);
        let mut values = [0.0; TASK];
        for row in 0..a.rows {
            let left = &a.data[row * a.row_stride..][..a.columns];
            dots(left, &b.data[first * b.column_stride..], b.column_stride, &mut values[..count]);
            finish(epilogue, row, first, &mut values[..count]);
        }
    };
    (0..b.columns.div_ceil(TASK)).into_par_iter().with_min_len(2).for_each(task);
}

vectorised! {
    fn finish with m [E: Epilogue](epilogue: &E, row: usize, first: usize, values: &mut [f32]) {
        epilogue.apply(m, row, first, values);
    }
}

vectorised! {
    fn dots[A: Element, B: Element](left: &[A], columns: &[B], stride: usize, values: &mut [f32]) {
        for (index, value) in values.iter_mut().enumerate() {
            let column = &columns[index * stride..][..left.len()];
            *value = dot(left, column);
        }
    }
}
