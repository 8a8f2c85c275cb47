use std::sync::Arc;

use crate::ops::parallel::{rows_mut, sum_rows};
use crate::pool::Pool;
use crate::simd::{sum, vectorised};

pub fn forward(x: &[f32], weight: &[f32], bias: &[f32], y: &mut [f32], epsilon: f32) {
    let width = weight.len();
    rows_mut(y, width, |first, rows| forward_rows(&x[first * width..], weight, bias, rows, epsilon));
}

vectorised! {
    fn forward_rows(x: &[f32], weight: &[f32], bias: &[f32], y: &mut [f32], epsilon: f32) {
        let width = weight.len();
        for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            let (mean, scale) = moments(x, epsilon);
            for (((y, x), w), b) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                *y = (x - mean) * scale * w + b;
            }
        }
    }
}

#[inline(always)]
fn moments(x: &[f32], epsilon: f32) -> (f32, f32) {
    let width = x.len() as f32;
    let mean = sum(x.len(), |i| x[i]) / width;
    let variance = sum(x.len(), |i| (x[i] - mean) * (x[i] - mean)) / width;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

pub fn backward_input(x: &[f32], weight: &[f32], dy: &[f32], dx: &mut [f32], epsilon: f32, accumulate: bool) {
    let width = weight.len();
    rows_mut(dx, width, |first, rows| {
        let start = first * width;
        backward_rows(&x[start..], weight, &dy[start..], rows, epsilon, accumulate);
    });
}

vectorised! {
    fn backward_rows(x: &[f32], weight: &[f32], dy: &[f32], dx: &mut [f32], epsilon: f32, accumulate: bool) {
        let width = weight.len();
        if !accumulate {
            dx.fill(0.0);
        }
        for ((dx, x), dy) in dx.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(dy.chunks_exact(width)) {
            let (mean, scale) = moments(x, epsilon);
            let mean_g = sum(width, |i| dy[i] * weight[i]) / width as f32;
            let mean_gn = sum(width, |i| dy[i] * weight[i] * (x[i] - mean)) * scale / width as f32;
            for (((dx, x), dy), w) in dx.iter_mut().zip(x).zip(dy).zip(weight) {
                let normalised = (x - mean) * scale;
                *dx += scale * (dy * w - mean_g - normalised * mean_gn);
            }
        }
    }
}

pub fn backward_weight(pool: &Arc<Pool>, x: &[f32], dy: &[f32], dw: &mut [f32], epsilon: f32) {
    let width = dw.len();
    sum_rows(pool, dw, x.len() / width, |range, partial| {
        let span = range.start * width..range.end * width;
        weight_rows(&x[span.clone()], &dy[span], partial, epsilon);
    });
}

vectorised! {
    fn weight_rows(x: &[f32], dy: &[f32], dw: &mut [f32], epsilon: f32) {
        let width = dw.len();
        for (x, dy) in x.chunks_exact(width).zip(dy.chunks_exact(width)) {
            let (mean, scale) = moments(x, epsilon);
            for ((dw, x), dy) in dw.iter_mut().zip(x).zip(dy) {
                *dw += dy * (x - mean) * scale;
            }
        }
    }
}
