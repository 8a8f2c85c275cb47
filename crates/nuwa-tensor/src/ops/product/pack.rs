//! Operands in the order in which the kernel reads them.

use std::ops::Range;

use super::Matrix;
use super::kernel::{PANEL, TILE_ROWS, block};
use crate::Precision;
use crate::element::{Element, rounded};
use crate::simd::vectorised;

/// Units that are gathered at a time where a column's elements lie together.
const GATHER: usize = 16;

/// A panel, `[block of columns][unit][column]`, of the rows `inner` and the given columns of `b`; what is missing up to
/// whole units and blocks is 0.
pub fn right<T: Element>(
    out: &mut [u32],
    b: Matrix<'_, T>,
    inner: &Range<usize>,
    columns: &Range<usize>,
    precision: Precision,
) {
    let units = super::units(inner.len(), precision);
    let width = block();
    for (index, out) in out[..units * PANEL].chunks_exact_mut(units * width).enumerate() {
        let first = columns.start + index * width;
        if first >= columns.end {
            break;
        }
        let count = width.min(columns.end - first);
        if b.is_row_major() {
            for (unit, words) in out.chunks_exact_mut(width).enumerate() {
                interleave(
                    &mut words[..count],
                    rows_of_unit(&b, inner, unit, first, count, precision),
                    precision,
                );
                words[count..].fill(0);
            }
        } else {
            gather(out, b, inner, first..first + count, width, precision);
        }
    }
}

/// The row or the two rows of `b` that make up a unit; no second one where there is none.
fn rows_of_unit<'a, T: Element>(
    b: &Matrix<'a, T>,
    inner: &Range<usize>,
    unit: usize,
    first: usize,
    count: usize,
    precision: Precision,
) -> (&'a [T], &'a [T]) {
    let row = |index: usize| &b.data[index * b.row_stride + first..][..count];
    match precision {
        Precision::F32 => (row(inner.start + unit), &[]),
        Precision::Bf16 => {
            let low = inner.start + 2 * unit;
            (row(low), if low + 1 < inner.end { row(low + 1) } else { &[] })
        }
    }
}

vectorised! {
    /// Words of elements that lie side by side in one row, or in two.
    fn interleave[T: Element](words: &mut [u32], rows: (&[T], &[T]), precision: Precision) {
        let (low, high) = rows;
        if precision == Precision::F32 {
            for (word, low) in words.iter_mut().zip(low) {
                *word = low.widen().to_bits();
            }
        } else if high.is_empty() {
            for (word, low) in words.iter_mut().zip(low) {
                *word = rounded(low.widen());
            }
        } else {
            for ((word, low), high) in words.iter_mut().zip(low).zip(high) {
                *word = rounded(low.widen()) | rounded(high.widen()) << 16;
            }
        }
    }
}

/// A block of a panel from a matrix whose columns lie together.
fn gather<T: Element>(
    out: &mut [u32],
    b: Matrix<'_, T>,
    inner: &Range<usize>,
    columns: Range<usize>,
    width: usize,
    precision: Precision,
) {
    let per_unit = if precision == Precision::F32 { 1 } else { 2 };
    for (block, out) in out.chunks_mut(GATHER * width).enumerate() {
        let start = inner.start + block * GATHER * per_unit;
        let end = (start + GATHER * per_unit).min(inner.end);
        if columns.len() < width {
            out.fill(0);
        }
        transpose(out, b, start..end, columns.clone(), width, precision);
    }
}

vectorised! {
    fn transpose[T: Element](
        out: &mut [u32],
        b: Matrix<'_, T>,
        inner: Range<usize>,
        columns: Range<usize>,
        width: usize,
        precision: Precision,
    ) {
        for first in columns.clone().step_by(GATHER) {
            let count = GATHER.min(columns.end - first);
            let mut square = [[0; GATHER]; GATHER];
            for (row, column) in square.iter_mut().zip(first..first + count) {
                let source = &b.data[column * b.column_stride + inner.start..][..inner.len()];
                *row = words_of(source, precision);
            }
            turn(&mut square);
            let place = first - columns.start;
            for (out, row) in out.chunks_exact_mut(width).zip(&square) {
                out[place..place + count].copy_from_slice(&row[..count]);
            }
        }
    }
}

/// Transposes a square by exchanging halves, quarters, ...: each exchange is whole vectors or a fixed shuffle of two.
#[inline(always)]
fn turn(square: &mut [[u32; GATHER]; GATHER]) {
    exchange::<8>(square);
    exchange::<4>(square);
    exchange::<2>(square);
    exchange::<1>(square);
}

