//! Products on one side, what becomes of their sums on the other, and a pointer between them.

use std::ops::Range;

use super::Epilogue;
use super::kernel::{Left, OperandTypes, PANEL, Panel, finish_tiles};
use crate::simd::vectorised;

/// An [`Epilogue`] behind a pointer. What is called here once is compiled for each epilogue, and products, which call it, once for all of
/// them.
pub trait Finish: Sync {
    /// Gives the epilogue the sums of all tiles of a panel; see [`run`].
    fn tiles(
        &self,
        operands: OperandTypes,
        left: Left<'_>,
        rows: Range<usize>,
        panel: &Panel<'_>,
        sums: &mut [f32],
    );

    /// Gives the epilogue the sums of some rows, `stride` apart, and columns.
    fn rows(&self, rows: Range<usize>, columns: Range<usize>, values: &mut [f32], stride: usize);
}

impl<E: Epilogue> Finish for E {
    fn tiles(
        &self,
        operands: OperandTypes,
        left: Left<'_>,
        rows: Range<usize>,
        panel: &Panel<'_>,
        sums: &mut [f32],
    ) {
        finish_tiles(operands, left, rows, panel, sums, self);
    }

    fn rows(&self, rows: Range<usize>, columns: Range<usize>, values: &mut [f32], stride: usize) {
        finish_rows(self, rows, columns, values, stride);
    }
}

vectorised! {
    fn finish_rows with m [E: Epilogue](epilogue: &E, rows: Range<usize>, columns: Range<usize>, values: &mut [f32], stride: usize) {
        for (row, values) in rows.zip(values.chunks_mut(stride)) {
            epilogue.apply(m, row, columns.start, &mut values[..columns.len()]);
        }
    }
}

/// `rows` of the left operand times the panel; `sums` holds what earlier panels of the same columns gave.
pub fn run(
    operands: OperandTypes,
    left: Left<'_>,
    rows: Range<usize>,
    panel: &Panel<'_>,
    sums: &mut [f32],
    epilogue: &dyn Finish,
) {
    assert!(
        panel.words.len() >= panel.all_units * PANEL && panel.units.end <= panel.all_units,
        "a panel holds all units"
    );
    epilogue.tiles(operands, left, rows, panel, sums);
}
