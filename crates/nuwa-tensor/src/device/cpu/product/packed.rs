//! Right operands that are packed once for several products: of training, and of inference.
//!
//! A weight `W` is the right operand of two products: `x W^T` in forward and `dy W` in backward. In bf16 it is packed for
//! both, 4 bytes a weight, and stays so until it changes: an optimizer packs each few rows anew while they lie in the cache,
//! for reading them from main memory would take longer than packing.

use std::ops::Range;
use std::sync::Arc;

use super::epilogue::Output;
use super::kernel::{PANEL, block};
use super::{Matrix, pack, part, units};
use crate::Precision;
use crate::device::{Buffer, Pool};
use crate::element::{DType, rounded};
use crate::parallel::{chunks, each, each_part};

/// Rows of a weight that are packed at a time.
pub const PACKED_ROWS: usize = 16;

/// Columns of them that make a square of words.
#[cfg(target_arch = "x86_64")]
const SQUARE: usize = 2 * PACKED_ROWS;

/// A right operand as the kernel reads it: `[panel][block of columns][unit][column]` over the whole inner axis.
#[derive(Debug)]
pub struct PackedMatrix {
    words: Buffer<u32>,
    /// Whether a word is one `f32` or two bf16.
    pub(super) dtype: DType,
    /// Columns of a block: those of the kernel that it was packed for.
    block: usize,
    pub(super) inner: usize,
    pub(super) columns: usize,
}

impl PackedMatrix {
    /// Room for an operand; every word of its columns has still to be written.
    fn room(pool: &Arc<Pool>, inner: usize, columns: usize, dtype: DType) -> Self {
        let length = units(inner, dtype.into()) * PANEL;
        let words = pool.take(columns.div_ceil(PANEL) * length);
        Self { words, dtype, block: block(), inner, columns }
    }

    /// `W^T`, for products `x W^T` alone: a weight of rows of `width` in `f32` or rounded to bf16.
    pub fn new(pool: &Arc<Pool>, weight: &[f32], width: usize, dtype: DType) -> Self {
        let rows = weight.len() / width.max(1);
        let mut packed = Self::room(pool, width, rows, dtype);
        let length = packed.units() * PANEL;
        let matrix = Matrix::new(weight, rows, width).transposed();
        each_part(chunks(&mut packed.words, length.max(1)), |panel, words| {
            pack::right(words, matrix, &(0..width), &part(panel, PANEL, rows), dtype.into());
        });
        packed
    }

    /// Row `row` of the weight that it was packed from.
    pub fn copy_row(&self, row: usize, values: &mut [f32]) {
        let within = row % PANEL / self.block * self.block * self.units() + row % self.block;
        let words = self.panel(row / PANEL)[within..].iter().step_by(self.block);
        match self.dtype {
            DType::F32 => {
                values.iter_mut().zip(words).for_each(|(value, word)| *value = f32::from_bits(*word))
            }
            DType::Bf16 => {
                for (pair, word) in values.chunks_mut(2).zip(words) {
                    let both = [word << 16, word & 0xffff_0000].map(f32::from_bits);
                    pair.copy_from_slice(&both[..pair.len()]);
                }
            }
        }
    }

    /// The columns of a result.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The units of its inner axis.
    fn units(&self) -> usize {
        units(self.inner, self.dtype.into())
    }

    /// Whether kernels read it as it lies: what they can do differs between processors only, or within a test.
    pub fn is_readable(&self) -> bool {
        self.block == block()
    }

    /// The words of a panel.
    pub(super) fn panel(&self, panel: usize) -> &[u32] {
        let length = self.units() * PANEL;
        &self.words[panel * length..(panel + 1) * length]
    }

    /// The words with a row for each unit of each block.
    fn output(&mut self) -> Output<'_, u32> {
        Output::new(&mut self.words, self.block)
    }
}

/// `W^T` and `W`, packed for `x W^T` and for `dy W`.
#[derive(Debug)]
pub struct PackedWeight {
    pub forward: PackedMatrix,
    pub back: PackedMatrix,
}

impl PackedWeight {
    /// Packs a weight of rows of `width`.
    pub fn new(pool: &Arc<Pool>, weight: &[f32], width: usize) -> Self {
        let rows = weight.len() / width.max(1);
        let mut packed = Self {
            forward: PackedMatrix::room(pool, width, rows, DType::Bf16),
            back: PackedMatrix::room(pool, rows, width, DType::Bf16),
        };
        let packer = packed.packer();
        each(rows.div_ceil(PACKED_ROWS), &|group| {
            let own = part(group, PACKED_ROWS, rows);
            // SAFETY: each call has rows of its own.
            unsafe { packer.pack(own.start, &weight[own.start * width..own.end * width]) };
        });
        packed
    }

    /// As [`PackedMatrix::is_readable`].
    pub fn is_readable(&self) -> bool {
        self.forward.is_readable()
    }

    /// Who packs rows of the weight anew.
    pub fn packer(&mut self) -> Packer<'_> {
        let (rows, width, block) = (self.back.inner, self.back.columns, self.forward.block);
        Packer { rows, width, block, forward: self.forward.output(), back: self.back.output() }
    }
}

/// Packs some rows of a weight at a time, from several threads.
pub struct Packer<'a> {
    rows: usize,
    width: usize,
    block: usize,
    forward: Output<'a, u32>,
    back: Output<'a, u32>,
}

