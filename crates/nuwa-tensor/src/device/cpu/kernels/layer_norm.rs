use std::sync::Arc;

use super::sums::{rows_and_sums, sum_rows};
use crate::device::Pool;
use crate::element::Element;
use crate::parallel::rows_mut;
use crate::simd::{dot, sum, sum_of_three, vectorised};

pub fn forward<X: Element, Y: Element>(x: &[X], weight: &[f32], bias: &[f32], y: &mut [Y], epsilon: f32) {
    let width = weight.len();
    rows_mut(y, width, |first, rows| forward_rows(&x[first * width..], weight, bias, rows, epsilon));
}

vectorised! {
    fn forward_rows[X: Element, Y: Element](x: &[X], weight: &[f32], bias: &[f32], y: &mut [Y], epsilon: f32) {
        let width = weight.len();
        for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            let (mean, scale) = moments(x, epsilon);
            for (((y, x), w), b) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                *y = Y::narrow((x.widen() - mean) * scale * w + b);
            }
        }
    }
}

#[inline(always)]
fn moments<X: Element>(x: &[X], epsilon: f32) -> (f32, f32) {
    let width = x.len() as f32;
    let mean = sum(x, X::widen) / width;
    let variance = sum(x, |x| (x.widen() - mean) * (x.widen() - mean)) / width;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

/// The gradient of `x`, and those of weight and bias side by side in `total`, in one pass over the rows.
#[allow(clippy::too_many_arguments)]
pub fn backward<X: Element, D: Element>(
    pool: &Arc<Pool>,
    x: &[X],
    weight: &[f32],
    dy: &[D],
    dx: &mut [X],
    total: &mut [f32],
    epsilon: f32,
    accumulate: bool,
) {
    let width = weight.len();
    rows_and_sums(pool, dx, width, total, |range, rows, partial| {
        let span = range.start * width..range.end * width;
        backward_rows(&x[span.clone()], weight, &dy[span], rows, partial, epsilon, accumulate);
    });
}

vectorised! {
    fn backward_rows[X: Element, D: Element](
        x: &[X],
        weight: &[f32],
        dy: &[D],
        dx: &mut [X],
        total: &mut [f32],
        epsilon: f32,
        accumulate: bool,
    ) {
        let width = weight.len();
        let (dw, db) = total.split_at_mut(width);
        for ((dx, x), dy) in dx.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(dy.chunks_exact(width)) {
            let (mean, scale) = moments(x, epsilon);
            let sum_g = dot(dy, weight);
            let sum_gn = sum_of_three(dy, weight, x, |dy, weight, x| dy.widen() * weight * (x.widen() - mean));
            let (mean_g, mean_gn) = (sum_g / width as f32, sum_gn * scale / width as f32);
            let sums = dw.iter_mut().zip(&mut *db);
            for ((((dx, x), dy), w), (dw, db)) in dx.iter_mut().zip(x).zip(dy).zip(weight).zip(sums) {
                let (g, normalised) = (dy.widen(), (x.widen() - mean) * scale);
                let before = if accumulate { dx.widen() } else { 0.0 };
                *dx = X::narrow(before + scale * (g * w - mean_g - normalised * mean_gn));
                *dw += g * normalised;
                *db += g;
            }
        }
    }
}

/// The gradients of weight and bias alone, for an input that needs none.
pub fn backward_weights<X: Element, D: Element>(
    pool: &Arc<Pool>,
    x: &[X],
    dy: &[D],
    total: &mut [f32],
    epsilon: f32,
) {
    let width = total.len() / 2;
    sum_rows(pool, total, x.len() / width, |range, partial| {
        let span = range.start * width..range.end * width;
        weight_rows(&x[span.clone()], &dy[span], partial, epsilon);
    });
}

vectorised! {
    fn weight_rows[X: Element, D: Element](x: &[X], dy: &[D], total: &mut [f32], epsilon: f32) {
        let width = total.len() / 2;
        let (dw, db) = total.split_at_mut(width);
        for (x, dy) in x.chunks_exact(width).zip(dy.chunks_exact(width)) {
            let (mean, scale) = moments(x, epsilon);
            for (((dw, db), x), dy) in dw.iter_mut().zip(&mut *db).zip(x).zip(dy) {
                *dw += dy.widen() * (x.widen() - mean) * scale;
                *db += dy.widen();
            }
        }
    }
}
