//! The inner loops: a tile of sums in registers.

#[cfg(target_arch = "x86_64")]
mod amx;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::marker::PhantomData;
use std::ops::Range;

use super::{Awaited, Block, Epilogue, Matrix};
use crate::Precision;
use crate::element::{DType, Element};
use crate::simd::{BASELINE, Level, MultiplyAdd, level};
use portable::{PortableBf16, PortableF32, PortableMixed};

/// Columns of a panel: four vectors of AVX-512.
pub const PANEL: usize = 64;

/// Rows of a tile: with four vectors of columns 24 of 32 registers hold sums.
pub const TILE_ROWS: usize = 6;

/// The dtypes that a kernel multiplies; sums are of `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperandTypes {
    F32,
    Bf16,
    /// Rows of `f32` times words of bf16, which are widened.
    Mixed,
}

impl OperandTypes {
    /// What the words of the right operand hold.
    pub fn of_right(self) -> Precision {
        if self == Self::F32 { Precision::F32 } else { Precision::Bf16 }
    }
}

impl From<Precision> for OperandTypes {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Bf16,
        }
    }
}

/// Rows whose sums are handed over together: they stay in a first-level cache.
const TOGETHER: usize = 4 * TILE_ROWS;

/// The sums of some tiles, at the beginning of a cache line: else each of their vectors lies in two.
#[repr(align(64))]
struct Sums([[f32; PANEL]; TOGETHER]);

impl Sums {
    fn block(&mut self) -> Block {
        let nothing = std::ptr::null();
        Block {
            out: self.0.as_mut_ptr().cast(),
            dtype: DType::F32,
            stride: PANEL,
            base: nothing,
            bias: nothing,
        }
    }
}

/// The left operand as the kernel reads it: the word `unit` of row `r` of tile `t` lies at
/// `t * tile_step + r * row_step + unit * unit_step` bytes.
#[derive(Clone, Copy)]
pub struct Left<'a> {
    data: *const u8,
    row_step: usize,
    unit_step: usize,
    tile_step: usize,
    /// The row that `data` begins with.
    first_row: usize,
    lifetime: PhantomData<&'a [u32]>,
}

// SAFETY: it is a shared view of a slice.
unsafe impl Send for Left<'_> {}
// SAFETY: as above.
unsafe impl Sync for Left<'_> {}

impl<'a> Left<'a> {
    /// A matrix as it lies, where that is possible. [`Matrix::strided`] has checked that it lies in its slice.
    pub fn direct<T: Element>(a: Matrix<'a, T>, precision: Precision) -> Option<Self> {
        a.is_direct(precision).then(|| Self::by_rows(a.data.as_ptr().cast(), a.row_stride * size_of::<T>()))
    }

    /// A matrix of `f32` as it lies, of which a unit is two elements.
    pub fn mixed<T: Element>(a: Matrix<'a, T>) -> Option<Self> {
        let left = Self::direct(a, Precision::F32).filter(|_| a.columns.is_multiple_of(2))?;
        Some(Self { unit_step: 2 * size_of::<f32>(), ..left })
    }

    fn by_rows(data: *const u8, row_step: usize) -> Self {
        let unit_step = size_of::<u32>();
        Self {
            data,
            row_step,
            unit_step,
            tile_step: TILE_ROWS * row_step,
            first_row: 0,
            lifetime: PhantomData,
        }
    }

    /// Packed blocks, `[block][unit][row]`, of a tile each.
    pub fn tiles(words: &'a [u32], units: usize) -> Self {
        let tile_step = TILE_ROWS * units * size_of::<u32>();
        Self { tile_step, ..Self::block(words, TILE_ROWS) }
    }

    /// A packed block, `[unit][row]`, of several tiles side by side: `rows` in all.
    pub fn block(words: &'a [u32], rows: usize) -> Self {
        let word = size_of::<u32>();
        Self {
            data: words.as_ptr().cast(),
            row_step: word,
            unit_step: rows.next_multiple_of(TILE_ROWS) * word,
            tile_step: TILE_ROWS * word,
            first_row: 0,
            lifetime: PhantomData,
        }
    }

    /// Packed rows, `[row][unit]`, `step` words from one to the next.
    pub fn rows(words: &'a [u32], step: usize) -> Self {
        Self::by_rows(words.as_ptr().cast(), step * size_of::<u32>())
    }

