use std::marker::PhantomData;
use std::ops::Range;

use super::{Matrix, PANEL};
use crate::element::Element;
use crate::simd::prefetch_later;

/// What a thread reads after the product it is at, to be asked for bit by bit meanwhile: products leave the memory idle,
/// and packing waits for little else.
#[derive(Clone, Copy)]
pub struct Ahead<'a> {
    first: *const u8,
    /// Pieces of `bytes` that lie `step` bytes apart.
    pieces: usize,
    bytes: usize,
    step: usize,
    lifetime: PhantomData<&'a [u8]>,
}

impl<'a> Ahead<'a> {
    pub const NOTHING: Self =
        Self { first: std::ptr::null(), pieces: 0, bytes: 0, step: 0, lifetime: PhantomData };

    /// A part of a matrix, which may end before the part does.
    pub fn part<T: Element>(matrix: &Matrix<'a, T>, rows: Range<usize>, columns: Range<usize>) -> Self {
        if !matrix.is_row_major() {
            return if matrix.row_stride == 1 {
                Self::part(&matrix.transposed(), columns, rows)
            } else {
                Self::NOTHING
            };
        }
        let (rows, columns) = (rows.start..rows.end.min(matrix.rows), columns.start..columns.end.min(matrix.columns));
        let size = size_of::<T>();
        Self {
            first: matrix.data.as_ptr().wrapping_add(rows.start * matrix.row_stride + columns.start).cast(),
            pieces: rows.len(),
            bytes: columns.len() * size,
            step: matrix.row_stride * size,
            lifetime: PhantomData,
        }
    }

    /// All of a slice.
    pub fn words(words: &'a [u32]) -> Self {
        let (line, size) = (PANEL, size_of::<u32>());
        Self {
            first: words.as_ptr().cast(),
            pieces: words.len() / line,
            bytes: line * size,
            step: line * size,
            lifetime: PhantomData,
        }
    }

    /// The `index`th of `count` shares.
    pub fn share(self, index: usize, count: usize) -> Self {
        let pieces = index * self.pieces / count..(index + 1) * self.pieces / count;
        Self { first: self.first.wrapping_add(pieces.start * self.step), pieces: pieces.len(), ..self }
    }

    /// Asks for all of it.
    #[inline(always)]
    pub fn fetch(self) {
        for piece in 0..self.pieces {
            prefetch_later(self.first.wrapping_add(piece * self.step), self.bytes);
        }
    }
}
