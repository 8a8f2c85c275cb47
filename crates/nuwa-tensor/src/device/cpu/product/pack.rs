//! Operands in the order in which the kernel reads them.

use std::ops::Range;

use super::Matrix;
use super::kernel::{Left, PANEL, TILE_ROWS, block, block_rows, reads_rows};
use crate::Precision;
use crate::element::{Bf16, Element, rounded};
use crate::simd::{prefetch_read, vectorised};

/// Units that are gathered at a time where a column's elements lie together.
const GATHER: usize = 16;

/// Units ahead whose rows are asked for where pairs of rows are joined.
const AHEAD: usize = 4;

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
        if inner.is_empty() || columns.is_empty() {
            return out.fill(0);
        }
        let rows = &b.data[inner.start * b.row_stride + columns.start..];
        let count = columns.len();
        // A copy for the usual length: the fewer instructions a unit takes, the more of them wait for the memory at one time.
        match (precision, count) {
            (Precision::F32, _) => single_rows(out, rows, b.row_stride, count, width),
            (Precision::Bf16, PANEL) => pairs_of_rows(out, rows, b.row_stride, PANEL, width, inner.len()),
            (Precision::Bf16, _) => pairs_of_rows(out, rows, b.row_stride, count, width, inner.len()),
        }
    }
}

#[inline(always)]
fn single_rows<T: Element>(out: &mut [u32], rows: &[T], stride: usize, count: usize, width: usize) {
    for (unit, words) in out.chunks_exact_mut(width).enumerate() {
        let (words, rest) = words.split_at_mut(count);
        for (word, value) in words.iter_mut().zip(&rows[unit * stride..][..count]) {
            *word = value.widen().to_bits();
        }
        rest.fill(0);
    }
}

#[inline(always)]
fn pairs_of_rows<T: Element>(
    out: &mut [u32],
    rows: &[T],
    stride: usize,
    count: usize,
    width: usize,
    inner: usize,
) {
    for (unit, words) in out.chunks_exact_mut(width).enumerate() {
        // Parts of rows that lie far apart are followed by no prefetcher.
        let ahead = rows.as_ptr().wrapping_add(2 * (unit + AHEAD) * stride);
        prefetch_read(ahead, count);
        prefetch_read(ahead.wrapping_add(stride), count);
        let (words, rest) = words.split_at_mut(count);
        let low = &rows[2 * unit * stride..][..count];
        if 2 * unit + 1 < inner {
            T::join_rows(low, &rows[(2 * unit + 1) * stride..][..count], words);
        } else {
            lone_row(low, words);
        }
        if !rest.is_empty() {
            rest.fill(0);
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
    #[cfg(target_arch = "x86_64")]
    if crate::simd::level() >= crate::simd::Level::Avx512 {
        // SAFETY: `level` only names instruction sets that this processor was found to have.
        return unsafe { turn_inline(square) };
    }
    exchange::<8>(square);
    exchange::<4>(square);
    exchange::<2>(square);
    exchange::<1>(square);
}

/// [`turn`] as part of its caller, which has to be compiled for the instructions.
///
/// # Safety
/// The processor has AVX-512.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn turn_inline(square: &mut [[u32; GATHER]; GATHER]) {
    use std::arch::x86_64::{_mm512_loadu_si512, _mm512_setzero_si512, _mm512_storeu_si512};
    // SAFETY: the caller promises the instructions; loads and stores are of whole rows.
    unsafe {
        // A loop: for an array's `map` each load would be a call, for it is not compiled for the instructions.
        let mut rows = [_mm512_setzero_si512(); GATHER];
        for (vector, row) in rows.iter_mut().zip(&*square) {
            *vector = _mm512_loadu_si512(row.as_ptr().cast());
        }
        for (row, turned) in square.iter_mut().zip(turned(rows)) {
            _mm512_storeu_si512(row.as_mut_ptr().cast(), turned);
        }
    }
}

/// The columns of a square of words, given its rows; part of its caller, which has to be compiled for the instructions.
///
/// # Safety
/// The processor has AVX-512.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub unsafe fn turned(mut rows: [std::arch::x86_64::__m512i; GATHER]) -> [std::arch::x86_64::__m512i; GATHER] {
    use std::arch::x86_64::{
        _mm512_shuffle_i32x4, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
        _mm512_unpacklo_epi64,
    };
    let mut columns = rows;
    // SAFETY: the caller promises the instructions.
    unsafe {
        // Squares of four by four within the quarters of the vectors, then the quarters.
        for four in rows.as_chunks_mut::<4>().0 {
            let [a, b, c, d] = *four;
            let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
            let (upper_ab, upper_cd) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
            *four = [
                _mm512_unpacklo_epi64(ab, cd),
                _mm512_unpackhi_epi64(ab, cd),
                _mm512_unpacklo_epi64(upper_ab, upper_cd),
                _mm512_unpackhi_epi64(upper_ab, upper_cd),
            ];
        }
        for column in 0..4 {
            let [a, b, c, d] = [0, 4, 8, 12].map(|row| rows[row + column]);
            let (ab, cd) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0x88>(c, d));
            let (odd_ab, odd_cd) = (_mm512_shuffle_i32x4::<0xdd>(a, b), _mm512_shuffle_i32x4::<0xdd>(c, d));
            columns[column] = _mm512_shuffle_i32x4::<0x88>(ab, cd);
            columns[4 + column] = _mm512_shuffle_i32x4::<0x88>(odd_ab, odd_cd);
            columns[8 + column] = _mm512_shuffle_i32x4::<0xdd>(ab, cd);
            columns[12 + column] = _mm512_shuffle_i32x4::<0xdd>(odd_ab, odd_cd);
        }
    }
    columns
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
    match precision {
        Precision::F32 => {
            let mut words = [0; GATHER];
            for (word, value) in words.iter_mut().zip(source) {
                *word = value.widen().to_bits();
            }
            words
        }
        Precision::Bf16 => match source.first_chunk() {
            Some(whole) => T::pairs(whole),
            None => {
                let mut narrow = [Bf16::default(); 2 * GATHER];
                T::round_row(source, &mut narrow[..source.len()]);
                Bf16::pairs(&narrow)
            }
        },
    }
}