    /// Rows that the kernel takes at one time of whole panels.
    pub fn rows_of_tile(&self, operands: OperandTypes) -> usize {
        if self.lies_by_rows() { block_rows(operands.of_right()) } else { TILE_ROWS }
    }

    /// Whether the words of a row lie next to each other.
    fn lies_by_rows(&self) -> bool {
        self.unit_step == size_of::<u32>()
    }

    /// Bytes from one row to the next, where all rows lie alike.
    #[cfg(target_arch = "x86_64")]
    pub fn row_step(&self) -> usize {
        self.row_step
    }

    /// Where a row begins, if all rows lie alike.
    #[cfg(target_arch = "x86_64")]
    pub fn row(&self, row: usize) -> *const u8 {
        self.data.wrapping_add((row - self.first_row) * self.row_step)
    }

    /// The same data, which begins with row `first_row`.
    pub fn shifted(self, first_row: usize) -> Self {
        Self { first_row, ..self }
    }

    /// The same rows from `unit` on.
    pub fn beginning_with(self, unit: usize) -> Self {
        Self { data: self.data.wrapping_add(unit * self.unit_step), ..self }
    }
}

/// What each tile of rows needs of a product; what is left out is known to be 0, or not looked at.
#[derive(Clone, Copy)]
pub enum Spans<'a> {
    All,
    /// The elements of the inner axis that are not 0 in the left operand.
    Inner(&'a [Range<usize>]),
    /// The columns; the epilogue gets 0 for the others, or nothing.
    Columns(&'a [Range<usize>]),
}

/// A packed part of the right operand.
pub struct Panel<'a> {
    /// `[block of columns][unit][column]`, where a block has the width that [`block`] names.
    pub words: &'a [u32],
    /// The units that `words` holds, and those of them to sum over; the left operand begins with the first of these.
    pub all_units: usize,
    pub units: Range<usize>,
    pub columns: Range<usize>,
    /// Whether sums begin at 0 with it, and whether they are complete after it.
    pub is_first: bool,
    pub is_last: bool,
    pub spans: Spans<'a>,
}

impl<'a> Panel<'a> {
    /// A panel of so many units, which make whole sums.
    pub fn complete(words: &'a [u32], units: usize, columns: Range<usize>) -> Self {
        Self {
            words,
            all_units: units,
            units: 0..units,
            columns,
            is_first: true,
            is_last: true,
            spans: Spans::All,
        }
    }

    /// The units that a tile needs, counted from the first of [`Panel::units`].
    fn units_of(&self, tile: usize, per_unit: usize) -> Range<usize> {
        let units = self.units.len();
        match self.spans {
            Spans::Inner(spans) => {
                let span = &spans[tile];
                span.start / per_unit..span.end.div_ceil(per_unit).min(units)
            }
            Spans::All | Spans::Columns(_) => 0..units,
        }
    }

    /// The columns that a tile needs, counted from the first of [`Panel::columns`].
    fn columns_of(&self, tile: usize) -> Range<usize> {
        let (first, count) = (self.columns.start, self.columns.len());
        let within = |column: usize| column.saturating_sub(first).min(count);
        match self.spans {
            Spans::Columns(spans) => within(spans[tile].start)..within(spans[tile].end),
            Spans::All | Spans::Inner(_) => 0..count,
        }
    }
}

/// The rows that the kernel for whole panels takes at one time, where it can.
pub fn block_rows(precision: Precision) -> usize {
    #[cfg(target_arch = "x86_64")]
    if reads_rows(precision) {
        return amx::ROWS;
    }
    let _ = precision;
    TILE_ROWS
}

/// Whether the kernel for whole panels wants the words of a row next to each other.
pub fn reads_rows(precision: Precision) -> bool {
    precision == Precision::Bf16 && level() >= Level::Amx
}

/// The columns that a kernel takes at one time.
pub fn block() -> usize {
    if level() >= Level::Avx512 { PANEL } else { 16 }
}

