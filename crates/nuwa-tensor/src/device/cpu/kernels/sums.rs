//! Sums over rows, always of the same parts whatever the number of threads.

use std::sync::Arc;

use crate::device::Pool;
use crate::parallel::{CHUNK_ELEMENTS, chunks, each_part};

/// Partial sums that a reduction over rows is cut into at most.
const PARTIALS: usize = 16;

/// Adds to `total` (one row) the sum over rows that `f(rows, partial)` adds up for a range of rows: the partial sums
/// are made in parallel and added in order.
pub fn sum_rows(
    pool: &Arc<Pool>,
    total: &mut [f32],
    rows: usize,
    f: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync,
) {
    let width = total.len();
    if rows * width <= CHUNK_ELEMENTS {
        return f(0..rows, total);
    }
    let step = rows.div_ceil(PARTIALS);
    let mut partials = pool.take_zeroed(rows.div_ceil(step) * width);
    each_part(chunks(&mut partials, width), |index, partial| {
        f(index * step..((index + 1) * step).min(rows), partial);
    });
    for partial in partials.chunks_exact(width) {
        for (sum, value) in total.iter_mut().zip(partial) {
            *sum += value;
        }
    }
}

/// Calls `f(rows, those rows of out, partial)` for ranges of the rows of `out`, in parallel; what it adds to `partial` is
/// added to `total` in order.
pub fn rows_and_sums<T: Send>(
    pool: &Arc<Pool>,
    out: &mut [T],
    width: usize,
    total: &mut [f32],
    f: impl Fn(std::ops::Range<usize>, &mut [T], &mut [f32]) + Sync,
) {
    let rows = out.len() / width;
    if rows * width <= CHUNK_ELEMENTS {
        return f(0..rows, out, total);
    }
    let step = rows.div_ceil(PARTIALS);
    let mut partials = pool.take_zeroed(rows.div_ceil(step) * total.len());
    let pieces = (chunks(out, step * width), chunks(&mut partials, total.len()));
    each_part(pieces, |index, (out, partial)| {
        f(index * step..index * step + out.len() / width, out, partial);
    });
    for partial in partials.chunks_exact(total.len()) {
        for (sum, value) in total.iter_mut().zip(partial) {
            *sum += value;
        }
    }
}
