use std::sync::Arc;

use super::sums::sum_rows;
use crate::device::Pool;
use crate::element::Element;
use crate::parallel::rows_mut;
use crate::simd::vectorised;

/// What each feature is normalised by.
#[derive(Clone, Copy)]
pub struct Columns<'a> {
    pub mean: &'a [f32],
    /// `1 / sqrt(variance + epsilon)`.
    pub scale: &'a [f32],
    pub weight: &'a [f32],
}

/// `[mean | biased variance]` of each column, to a block of zeros.
pub fn moments<X: Element>(pool: &Arc<Pool>, x: &[X], moments: &mut [f32]) {
    let (mean, variance) = moments.split_at_mut(moments.len() / 2);
    let width = mean.len();
    let rows = x.len() / width;
    let part = |range: std::ops::Range<usize>| &x[range.start * width..range.end * width];
    sum_rows(pool, mean, rows, |range, sums| add_rows(part(range), sums));
    mean.iter_mut().for_each(|mean| *mean /= rows as f32);
    sum_rows(pool, variance, rows, |range, sums| add_squares(part(range), mean, sums));
    variance.iter_mut().for_each(|variance| *variance /= rows as f32);
}

vectorised! {
    fn add_rows[X: Element](x: &[X], sums: &mut [f32]) {
        for x in x.chunks_exact(sums.len()) {
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum += x.widen();
            }
        }
    }
}

vectorised! {
    fn add_squares[X: Element](x: &[X], mean: &[f32], sums: &mut [f32]) {
        for x in x.chunks_exact(sums.len()) {
            for ((sum, x), mean) in sums.iter_mut().zip(x).zip(mean) {
                *sum += (x.widen() - mean) * (x.widen() - mean);
            }
        }
    }
}

/// `1 / sqrt(variance + epsilon)`.
pub fn scales(variance: &[f32], epsilon: f32) -> Vec<f32> {
    variance.iter().map(|variance| 1.0 / (variance + epsilon).sqrt()).collect()
}

pub fn forward<X: Element, Y: Element>(x: &[X], columns: Columns<'_>, bias: &[f32], y: &mut [Y]) {
    let width = bias.len();
    rows_mut(y, width, |first, rows| forward_rows(&x[first * width..], columns, bias, rows));
}

vectorised! {
    fn forward_rows[X: Element, Y: Element](x: &[X], columns: Columns<'_>, bias: &[f32], y: &mut [Y]) {
        let Columns { mean, scale, weight } = columns;
        let width = bias.len();
        for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            let features = y.iter_mut().zip(x).zip(mean).zip(scale).zip(weight).zip(bias);
            for (((((y, x), mean), scale), weight), bias) in features {
                *y = Y::narrow((x.widen() - mean) * scale * weight + bias);
            }
        }
    }
}

/// Adds the gradients of weight and bias side by side to a block of zeros.
pub fn sums<X: Element, D: Element>(
    pool: &Arc<Pool>,
    x: &[X],
    columns: Columns<'_>,
    dy: &[D],
    total: &mut [f32],
) {
    let width = columns.mean.len();
    sum_rows(pool, total, x.len() / width, |range, partial| {
        let span = range.start * width..range.end * width;
        add_sums(&x[span.clone()], columns, &dy[span], partial);
    });
}

vectorised! {
    fn add_sums[X: Element, D: Element](x: &[X], columns: Columns<'_>, dy: &[D], total: &mut [f32]) {
        let Columns { mean, scale, .. } = columns;
        let width = mean.len();
        let (dw, db) = total.split_at_mut(width);
        for (x, dy) in x.chunks_exact(width).zip(dy.chunks_exact(width)) {
            let features = dw.iter_mut().zip(&mut *db).zip(x).zip(dy).zip(mean).zip(scale);
            for (((((dw, db), x), dy), mean), scale) in features {
                *dw += dy.widen() * ((x.widen() - mean) * scale);
                *db += dy.widen();
            }
        }
    }
}

/// The gradient of `x`. `through` are the means over rows of the gradients of weight and bias, by which statistics of the rows carry
/// it; zeros where statistics are fixed.
pub fn backward<X: Element, D: Element>(
    x: &[X],
    columns: Columns<'_>,
    dy: &[D],
    through: &[f32],
    dx: &mut [X],
    accumulate: bool,
) {
    let width = columns.mean.len();
    rows_mut(dx, width, |first, rows| {
        backward_rows(&x[first * width..], columns, &dy[first * width..], through, rows, accumulate);
    });
}

vectorised! {
    fn backward_rows[X: Element, D: Element](
        x: &[X],
        columns: Columns<'_>,
        dy: &[D],
        through: &[f32],
        dx: &mut [X],
        accumulate: bool,
    ) {
        let Columns { mean, scale, weight } = columns;
        let width = mean.len();
        let (of_weight, of_bias) = through.split_at(width);
        for ((dx, x), dy) in dx.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(dy.chunks_exact(width)) {
            let features = dx.iter_mut().zip(x).zip(dy).zip(mean).zip(scale).zip(weight);
            for ((((((dx, x), dy), mean), scale), weight), (of_weight, of_bias)) in
                features.zip(of_weight.iter().zip(of_bias))
            {
                let normalised = (x.widen() - mean) * scale;
                let before = if accumulate { dx.widen() } else { 0.0 };
                *dx = X::narrow(before + weight * scale * (dy.widen() - of_bias - normalised * of_weight));
            }
        }
    }
}
