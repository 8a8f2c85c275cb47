//! Matrix products `C = A B` with an epilogue that decides what becomes of each row of `C`.
//!
//! The unit of work is a word of 32 bits: one `f32`, or a pair of bf16 that lie next to each other along the inner axis.
//! The right operand is packed into panels of [`PANEL`] columns, `[units][columns]`; the left one is read as it lies where
//! pairs lie together, and packed into tiles of [`TILE_ROWS`] rows otherwise. A kernel ([`kernel`]) keeps a tile of sums in
//! registers over the whole inner axis (or [`INNER`] of it), and the epilogue gets the sums while they are in the
//! first-level cache, or says how the kernel finishes them in its registers ([`Block`]). Goto and van de Geijn, "Anatomy of
//! High-Performance Matrix Multiplication" (2008), says why panels; that the left operand needs no packing is because a word
//! is broadcast wherever it lies. Where the processor has tile registers (`amx`), they read the same panels, and rows of
//! the left operand as they lie.
//!
//! Each sum is made by one thread in one order, so results do not depend on the number of threads.

mod dots;
mod epilogue;
mod finish;
mod kernel;
mod pack;
mod packed;
mod serial;
mod share;

pub use epilogue::{Awaited, Block, Epilogue, Output, Store};
pub use finish::Finish;
pub use kernel::{Left, PANEL, Spans, TILE_ROWS};
pub use packed::{PACKED_ROWS, PackedMatrix, PackedWeight, Packer};
pub use serial::{LeftRoom, PackedRight, multiply_serial};

use std::ops::Range;
use std::sync::Arc;

use crate::device::Pool;
use crate::element::{Bf16, DType, Element};
use crate::parallel::{chunks, each_part, rows_mut};
use crate::{Precision, element};
use kernel::{OperandTypes, Panel};
use pack::LeftLayout;
use serial::with_workspace;
use share::shared_tasks;

/// The longest inner axis of one pass of the kernel, in units: a packed panel of it is half of a level-2 cache.
/// Under Miri, which is some thousand times slower, tests of several passes have to do with few units in each.
const INNER: usize = if cfg!(miri) { 8 } else { 2048 };

/// Words of the left operand that one task packs at most when both operands have to be packed: with a panel of the right one
/// they fill most of a level-2 cache, and the more of them there are the more seldom panels come from beyond it.
const TASK_WORDS: usize = 6 * 16 * 1024;

/// Pieces for each thread that a product should have, so that all end at about the same time.
const PIECES: usize = 8;

/// Rows of the left operand that a thread takes at a time from a panel; for Miri as [`INNER`].
const PIECE_ROWS: usize = if cfg!(miri) { 4 } else { 32 } * TILE_ROWS;

/// Rows of the left operand that are packed together where a panel is what a task packs: whole tiles of each kernel.
const GROUP_ROWS: usize = 16 * TILE_ROWS;

/// Fewer rows than this on the left are not worth packing the right operand for.
pub const FEW_ROWS: usize = 4;

/// A matrix within a slice, read as it lies or transposed.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T: Element> Matrix<'a, T> {
    /// `rows` x `columns`, contiguous.
    pub fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// `rows` x `columns` with rows `stride` apart.
    ///
    /// # Panics
    /// When the slice is too short.
    pub fn strided(data: &'a [T], rows: usize, columns: usize, stride: usize) -> Self {
        let extent = if rows == 0 || columns == 0 { 0 } else { (rows - 1) * stride + columns };
        assert!(
            extent <= data.len() && columns <= stride.max(columns),
            "an operand of a product lies in its slice"
        );
        Self { data, rows, columns, row_stride: stride, column_stride: 1 }
    }

    /// The same elements with rows and columns swapped.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Whether the elements of a row lie next to each other.
    fn is_row_major(&self) -> bool {
        self.column_stride == 1
    }

    /// Whether a kernel can broadcast words of it without packing.
    fn is_direct(&self, precision: Precision) -> bool {
        match precision {
            Precision::F32 => T::DTYPE == DType::F32 && self.is_row_major(),
            Precision::Bf16 => {
                T::DTYPE == DType::Bf16 && self.is_row_major() && self.columns.is_multiple_of(2)
            }
        }
    }

    fn at(&self, row: usize, column: usize) -> T {
        self.data[row * self.row_stride + column * self.column_stride]
    }
}

