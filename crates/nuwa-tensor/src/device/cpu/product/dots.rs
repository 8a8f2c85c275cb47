//! Few rows times a transposed matrix, read as it lies: packing it would take longer than the product.
//!
//! Each element is a dot product of its own, whose sum runs over [`LANES`] lanes in one order. Some rows and columns are taken at
//! a time, as many as have their lanes in registers, so that what is read serves several sums; weights are read from the memory
//! once for all rows.

use std::ops::Range;

use super::{Finish, Matrix};
use crate::element::Element;
use crate::parallel::each_in;
use crate::simd::{LANES, MultiplyAdd, sum_of_lanes, vectorised};

/// Columns that a task takes: large enough against the cost of handing it to another thread, and whole tiles of either width.
const TASK: usize = 48;

/// Rows that a task takes at a time: few enough that they stay in a first-level cache while the columns pass by.
const ROWS: usize = 16;

/// Rows and columns of a tile: their lanes fill 12 of the 16 registers of AVX2.
const TILE: [usize; 2] = [2, 3];

/// `A B`, where the columns of `b` lie together.
pub fn product<A: Element, B: Element>(a: Matrix<'_, A>, b: Matrix<'_, B>, epilogue: &dyn Finish) {
    let task = |index: usize| {
        let columns = index * TASK..((index + 1) * TASK).min(b.columns);
        all_rows(a, &b.data[columns.start * b.column_stride..], b.column_stride, columns, epilogue);
    };
    each_in(b.columns.div_ceil(TASK), 2..=usize::MAX, &task);
}

/// The columns of one task, the first of which `data` begins with.
fn all_rows<A: Element, B: Element>(
    a: Matrix<'_, A>,
    data: &[B],
    stride: usize,
    columns: Range<usize>,
    epilogue: &dyn Finish,
) {
    let mut values = [[0.0; TASK]; ROWS];
    for first in (0..a.rows).step_by(ROWS) {
        let rows = first..(first + ROWS).min(a.rows);
        block(a, rows.clone(), data, stride, columns.len(), &mut values);
        epilogue.rows(rows, columns.clone(), values.as_flattened_mut(), TASK);
    }
}

vectorised! {
    /// Some rows times `columns` columns.
    fn block with m [A: Element, B: Element](
        a: Matrix<'_, A>,
        rows: Range<usize>,
        data: &[B],
        stride: usize,
        columns: usize,
        values: &mut [[f32; TASK]; ROWS],
    ) {
        let [height, width] = TILE;
        let mut column = 0;
        while column < columns {
            // A single row waits for the memory, which is fastest when it is read from its beginning to its end.
            let is_wide = rows.len() > 1 && column + width <= columns;
            let mut row = 0;
            while row < rows.len() {
                let is_high = is_wide && row + height <= rows.len();
                let left = &a.data[(rows.start + row) * a.row_stride..];
                let (right, steps, out) = (&data[column * stride..], [a.row_stride, stride], &mut values[row..]);
                match (is_high, is_wide) {
                    (true, _) => {
                        tile::<A, B, { TILE[0] }, { TILE[1] }>(m, left, right, steps, a.columns, column, out);
                    }
                    (false, true) => tile::<A, B, 1, { TILE[1] }>(m, left, right, steps, a.columns, column, out),
                    (false, false) => tile::<A, B, 1, 1>(m, left, right, steps, a.columns, column, out),
                }
                row += if is_high { height } else { 1 };
            }
            column += if is_wide { width } else { 1 };
        }
    }
}

/// The dot products of `R` rows and `C` columns of `inner` elements, `steps` apart.
#[inline(always)]
fn tile<A: Element, B: Element, const R: usize, const C: usize>(
    m: impl MultiplyAdd,
    left: &[A],
    right: &[B],
    steps: [usize; 2],
    inner: usize,
    column: usize,
    values: &mut [[f32; TASK]],
) {
    let rows: [&[A]; R] = std::array::from_fn(|row| &left[row * steps[0]..][..inner]);
    let columns: [&[B]; C] = std::array::from_fn(|column| &right[column * steps[1]..][..inner]);
    let mut sums = [[[0.0; LANES]; C]; R];
    let whole = inner / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        let rows = rows.map(|row| wide(&row[start..start + LANES]));
        for (column, all) in columns.iter().enumerate() {
            let weights = wide(&all[start..start + LANES]);
            for (sums, row) in sums.iter_mut().zip(&rows) {
                add_products(m, row, &weights, &mut sums[column]);
            }
        }
    }
    if whole < inner {
        for (column, all) in columns.iter().enumerate() {
            let weights = wide(&all[whole..]);
            for (sums, row) in sums.iter_mut().zip(rows) {
                add_products(m, &wide(&row[whole..]), &weights, &mut sums[column]);
            }
        }
    }
    for (values, sums) in values.iter_mut().zip(sums) {
        for (value, lanes) in values[column..].iter_mut().zip(sums) {
            *value = sum_of_lanes(lanes);
        }
    }
}

/// Up to [`LANES`] elements, followed by zeros.
#[inline(always)]
fn wide<T: Element>(values: &[T]) -> [f32; LANES] {
    let mut wide = [0.0; LANES];
    for (wide, value) in wide.iter_mut().zip(values) {
        *wide = value.widen();
    }
    wide
}

#[inline(always)]
fn add_products(m: impl MultiplyAdd, a: &[f32; LANES], b: &[f32; LANES], sums: &mut [f32; LANES]) {
    for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
        *sum = m.multiply_add(*a, *b, *sum);
    }
}