/// How the rows of a left operand that has to be packed lie: those of a task.
#[derive(Clone, Copy)]
pub enum LeftLayout {
    /// `[unit][row]`: a word of each row of a tile, then the next.
    ByUnits,
    /// `[row][unit]`, for kernels that read whole lines of a row.
    ByRows,
}

impl LeftLayout {
    /// The layout for the kernel in use.
    pub fn of<T: Element>(a: &Matrix<'_, T>, precision: Precision) -> Self {
        if reads_rows(precision) && a.row_stride == 1 { Self::ByRows } else { Self::ByUnits }
    }

    /// Rows that the kernel takes at one time.
    pub fn rows_of_tile(self) -> usize {
        match self {
            Self::ByUnits => TILE_ROWS,
            Self::ByRows => block_rows(Precision::Bf16),
        }
    }

    /// The words that so many rows take.
    pub fn words(self, rows: usize, units: usize) -> usize {
        match self {
            Self::ByUnits => rows.next_multiple_of(TILE_ROWS) * units,
            Self::ByRows => rows * row_words(units),
        }
    }

    /// Packs the given rows and units of `a`.
    pub fn pack<T: Element>(
        self,
        out: &mut [u32],
        a: Matrix<'_, T>,
        rows: Range<usize>,
        units: Range<usize>,
        precision: Precision,
    ) {
        match self {
            Self::ByUnits => left(out, a, rows, units, precision),
            Self::ByRows => {
                let inner = super::inner_of(&units, a.columns, precision);
                turned_rows(out, a.transposed(), inner, rows, row_words(units.len()));
            }
        }
    }

    /// What was packed.
    pub fn left(self, words: &[u32], rows: usize, units: usize) -> Left<'_> {
        match self {
            Self::ByUnits => Left::block(words, rows),
            Self::ByRows => Left::rows(words, row_words(units)),
        }
    }
}

/// Words from one row to the next: rows a power of two apart would fight for the same places in a cache.
fn row_words(units: usize) -> usize {
    units.next_multiple_of(GATHER) + GATHER
}

vectorised! {
    /// Columns of a matrix whose rows lie together, `step` words from one to the next, in pairs of its rows.
    fn turned_rows[T: Element](out: &mut [u32], a: Matrix<'_, T>, inner: Range<usize>, columns: Range<usize>, step: usize) {
        for (group, out) in out.chunks_mut(GATHER * step).enumerate() {
            let first = columns.start + group * GATHER;
            let count = GATHER.min(columns.end - first);
            for start in inner.clone().step_by(2 * GATHER) {
                let mut square = [[0; GATHER]; GATHER];
                for (low, words) in (start..inner.end).step_by(2).zip(&mut square) {
                    let row = |row: usize| &a.data[row * a.row_stride + first..][..count];
                    if low + 1 < inner.end {
                        T::join_rows(row(low), row(low + 1), &mut words[..count]);
                    } else {
                        lone_row(row(low), words);
                    }
                }
                turn(&mut square);
                for (out, words) in out.chunks_exact_mut(step).zip(&square) {
                    out[(start - inner.start) / 2..][..GATHER].copy_from_slice(words);
                }
            }
        }
    }
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