impl Packer<'_> {
    /// The length of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Packs up to [`PACKED_ROWS`] rows, the first of which is a multiple of that.
    ///
    /// # Safety
    /// No other call at the same time has one of these rows.
    pub unsafe fn pack(&self, first: usize, values: &[f32]) {
        assert!(
            first.is_multiple_of(PACKED_ROWS)
                && values.len() == (self.rows - first).min(PACKED_ROWS) * self.width,
            "rows to pack are a whole group"
        );
        // SAFETY: the caller's promise.
        let done = unsafe { self.whole_squares_of(first, values) };
        // SAFETY: the caller's promise.
        unsafe { self.other_columns(first, values, done..self.width) };
    }

    /// Packs as many columns as the instructions of the processor take, and gives their number.
    ///
    /// # Safety
    /// As for [`Packer::pack`].
    #[cfg(target_arch = "x86_64")]
    unsafe fn whole_squares_of(&self, first: usize, values: &[f32]) -> usize {
        let is_whole = values.len() == PACKED_ROWS * self.width;
        if !is_whole || crate::simd::level() < crate::simd::Level::Avx512Bf16 {
            return 0;
        }
        let columns = self.width / SQUARE * SQUARE;
        // SAFETY: the caller's promise; the level was just looked at.
        unsafe { self.whole_squares(first, values, columns) };
        columns
    }

    /// None: no other processor has such instructions.
    ///
    /// # Safety
    /// As for [`Packer::pack`].
    #[cfg(not(target_arch = "x86_64"))]
    unsafe fn whole_squares_of(&self, _: usize, _: &[f32]) -> usize {
        0
    }

    /// Squares of words, all in registers: rounded, in one order transposed, in the other joined by pairs of rows.
    ///
    /// # Safety
    /// As for [`Packer::pack`], with a whole group of rows; the processor has the instructions.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    unsafe fn whole_squares(&self, first: usize, values: &[f32], columns: usize) {
        use std::arch::x86_64::{
            __m512bh, __m512i, _mm_sfence, _mm512_cvtne2ps_pbh, _mm512_loadu_ps, _mm512_loadu_si512,
            _mm512_permutex2var_epi16, _mm512_setzero_si512, _mm512_stream_si512,
        };
        use std::mem::transmute;

        /// Which elements of two rows, counted through, go to the lower and to the upper half of the words.
        const JOINED: [[u16; SQUARE]; 2] = {
            let mut joined = [[0; SQUARE]; 2];
            let mut index = 0;
            while index < SQUARE {
                let column = index / 2 + index % 2 * SQUARE;
                joined[0][index] = column as u16;
                joined[1][index] = (column + PACKED_ROWS) as u16;
                index += 1;
            }
            joined
        };
        let [all, all_back] = [self.width, self.rows].map(|inner| units(inner, Precision::Bf16));
        // SAFETY: loads are of a square of `values`. Stores are of words that are this call's, and of whole cache lines: blocks of a
        // pool begin with one, and `first` and the columns are multiples of 16. They go past the caches, for the lines are next
        // read after all the others were written; the fence orders them before what tells other threads that they are there.
        unsafe {
            let [low, high] = JOINED.map(|indices| _mm512_loadu_si512(indices.as_ptr().cast()));
            for column in (0..columns).step_by(SQUARE) {
                let mut square = [_mm512_setzero_si512(); PACKED_ROWS];
                for (row, words) in square.iter_mut().enumerate() {
                    let source = values[row * self.width + column..][..SQUARE].as_ptr();
                    let [one, other] = [source, source.add(PACKED_ROWS)].map(|half| _mm512_loadu_ps(half));
                    *words = transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(other, one));
                }
                for (pair, [one, other]) in square.as_chunks::<2>().0.iter().enumerate() {
                    let halves = [low, high].map(|indices| _mm512_permutex2var_epi16(*one, indices, *other));
                    for (half, words) in halves.into_iter().enumerate() {
                        let (unit, column) = (first / 2 + pair, column + half * PACKED_ROWS);
                        let out = self.words(&self.back, all_back, unit, column, PACKED_ROWS);
                        _mm512_stream_si512(out.as_mut_ptr().cast(), words);
                    }
                }
                for (unit, words) in pack::turned(square).into_iter().enumerate() {
                    let out = self.words(&self.forward, all, column / 2 + unit, first, PACKED_ROWS);
                    _mm512_stream_si512(out.as_mut_ptr().cast(), words);
                }
            }
            _mm_sfence();
        }
    }

    /// The words of `count` columns from `column` on, of a unit of an operand of so many units.
    ///
    /// # Safety
    /// Nobody else writes these words.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    unsafe fn words<'a>(
        &self,
        output: &'a Output<'_, u32>,
        units: usize,
        unit: usize,
        column: usize,
        count: usize,
    ) -> &'a mut [u32] {
        // SAFETY: the caller's promise.
        unsafe { output.part(column / self.block * units + unit, column % self.block, count) }
    }

    /// # Safety
    /// As for [`Packer::pack`].
    unsafe fn other_columns(&self, first: usize, values: &[f32], columns: Range<usize>) {
        let count = values.len() / self.width;
        let at = |row: usize, column: usize| {
            let is_within = row < count && column < columns.end;
            if is_within { rounded(values[row * self.width + column]) } else { 0 }
        };
        // SAFETY: words of rows that are this call's: a group of rows is a whole number of units.
        unsafe {
            for column in columns.clone().step_by(2) {
                let words =
                    self.words(&self.forward, units(self.width, Precision::Bf16), column / 2, first, count);
                for (row, word) in words.iter_mut().enumerate() {
                    *word = at(row, column) | at(row, column + 1) << 16;
                }
            }
            for row in (0..count).step_by(2) {
                for column in columns.clone() {
                    let unit = (first + row) / 2;
                    let words = self.words(&self.back, units(self.rows, Precision::Bf16), unit, column, 1);
                    words[0] = at(row, column) | at(row + 1, column) << 16;
                }
            }
        }
    }
}
