//! Operands in the order in which the kernel reads them.

use std::ops::Range;

use super::Matrix;
use super::kernel::{PANEL, TILE_ROWS, block};
use crate::Precision;
use crate::element::{Bf16, Element, rounded};
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
            interleave(out, b, inner, first..first + count, width, precision);
        } else {
            gather(out, b, inner, first..first + count, width, precision);
        }
    }
}

vectorised! {
    /// A block of a panel from a matrix whose rows lie together.
    pub fn interleave[T: Element](
        out: &mut [u32],
        b: Matrix<'_, T>,
        inner: &Range<usize>,
        columns: Range<usize>,
        width: usize,
        precision: Precision,
    ) {
        let count = columns.len();
        let row = |k: usize| &b.data[k * b.row_stride + columns.start..][..count];
        let unit_rows = if precision == Precision::F32 { 1 } else { 2 };
        for (words, k) in out.chunks_exact_mut(width).zip(inner.clone().step_by(unit_rows)) {
            if precision == Precision::F32 {
                for (word, value) in words.iter_mut().zip(row(k)) {
                    *word = value.widen().to_bits();
                }
            } else if k + 1 < inner.end {
                T::join_rows(row(k), row(k + 1), words);
            } else {
                lone_row(row(k), words);
            }
            if count < width {
                words[count..].fill(0);
            }
        }
    }
}

/// Words of the last row of an odd number: their upper halves are 0.
#[cold]
fn lone_row<T: Element>(row: &[T], words: &mut [u32]) {
    for (word, value) in words.iter_mut().zip(row) {
        *word = rounded(value.widen());
    }
}

/// As [`Element::round_row`], without calls to copy memory for the usual lengths.
#[inline(always)]
fn round<T: Element, const N: usize>(values: &[T], out: &mut [Bf16; N]) {
    #[inline(always)]
    fn exactly<T: Element, const M: usize>(values: &[T], out: &mut [Bf16]) -> bool {
        let (Ok(values), Some(out)) = (<&[T; M]>::try_from(values), out.first_chunk_mut::<M>()) else {
            return false;
        };
        T::round_row(values, out);
        true
    }
    if !(exactly::<T, N>(values, out) || exactly::<T, 32>(values, out) || exactly::<T, 16>(values, out)) {
        T::round_row(values, &mut out[..values.len()]);
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
                let out = &mut out[place..];
                match out.first_chunk_mut() {
                    Some(out) if count == GATHER => *out = *row,
                    _ => out[..count].copy_from_slice(&row[..count]),
                }
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
    let mut narrow = [Bf16::default(); 2 * GATHER];
    round(source, &mut narrow);
    for (word, [low, high]) in words.iter_mut().zip(narrow.as_chunks::<2>().0) {
        *word = low.bits() | high.bits() << 16;
    }
    words
}

/// A block, `[unit][row]`, of the given rows and units of `a`; rows that are missing to whole tiles are 0.
pub fn left<T: Element>(
    out: &mut [u32],
    a: Matrix<'_, T>,
    rows: Range<usize>,
    units: Range<usize>,
    precision: Precision,
) {
    let (inner, width) =
        (super::inner_of(&units, a.columns, precision), rows.len().next_multiple_of(TILE_ROWS));
    let out = &mut out[..units.len() * width];
    if a.row_stride == 1 {
        return interleave(out, a.transposed(), &inner, rows, width, precision);
    }
    for (unit, words) in out.chunks_exact_mut(width.max(1)).enumerate() {
        for (row, word) in words.iter_mut().enumerate() {
            let row = rows.start + row;
            let at = |k: usize| if row < rows.end && k < inner.end { a.at(row, k).widen() } else { 0.0 };
            *word = match precision {
                Precision::F32 => at(inner.start + unit).to_bits(),
                Precision::Bf16 => {
                    let k = inner.start + 2 * unit;
                    rounded(at(k)) | rounded(at(k + 1)) << 16
                }
            };
        }
    }
}