/// `rows` of the left operand times the panel, for one epilogue; `sums` holds what earlier panels of the same columns gave.
pub fn finish_tiles<E: Epilogue>(
    operands: OperandTypes,
    left: Left<'_>,
    rows: Range<usize>,
    panel: &Panel<'_>,
    sums: &mut [f32],
    epilogue: &E,
) {
    let loops = Loops::of(operands);
    #[cfg(target_arch = "x86_64")]
    let takes_blocks =
        operands == OperandTypes::Bf16 && left.lies_by_rows() && matches!(panel.spans, Spans::All);
    match level() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `level` only names instruction sets that this processor was found to have.
        Level::Amx if takes_blocks => unsafe { x86::blocks_amx(left, rows, panel, sums, epilogue) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512Bf16 | Level::Amx => unsafe {
            x86::tiles_avx512_bf16(loops, left, rows, panel, sums, epilogue)
        },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512 => unsafe { x86::tiles_avx512(loops, left, rows, panel, sums, epilogue) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx2 => unsafe { x86::tiles_avx2(loops, left, rows, panel, sums, epilogue) },
        // SAFETY: the portable loops need no instruction set; see `tiles` for the operands.
        _ => unsafe { tiles(BASELINE, loops, left, rows, panel, sums, epilogue) },
    }
}

/// [`sum_tiles`] of one kernel.
// SAFETY: what it asks of its caller is what that function says.
type SumTiles = unsafe fn(Block, &Range<usize>, usize, &Left<'_>, &Panel<'_>, &Results);

/// A kernel as a value: what is made of its sums is compiled once for all kernels.
#[derive(Clone, Copy)]
struct Loops {
    columns: usize,
    part: usize,
    finishes: fn(DType) -> bool,
    sum: SumTiles,
}

impl Loops {
    /// The fastest for these operands at the level in use.
    fn of(operands: OperandTypes) -> Self {
        match (operands, level()) {
            #[cfg(target_arch = "x86_64")]
            (OperandTypes::Bf16, Level::Avx512Bf16 | Level::Amx) => Self::new::<x86::Bf16Avx512>(),
            #[cfg(target_arch = "x86_64")]
            (OperandTypes::Bf16, Level::Avx512) => Self::new::<x86::PortableAvx512>(),
            #[cfg(target_arch = "x86_64")]
            (OperandTypes::Bf16, Level::Avx2) => Self::new::<x86::PortableAvx2>(),
            #[cfg(target_arch = "x86_64")]
            (OperandTypes::F32, Level::Avx512 | Level::Avx512Bf16 | Level::Amx) => {
                Self::new::<x86::F32Avx512>()
            }
            #[cfg(target_arch = "x86_64")]
            (OperandTypes::F32, Level::Avx2) => Self::new::<x86::F32Avx2>(),
            #[cfg(target_arch = "x86_64")]
            (OperandTypes::Mixed, Level::Avx512 | Level::Avx512Bf16 | Level::Amx) => {
                Self::new::<x86::MixedAvx512>()
            }
            #[cfg(target_arch = "x86_64")]
            (OperandTypes::Mixed, Level::Avx2) => Self::new::<x86::MixedAvx2>(),
            (OperandTypes::F32, _) => Self::new::<PortableF32>(),
            (OperandTypes::Bf16, _) => Self::new::<PortableBf16>(),
            (OperandTypes::Mixed, _) => Self::new::<PortableMixed>(),
        }
    }

    fn new<K: Kernel>() -> Self {
        Self { columns: K::COLUMNS, part: K::PART, finishes: K::finishes, sum: K::SUM }
    }
}

/// One tile of sums.
trait Kernel: Sized {
    /// Columns of a block.
    const COLUMNS: usize;

    /// Columns that a whole tile can be made of in place of [`Kernel::COLUMNS`], beginning at a multiple of them.
    const PART: usize = Self::COLUMNS;

    /// Elements of a unit.
    const PER_UNIT: usize;

    /// [`sum_tiles`], compiled for the kernel's instruction set.
    const SUM: SumTiles;

    /// Whether it makes blocks of a result of this dtype of its sums; else it only stores them, as `f32`.
    fn finishes(_kind: DType) -> bool {
        false
    }

    /// Makes `R` rows of `out` of sums over `units`, of at least `QUARTERS` quarters of the columns. Calls `ask` for each of
    /// [`TILE_ROWS`] rows on its way, so that the memory of the results can be asked for.
    ///
    /// # Safety
    /// `R` rows of `units` words are readable at `a` with the steps of `left`, and `units * COLUMNS` words at `b`; `out` has room
    /// for the sums; the processor has the kernel's instruction set.
    unsafe fn tile<const R: usize, const QUARTERS: usize>(
        a: *const u8,
        left: &Left<'_>,
        b: *const u32,
        units: usize,
        out: Block,
        ask: Ask<'_>,
    );
}

/// The memory of results that is to be asked for, from the first row and column on.
struct Results {
    awaited: [Awaited; 2],
    rows: usize,
    count: usize,
}

/// Asks for the memory of a tile's results.
#[derive(Clone, Copy)]
struct Ask<'a> {
    results: &'a Results,
    first: usize,
    /// Rows that are asked for: none where another tile asks for them.
    rows: usize,
}