/// The part `index` of `all`, which is cut into parts of `size`.
fn part(index: usize, size: usize, all: usize) -> Range<usize> {
    index * size..((index + 1) * size).min(all)
}

/// The number of 32-bit units of an inner axis.
fn units(inner: usize, precision: Precision) -> usize {
    match precision {
        Precision::F32 => inner,
        Precision::Bf16 => inner.div_ceil(2),
    }
}

/// The elements of the inner axis that a range of units holds.
fn inner_of(units: &Range<usize>, inner: usize, precision: Precision) -> Range<usize> {
    match precision {
        Precision::F32 => units.clone(),
        Precision::Bf16 => 2 * units.start..(2 * units.end).min(inner),
    }
}

/// `A B` for a left operand of many rows whose rows lie as the kernel reads them: activations times weights. Each thread
/// packs a panel of `B` for itself and keeps it in its cache while the rows of `A` pass by. Rows of bf16 may end with one
/// element more than `B` has rows, to make their number even.
pub fn product<A: Element, B: Element>(
    pool: &Arc<Pool>,
    precision: Precision,
    a: Matrix<'_, A>,
    b: Matrix<'_, B>,
    epilogue: &dyn Finish,
) {
    assert!(
        a.columns == b.rows || a.columns == b.rows.next_multiple_of(2) && a.is_direct(precision),
        "inner dimensions of a product"
    );
    if a.rows == 0 || b.columns == 0 {
        return;
    }
    if a.rows <= FEW_ROWS && b.row_stride == 1 && a.is_row_major() && a.columns == b.rows {
        return dots::product(a, b, epilogue);
    }
    by_panels(pool, precision, a, &Right::Plain(b), epilogue);
}

/// `A B` in `f32` with a right operand that was packed before, in either kind: each row of the result has the same bits whatever
/// the number of rows, for a kernel sums over the inner axis in one order for each of them.
pub fn product_of_each_row<A: Element>(
    pool: &Arc<Pool>,
    a: Matrix<'_, A>,
    b: &PackedMatrix,
    epilogue: &dyn Finish,
) {
    assert_eq!(a.columns, b.inner, "inner dimensions of a product");
    assert!(b.is_readable(), "an operand is packed for the kernels of this processor");
    if a.rows == 0 || b.columns == 0 {
        return;
    }
    match b.dtype {
        DType::F32 => by_panels::<A, f32>(pool, Precision::F32, a, &Right::Packed(b), epilogue),
        DType::Bf16 => with_mixed_rows(pool, a, |left| {
            all_panels::<Bf16>(pool, OperandTypes::Mixed, left, a.rows, &Right::Packed(b), epilogue);
        }),
    }
}

/// As [`product`], in bf16, with a right operand that was packed before.
pub fn product_packed<A: Element>(
    pool: &Arc<Pool>,
    a: Matrix<'_, A>,
    b: &PackedMatrix,
    epilogue: &dyn Finish,
) {
    assert!(
        a.columns == b.inner || a.columns == b.inner.next_multiple_of(2) && a.is_direct(Precision::Bf16),
        "inner dimensions of a product"
    );
    assert_eq!(b.dtype, DType::Bf16, "a product in bf16 reads words of bf16");
    by_panels::<A, Bf16>(pool, Precision::Bf16, a, &Right::Packed(b), epilogue);
}

