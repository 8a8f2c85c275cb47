//! Matrices of quantised blocks: their numbers, and `x` as their products read it.

use crate::Parameter;
use crate::device::QuantisedRows;

/// Numbers of a row that are rounded together.
const BLOCK: usize = 32;

/// The numbers of a matrix, row by row.
pub struct Dequantised(pub Vec<f32>);

impl Dequantised {
    pub fn new(parts: &[QuantisedRows]) -> Self {
        let mut values = Vec::new();
        for part in parts {
            for row in 0..part.rows {
                let start = values.len();
                values.resize(start + part.width, 0.0);
                part.block.dequantize(part.row(row), &mut values[start..]);
            }
        }
        Self(values)
    }
}

/// Rows as a product with `weight` reads them: where that is of quantised blocks, `scale round(x / scale)` with
/// `scale = largest |x| / 127` of each block.
pub fn as_read_by(weight: &Parameter, x: Vec<f64>) -> Vec<f64> {
    let is_quantised = weight.matrix().is_some_and(|matrix| matrix.block_if::<Dequantised>().is_some());
    if !is_quantised {
        return x;
    }
    let rounded = x.chunks(BLOCK).flat_map(|block| {
        // In f32, as other devices do it: a number half way between two codes would else become the other one.
        let largest = block.iter().fold(0.0_f32, |largest, x| largest.max((*x as f32).abs()));
        let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        let code = move |x: &f64| (*x as f32 * inverse).round_ties_even();
        block.iter().map(move |x| f64::from(largest) / 127.0 * f64::from(code(x)))
    });
    rounded.collect()
}