impl Ask<'_> {
    /// Asks for one row of the tile, if it has as many.
    #[inline(always)]
    fn row(&self, row: usize) {
        if row < self.rows {
            self.results.awaited.iter().for_each(|awaited| awaited.ask(self.first + row, self.results.count));
        }
    }
}

/// All tiles of a panel.
///
/// # Safety
/// `left` covers `rows` and the units of the panel, and the processor has the instruction set of the loops. The first is so
/// because every `Left` is made by a product that knows the extents of its operands.
#[inline(always)]
unsafe fn tiles<E: Epilogue>(
    m: impl MultiplyAdd,
    loops: Loops,
    left: Left<'_>,
    rows: Range<usize>,
    panel: &Panel<'_>,
    sums: &mut [f32],
    epilogue: &E,
) {
    let mut room = Sums([[0.0; PANEL]; TOGETHER]);
    let (count, awaited) = (panel.columns.len(), epilogue.awaited());
    let asks = panel.is_last && awaited.iter().any(Awaited::is_some);
    let results = |rows: &Range<usize>| Results {
        awaited: awaited.map(|awaited| awaited.from(rows.start, panel.columns.start)),
        rows: if asks { rows.len() } else { 0 },
        count,
    };
    let whole = rows.end - rows.len() % TILE_ROWS;
    for part in [rows.start..whole, whole..rows.end] {
        if part.is_empty() {
            continue;
        }
        if let Some(block) = finished_block(loops, panel, part.clone(), epilogue) {
            // SAFETY: the caller's promise.
            unsafe { (loops.sum)(block, &part, rows.start, &left, panel, &results(&part)) };
            continue;
        }
        for first in part.clone().step_by(TOGETHER) {
            let own = first..(first + TOGETHER).min(part.end);
            for (tile, values) in room.0[..own.len()].chunks_mut(TILE_ROWS).enumerate() {
                if panel.columns_of((first - rows.start) / TILE_ROWS + tile).len() < count {
                    values.iter_mut().for_each(|values| values[..count].fill(0.0));
                }
            }
            // SAFETY: the caller's promise.
            unsafe { (loops.sum)(room.block(), &own, rows.start, &left, panel, &results(&own)) };
            hand_over(m, &mut room.0[..own.len()], own, rows.start, panel, sums, epilogue);
        }
    }
}

/// Gives the epilogue the sums of some rows, together with what earlier panels of the same columns gave; keeps them in
/// `sums`, which begins with the row `kept_from`, where later panels follow.
#[inline(always)]
pub(super) fn hand_over<E: Epilogue>(
    m: impl MultiplyAdd,
    tile: &mut [[f32; PANEL]],
    rows: Range<usize>,
    kept_from: usize,
    panel: &Panel<'_>,
    sums: &mut [f32],
    epilogue: &E,
) {
    let count = panel.columns.len();
    for (row, values) in rows.zip(tile) {
        let values = &mut values[..count];
        if !panel.is_first || !panel.is_last {
            let kept = &mut sums[(row - kept_from) * PANEL..][..count];
            if !panel.is_first {
                values.iter_mut().zip(&*kept).for_each(|(value, kept)| *value += kept);
            }
            if !panel.is_last {
                kept.copy_from_slice(values);
                continue;
            }
        }
        // A copy for the usual length, so that its loops have no ends to look for.
        match values.first_chunk_mut::<PANEL>() {
            Some(whole) => epilogue.apply(m, row, panel.columns.start, whole),
            None => epilogue.apply(m, row, panel.columns.start, values),
        }
    }
}