/// A right operand of many rows' products.
enum Right<'a, B> {
    Plain(Matrix<'a, B>),
    Packed(&'a PackedMatrix),
}

impl<B: Element> Right<'_, B> {
    fn columns(&self) -> usize {
        match self {
            Self::Plain(matrix) => matrix.columns,
            Self::Packed(packed) => packed.columns,
        }
    }

    fn inner(&self) -> usize {
        match self {
            Self::Plain(matrix) => matrix.rows,
            Self::Packed(packed) => packed.inner,
        }
    }

    /// The units of a span, counted from the first of the words that [`Right::with_words`] gives.
    fn units_of(&self, span: &Range<usize>) -> Range<usize> {
        match self {
            Self::Plain(_) => 0..span.len(),
            Self::Packed(_) => span.clone(),
        }
    }

    /// Gives `then` the words of a panel: those of a span of units, or all where they are packed already. Where columns lie
    /// together they are read and rounded one after the other before, for reading many at a time would wait for the memory.
    fn with_words(
        &self,
        span: &Range<usize>,
        columns: Range<usize>,
        precision: Precision,
        then: impl FnOnce(&[u32]),
    ) {
        let b = match self {
            Self::Packed(packed) => return then(packed.panel(columns.start / PANEL)),
            Self::Plain(b) => *b,
        };
        let inner = inner_of(span, b.rows, precision);
        let is_rounded = precision == Precision::Bf16 && b.row_stride == 1;
        let stride = if is_rounded { rounded_stride(inner.len()) } else { 0 };
        with_workspace(|workspace| {
            let (words, rounded) = workspace.blocks(span.len() * PANEL, PANEL * stride);
            if is_rounded {
                for (column, row) in columns.clone().zip(rounded.chunks_exact_mut(stride)) {
                    let source = &b.data[column * b.column_stride..][inner.clone()];
                    element::convert(source, &mut row[..inner.len()]);
                }
                let b = Matrix::strided(&*rounded, columns.len(), inner.len(), stride).transposed();
                pack::right(words, b, &(0..b.rows), &(0..b.columns), precision);
            } else {
                pack::right(words, b, &inner, &columns, precision);
            }
            then(words);
        });
    }
}

/// Elements from one rounded row to the next: rows a power of two apart would fight for the same places in a cache.
fn rounded_stride(inner: usize) -> usize {
    inner.next_multiple_of(32) + 32
}

/// Copies a left operand to where the kernel can read it.
fn with_packed_rows<A: Element>(
    pool: &Arc<Pool>,
    precision: Precision,
    a: Matrix<'_, A>,
    then: impl FnOnce(Left<'_>),
) {
    if a.is_row_major() && precision == Precision::Bf16 {
        let width = a.columns.next_multiple_of(2);
        let mut rows = pool.take::<Bf16>(a.rows * width);
        rows_mut(&mut rows, width, |first, rows| {
            for (offset, row) in rows.chunks_exact_mut(width).enumerate() {
                let source = &a.data[(first + offset) * a.row_stride..][..a.columns];
                element::convert(source, &mut row[..a.columns]);
                row[a.columns..].fill(Bf16::default());
            }
        });
        let rows = Matrix::new(&rows, a.rows, width);
        return then(Left::direct(rows, precision).expect("rows of pairs are what the kernel reads"));
    }
    let units = units(a.columns, precision);
    let tile = units * TILE_ROWS;
    let mut tiles = pool.take::<u32>(a.rows.div_ceil(TILE_ROWS) * tile);
    each_part(chunks(&mut tiles, tile), |index, out| {
        let first = index * TILE_ROWS;
        pack::left(out, a, first..(first + TILE_ROWS).min(a.rows), 0..units, precision);
    });
    then(Left::tiles(&tiles, units));
}

/// Copies a left operand, where it cannot be read as it lies, to rows of `f32` of even length, for products with words of bf16.
fn with_mixed_rows<A: Element>(pool: &Arc<Pool>, a: Matrix<'_, A>, then: impl FnOnce(Left<'_>)) {
    if let Some(left) = Left::mixed(a) {
        return then(left);
    }
    let width = a.columns.next_multiple_of(2);
    let mut rows = pool.take::<f32>(a.rows * width);
    rows_mut(&mut rows, width, |first, rows| {
        for (offset, row) in rows.chunks_exact_mut(width).enumerate() {
            let source = &a.data[(first + offset) * a.row_stride..][..a.columns];
            element::convert(source, &mut row[..a.columns]);
            row[a.columns..].fill(0.0);
        }
    });
    then(Left::mixed(Matrix::new(&rows, a.rows, width)).expect("rows of pairs are what the kernel reads"));
}

