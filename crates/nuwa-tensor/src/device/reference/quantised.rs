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

/// A block whose largest number is more than so many times the root mean square of its row is rounded twice.
const OUTLIER: f32 = 5.0;

/// Rows as a product with `weight` reads them: where that is of quantised blocks, `scale round(x / scale)` with
/// `scale = largest |x| / 127` of each block, and of blocks with outliers what that leaves with `scale / 254`.
pub fn as_read_by(weight: &Parameter, x: Vec<f64>) -> Vec<f64> {
    let is_quantised = weight.matrix().is_some_and(|matrix| matrix.block_if::<Dequantised>().is_some());
    if !is_quantised {
        return x;
    }
    let width = weight.shape().width();
    x.chunks(width).flat_map(|row| rounded(row, width)).collect()
}

fn rounded(row: &[f64], width: usize) -> Vec<f64> {
    // In f32, as other devices do it: a number half way between two codes would else become the other one.
    let row: Vec<f32> = row.iter().map(|x| *x as f32).collect();
    let limit = OUTLIER * (row.iter().map(|x| x * x).sum::<f32>() / width as f32).sqrt();
    let of = |block: &[f32]| -> Vec<f64> {
        let largest = block.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        let (scale, inverse) = (largest / 127.0, if largest > 0.0 { 127.0 / largest } else { 0.0 });
        let number = |x: &f32| {
            let code = (x * inverse).round_ties_even();
            let is_outlier = largest > limit;
            let left = ((x - scale * code) * (254.0 * inverse)).round_ties_even();
            f64::from(scale) * (f64::from(code) + if is_outlier { f64::from(left) / 254.0 } else { 0.0 })
        };
        block.iter().map(number).collect()
    };
    row.chunks(BLOCK).flat_map(of).collect()
}
