//! Right operands that are packed once for several products.
//!
//! A weight `W` is the right operand of two products: `x W^T` on the way forward and `dy W` on the way back. Packing reads it from
//! main memory, so in bf16 the way forward packs it for both: the rows of a panel of `W^T` are rounded into the second-level
//! cache once, and put in both orders from there. The second order takes 2 bytes a weight until the way back has used it.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::epilogue::Output;
use super::kernel::{PANEL, block};
use super::serial::with_workspace;
use super::{Matrix, pack, units};
use crate::Precision;
use crate::element::{Bf16, Element, convert};
use crate::pool::{Buffer, Pool};

/// A right operand as the kernel reads it: `[panel][block of columns][unit][column]` over the whole inner axis.
#[derive(Debug)]
pub struct PackedMatrix {
    words: Buffer<u32>,
    pub(super) inner: usize,
    pub(super) columns: usize,
}

impl PackedMatrix {
    /// Room for an operand in bf16; every word of it has still to be written.
    pub(super) fn room(pool: &Arc<Pool>, inner: usize, columns: usize) -> Self {
        let length = units(inner, Precision::Bf16) * PANEL;
        Self { words: pool.take(columns.div_ceil(PANEL) * length), inner, columns }
    }

    /// `W^T` and `W`, packed in bf16, of a weight `W`.
    pub fn both_ways<T: Element>(pool: &Arc<Pool>, weight: Matrix<'_, T>) -> [Self; 2] {
        let turned = weight.transposed();
        let mut forward = Self::room(pool, turned.rows, turned.columns);
        let mut back = Self::room(pool, turned.columns, turned.rows);
        let (turner, length) = (back.turner(), forward.units() * PANEL);
        forward.words.par_chunks_mut(length.max(1)).enumerate().for_each(|(panel, words)| {
            let columns = panel * PANEL..((panel + 1) * PANEL).min(turned.columns);
            with_workspace(|workspace| {
                let (_, rounded) = workspace.blocks(0, rounded_length(turned.rows));
                both(words, turned, &(0..turned.rows), &columns, rounded, Some(&turner));
            });
        });
        [forward, back]
    }

    /// The units of its inner axis.
    pub(super) fn units(&self) -> usize {
        units(self.inner, Precision::Bf16)
    }

    /// The words of a panel.
    pub(super) fn panel(&self, panel: usize) -> &[u32] {
        let length = self.units() * PANEL;
        &self.words[panel * length..(panel + 1) * length]
    }

    /// Who writes it, some of its inner axis at a time.
    pub(super) fn turner(&mut self) -> Turner<'_> {
        let stride = self.units() * block();
        Turner { blocks: Output::new(&mut self.words, stride.max(1)) }
    }
}

/// Writes a packed matrix from several threads.
pub(super) struct Turner<'a> {
    /// A row for each block of columns.
    blocks: Output<'a, u32>,
}

/// The elements that rows of this length take when they are rounded: rows a power of two apart would fight for the same
/// places in a cache.
pub(super) fn rounded_length(inner: usize) -> usize {
    PANEL * rounded_stride(inner)
}

fn rounded_stride(inner: usize) -> usize {
    inner.next_multiple_of(32) + 32
}

/// Packs the rows `inner` of some columns of `b`, whose columns lie together, and the same for a product with `b` transposed.
/// No two calls may share a column.
pub(super) fn both<T: Element>(
    out: &mut [u32],
    b: Matrix<'_, T>,
    inner: &Range<usize>,
    columns: &Range<usize>,
    rounded: &mut [Bf16],
    turner: Option<&Turner<'_>>,
) {
    let stride = rounded_stride(inner.len());
    for (column, row) in columns.clone().zip(rounded.chunks_exact_mut(stride)) {
        convert(&b.data[column * b.column_stride..][inner.clone()], &mut row[..inner.len()]);
    }
    let rows = Matrix::strided(&*rounded, columns.len(), inner.len(), stride);
    pack::right(out, rows.transposed(), &(0..inner.len()), &(0..columns.len()), Precision::Bf16);
    let Some(turner) = turner else { return };
    let width = block();
    let span = units(columns.len(), Precision::Bf16) * width;
    for first in (0..inner.len()).step_by(width) {
        let part = first..(first + width).min(inner.len());
        let block = (inner.start + first) / width;
        // SAFETY: whoever calls gives each column, and so each unit of the inner axis here, to one call only: panels begin at
        // whole units.
        let out = unsafe { turner.blocks.part(block, columns.start / 2 * width, span) };
        pack::interleave(out, rows, &(0..columns.len()), part, width, Precision::Bf16);
    }
}
