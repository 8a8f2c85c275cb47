use std::sync::Arc;

use crate::ops::parallel::{rows_mut, sum_rows};
use crate::ops::product::{Matrix, product};
use crate::pool::Pool;

pub fn forward(x: &[f32], weight: &[f32], bias: Option<&[f32]>, y: &mut [f32], width: usize) {
    let (rows, out) = (x.len() / width, weight.len() / width);
    if let Some(bias) = bias {
        rows_mut(y, out, |_, rows| rows.chunks_exact_mut(out).for_each(|row| row.copy_from_slice(bias)));
    }
    product(
        1.0,
        Matrix::new(x, rows, width),
        Matrix::new(weight, out, width).transposed(),
        y,
        bias.is_some(),
    );
}

pub fn backward_input(dy: &[f32], weight: &[f32], dx: &mut [f32], width: usize, accumulate: bool) {
    let out = weight.len() / width;
    product(1.0, Matrix::new(dy, dy.len() / out, out), Matrix::new(weight, out, width), dx, accumulate);
}

pub fn backward_weight(dy: &[f32], x: &[f32], dw: &mut [f32], width: usize) {
    let (rows, out) = (x.len() / width, dw.len() / width);
    product(1.0, Matrix::new(dy, rows, out).transposed(), Matrix::new(x, rows, width), dw, true);
}

pub fn backward_bias(pool: &Arc<Pool>, dy: &[f32], db: &mut [f32]) {
    let width = db.len();
    sum_rows(pool, db, dy.len() / width, |range, partial| {
        for row in dy[range.start * width..range.end * width].chunks_exact(width) {
            for (sum, value) in partial.iter_mut().zip(row) {
                *sum += value;
            }
        }
    });
}