fn by_panels<A: Element, B: Element>(
    pool: &Arc<Pool>,
    precision: Precision,
    a: Matrix<'_, A>,
    right: &Right<'_, B>,
    epilogue: &dyn Finish,
) {
    let operands = precision.into();
    match Left::direct(a, precision) {
        Some(left) => all_panels(pool, operands, left, a.rows, right, epilogue),
        None => with_packed_rows(pool, precision, a, |left| {
            all_panels(pool, operands, left, a.rows, right, epilogue)
        }),
    }
}

/// Spans of the inner axis one after the other; the panels of each are tasks, their rows are shared.
fn all_panels<B: Element>(
    pool: &Arc<Pool>,
    operands: OperandTypes,
    left: Left<'_>,
    rows: usize,
    right: &Right<'_, B>,
    epilogue: &dyn Finish,
) {
    let precision = operands.of_right();
    let (all_columns, all) = (right.columns(), units(right.inner(), precision));
    let panels = all_columns.div_ceil(PANEL);
    let kept = if all > INNER { rows * PANEL } else { 0 };
    let mut sums = pool.take::<f32>(panels * kept);
    let sums = Output::new(&mut sums, kept.max(1));
    let columns_of = |panel: usize| part(panel, PANEL, all_columns);
    let piece = rows_of_piece(rows, panels, left.rows_of_tile(operands));
    for first in (0..all.max(1)).step_by(INNER) {
        let span = first..(first + INNER).min(all);
        let own = |panel: usize, lend: &dyn Fn(&[u32])| {
            right.with_words(&span, columns_of(panel), precision, lend);
        };
        let work = |panel: usize, words: &[u32], index: usize| {
            let rows = part(index, piece, rows);
            let sums: &mut [f32] = match kept {
                0 => &mut [],
                // SAFETY: no other piece has these rows of this panel.
                _ => unsafe { sums.part(panel, rows.start * PANEL, rows.len() * PANEL) },
            };
            let panel = Panel {
                words,
                all_units: words.len() / PANEL,
                units: right.units_of(&span),
                columns: columns_of(panel),
                is_first: first == 0,
                is_last: span.end == all,
                spans: Spans::All,
            };
            finish::run(operands, left.beginning_with(first), rows, &panel, sums, epilogue);
        };
        shared_tasks(panels, rows.div_ceil(piece), own, work);
    }
}

/// Rows that a thread takes at a time: few enough that the last ones are done soon, and that there are some for each thread.
fn rows_of_piece(rows: usize, panels: usize, tile: usize) -> usize {
    let pieces = rayon::current_num_threads().div_ceil(panels);
    rows.div_ceil(pieces).clamp(4 * TILE_ROWS, PIECE_ROWS).next_multiple_of(tile)
}

/// `A B` where the inner axis is the rows of both, as in weight gradients: `A` is read transposed. The smaller operand is packed
/// once for all, and each thread packs the parts of the larger one that it works on.
pub fn product_over_rows<A: Element, B: Element>(
    pool: &Arc<Pool>,
    precision: Precision,
    a: Matrix<'_, A>,
    b: Matrix<'_, B>,
    epilogue: &dyn Finish,
) {
    assert_eq!(a.columns, b.rows, "inner dimensions of a product");
    if a.rows == 0 || b.columns == 0 || a.columns == 0 {
        return;
    }
    let all = units(a.columns, precision);
    for first in (0..all).step_by(INNER) {
        let span = first..(first + INNER).min(all);
        if b.columns > a.rows {
            panels_of_columns(pool, precision, a, b, span, epilogue);
        } else {
            groups_of_rows(pool, precision, a, b, span, epilogue);
        }
    }
}