/// The block of the result that these rows of a panel are, where the kernel can finish it.
#[inline(always)]
fn finished_block<E: Epilogue>(
    loops: Loops,
    panel: &Panel<'_>,
    rows: Range<usize>,
    epilogue: &E,
) -> Option<Block> {
    // What a tile writes has to be columns of the panel.
    let part = if rows.len() == TILE_ROWS { loops.part } else { loops.columns };
    if !panel.is_first || !panel.is_last || !panel.columns.len().is_multiple_of(part) {
        return None;
    }
    epilogue.block(rows, panel.columns.clone()).filter(|block| (loops.finishes)(block.dtype))
}

/// Makes `out` of the sums of some rows, which begin with a tile; tiles are counted from the row `first` on. Asks for the memory of `results`
/// on its way.
///
/// # Safety
/// `left` covers the rows and the units of the panel; `out` has room for all tiles, or is a [`finished_block`]; the processor has the
/// kernel's instruction set.
#[inline(always)]
unsafe fn sum_tiles<K: Kernel>(
    out: Block,
    rows: &Range<usize>,
    first: usize,
    left: &Left<'_>,
    panel: &Panel<'_>,
    results: &Results,
) {
    for row in rows.clone().step_by(TILE_ROWS) {
        let (height, done) = (TILE_ROWS.min(rows.end - row), row - rows.start);
        let a = left.data.wrapping_add((row - left.first_row) / TILE_ROWS * left.tile_step);
        let index = (row - first) / TILE_ROWS;
        let ask = Ask { results, first: done, rows: results.rows.saturating_sub(done).min(height) };
        // SAFETY: the caller's promise.
        unsafe { sum_tile::<K>(out.below(done), height, a, left, panel, index, ask) };
    }
}

/// Makes the columns of `out` that the tile `index` of a panel needs.
///
/// # Safety
/// As for [`sum_tiles`]; `height` rows of all units of the panel are readable at `a` with the steps of `left`.
#[inline(always)]
unsafe fn sum_tile<K: Kernel>(
    out: Block,
    height: usize,
    a: *const u8,
    left: &Left<'_>,
    panel: &Panel<'_>,
    index: usize,
    ask: Ask<'_>,
) {
    let count = panel.columns.len();
    let units = panel.units_of(index, K::PER_UNIT);
    let columns =
        whole_parts(panel.columns_of(index), count, if height == TILE_ROWS { K::PART } else { K::COLUMNS });
    let a = a.wrapping_add(units.start * left.unit_step);
    let mut column = columns.start;
    while column < columns.end {
        let within = column % K::COLUMNS;
        let unit = panel.units.start + units.start;
        let b = panel.words[(column - within) * panel.all_units + unit * K::COLUMNS + within..].as_ptr();
        let shape = [height, columns.end - column, units.len()];
        let ask = Ask { rows: if column == columns.start { ask.rows } else { 0 }, ..ask };
        // SAFETY: the caller promises the rows; the panel holds `units * COLUMNS` words from the block's first column on, and
        // where a tile begins within a block it takes no more columns than are left.
        unsafe { tile_of::<K>(shape, a, left, b, out.shifted(column), ask) };
        column += K::COLUMNS;
    }
}

/// The parts of this size that hold the columns.
fn whole_parts(columns: Range<usize>, count: usize, size: usize) -> Range<usize> {
    if columns.is_empty() {
        return 0..0;
    }
    columns.start / size * size..columns.end.next_multiple_of(size).min(count)
}

/// # Safety
/// As for [`Kernel::tile`] with `height` rows.
#[inline(always)]
unsafe fn tile_of<K: Kernel>(
    [height, columns, units]: [usize; 3],
    a: *const u8,
    left: &Left<'_>,
    b: *const u32,
    out: Block,
    ask: Ask<'_>,
) {
    // SAFETY: the caller's promise for `height` rows.
    unsafe {
        match height {
            1 => K::tile::<1, 4>(a, left, b, units, out, ask),
            2 => K::tile::<2, 4>(a, left, b, units, out, ask),
            3 => K::tile::<3, 4>(a, left, b, units, out, ask),
            4 => K::tile::<4, 4>(a, left, b, units, out, ask),
            5 => K::tile::<5, 4>(a, left, b, units, out, ask),
            // Half a panel: the heads of small models.
            _ if columns <= PANEL / 2 => K::tile::<6, 2>(a, left, b, units, out, ask),
            _ => K::tile::<6, 4>(a, left, b, units, out, ask),
        }
    }
}