/// In each pair of rows `STEP` apart, exchanges the upper half of every `2 STEP` columns of the first with the lower half
/// of the second.
#[inline(always)]
fn exchange<const STEP: usize>(square: &mut [[u32; GATHER]; GATHER]) {
    for index in 0..GATHER {
        if index & STEP != 0 {
            continue;
        }
        let (first, second) = (square[index], square[index + STEP]);
        let (mut upper, mut lower) = ([0; GATHER], [0; GATHER]);
        for column in 0..GATHER {
            upper[column] = if column & STEP == 0 { first[column] } else { second[column ^ STEP] };
            lower[column] = if column & STEP == 0 { first[column ^ STEP] } else { second[column] };
        }
        (square[index], square[index + STEP]) = (upper, lower);
    }
}

/// Up to [`GATHER`] words of elements that lie together.
#[inline(always)]
fn words_of<T: Element>(source: &[T], precision: Precision) -> [u32; GATHER] {
    let mut words = [0; GATHER];
    if precision == Precision::F32 {
        for (word, value) in words.iter_mut().zip(source) {
            *word = value.widen().to_bits();
        }
        return words;
    }
    let (pairs, rest) = source.as_chunks::<2>();
    for (word, [low, high]) in words.iter_mut().zip(pairs) {
        *word = rounded(low.widen()) | rounded(high.widen()) << 16;
    }
    if let [last] = rest {
        words[pairs.len()] = rounded(last.widen());
    }
    words
}

vectorised! {
    /// Tiles, `[tile][unit][row]`, of the given rows and units of `a`; missing rows are 0.
    pub fn left[T: Element](
        out: &mut [u32],
        a: Matrix<'_, T>,
        rows: Range<usize>,
        units: Range<usize>,
        precision: Precision,
    ) {
        let inner = super::inner_of(&units, a.columns, precision);
        let length = units.len() * TILE_ROWS;
        for (tile, out) in out.chunks_exact_mut(length).enumerate() {
            let first = rows.start + tile * TILE_ROWS;
            if first >= rows.end {
                break;
            }
            let count = TILE_ROWS.min(rows.end - first);
            if count == TILE_ROWS && a.row_stride == 1 {
                whole_tile(out, &a, first, &inner, precision);
            } else {
                partial_tile(out, &a, first..first + count, &inner, precision);
            }
        }
    }
}

/// A tile whose rows lie side by side: the usual case of weight gradients.
#[inline(always)]
fn whole_tile<T: Element>(
    out: &mut [u32],
    a: &Matrix<'_, T>,
    first: usize,
    inner: &Range<usize>,
    precision: Precision,
) {
    let at = |k: usize| &a.data[k * a.column_stride + first..][..TILE_ROWS];
    for (unit, words) in out.as_chunks_mut::<TILE_ROWS>().0.iter_mut().enumerate() {
        if precision == Precision::F32 {
            for (word, value) in words.iter_mut().zip(at(inner.start + unit)) {
                *word = value.widen().to_bits();
            }
            continue;
        }
        let k = inner.start + 2 * unit;
        if k + 1 < inner.end {
            for ((word, low), high) in words.iter_mut().zip(at(k)).zip(at(k + 1)) {
                *word = rounded(low.widen()) | rounded(high.widen()) << 16;
            }
        } else {
            for (word, low) in words.iter_mut().zip(at(k)) {
                *word = rounded(low.widen());
            }
        }
    }
}

#[inline(always)]
fn partial_tile<T: Element>(
    out: &mut [u32],
    a: &Matrix<'_, T>,
    rows: Range<usize>,
    inner: &Range<usize>,
    precision: Precision,
) {
    for (unit, words) in out.as_chunks_mut::<TILE_ROWS>().0.iter_mut().enumerate() {
        for (place, word) in words.iter_mut().enumerate() {
            let row = rows.start + place;
            *word = match precision {
                _ if row >= rows.end => 0,
                Precision::F32 => a.at(row, inner.start + unit).widen().to_bits(),
                Precision::Bf16 => {
                    let k = inner.start + 2 * unit;
                    let high = if k + 1 < inner.end { rounded(a.at(row, k + 1).widen()) } else { 0 };
                    rounded(a.at(row, k).widen()) | high << 16
                }
            };
        }
    }
}