/// Tasks are panels of `B`, their pieces groups of rows of `A`, which are packed before.
fn panels_of_columns<A: Element, B: Element>(
    pool: &Arc<Pool>,
    precision: Precision,
    a: Matrix<'_, A>,
    b: Matrix<'_, B>,
    span: Range<usize>,
    epilogue: &dyn Finish,
) {
    let layout = LeftLayout::of(&a, precision);
    let (groups, length) = (a.rows.div_ceil(GROUP_ROWS), layout.words(GROUP_ROWS, span.len()));
    let rows_of = |group: usize| part(group, GROUP_ROWS, a.rows);
    let mut packed = pool.take::<u32>(groups * length);
    each_part(chunks(&mut packed, length), |group, words| {
        let rows = rows_of(group);
        let words = &mut words[..layout.words(rows.len(), span.len())];
        layout.pack(words, a, rows, span.clone(), precision);
    });
    let (right, panels) = (Right::Plain(b), b.columns.div_ceil(PANEL));
    let columns_of = |panel: usize| part(panel, PANEL, b.columns);
    let own = |panel: usize, lend: &dyn Fn(&[u32])| {
        right.with_words(&span, columns_of(panel), precision, lend);
    };
    let work = |panel: usize, words: &[u32], group: usize| {
        let rows = rows_of(group);
        let left = layout.left(&packed[group * length..][..length], rows.len(), span.len());
        let panel = Panel::complete(words, span.len(), columns_of(panel));
        finish::run(precision.into(), left.shifted(rows.start), rows, &panel, &mut [], epilogue);
    };
    shared_tasks(panels, groups, own, work);
}

/// Tasks are groups of rows of `A`, their pieces panels of `B`, which are packed before.
fn groups_of_rows<A: Element, B: Element>(
    pool: &Arc<Pool>,
    precision: Precision,
    a: Matrix<'_, A>,
    b: Matrix<'_, B>,
    span: Range<usize>,
    epilogue: &dyn Finish,
) {
    let (panels, length) = (b.columns.div_ceil(PANEL), span.len() * PANEL);
    let columns_of = |panel: usize| part(panel, PANEL, b.columns);
    let mut packed = pool.take::<u32>(panels * length);
    each_part(chunks(&mut packed, length), |panel, words| {
        pack::right(words, b, &inner_of(&span, a.columns, precision), &columns_of(panel), precision);
    });
    let layout = LeftLayout::of(&a, precision);
    let tile = layout.rows_of_tile();
    let all_tiles = a.rows.div_ceil(tile);
    let tasks = tasks_over_rows(all_tiles, tile * span.len(), panels);
    let rows_of = |task: usize| {
        let tiles = task * all_tiles / tasks..(task + 1) * all_tiles / tasks;
        tiles.start * tile..(tiles.end * tile).min(a.rows)
    };
    let own = |task: usize, lend: &dyn Fn(&[u32])| {
        let rows = rows_of(task);
        with_workspace(|workspace| {
            let (words, _) = workspace.blocks(layout.words(rows.len(), span.len()), 0);
            layout.pack(words, a, rows, span.clone(), precision);
            lend(words);
        });
    };
    let work = |task: usize, words: &[u32], panel: usize| {
        let rows = rows_of(task);
        let left = layout.left(words, rows.len(), span.len());
        let panel = Panel::complete(&packed[panel * length..][..length], span.len(), columns_of(panel));
        finish::run(precision.into(), left.shifted(rows.start), rows, &panel, &mut [], epilogue);
    };
    shared_tasks(tasks, panels, own, work);
}

/// As few tasks as their words allow that still have pieces for each thread, and as many tiles in each as in any other, but
/// for one.
fn tasks_over_rows(tiles: usize, words_of_tile: usize, panels: usize) -> usize {
    let threads = rayon::current_num_threads();
    let by_words = (tiles * words_of_tile).div_ceil(TASK_WORDS);
    by_words.max((PIECES * threads).div_ceil(panels)).next_multiple_of(threads).min(tiles)
}

#[cfg(test)]
mod tests;
