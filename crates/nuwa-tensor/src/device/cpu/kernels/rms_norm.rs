use std::sync::Arc;

use super::sums::sum_rows;
use crate::device::Pool;
use crate::element::Element;
use crate::parallel::rows_mut;
use crate::simd::{dot, sum_of_three, vectorised};

pub fn forward<X: Element, Y: Element>(x: &[X], weight: &[f32], y: &mut [Y], epsilon: f32) {
    let width = weight.len();
    rows_mut(y, width, |first, rows| forward_rows(&x[first * width..], weight, rows, epsilon));
}

vectorised! {
    pub fn forward_rows[X: Element, Y: Element](x: &[X], weight: &[f32], y: &mut [Y], epsilon: f32) {
        let width = weight.len();
        for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            let scale = scale(x, epsilon);
            for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
                *y = Y::narrow(x.widen() * scale * w);
            }
        }
    }
}

#[inline(always)]
fn scale<X: Element>(x: &[X], epsilon: f32) -> f32 {
    1.0 / (dot(x, x) / x.len() as f32 + epsilon).sqrt()
}

pub fn backward_input<X: Element, D: Element>(
    x: &[X],
    weight: &[f32],
    dy: &[D],
    dx: &mut [X],
    epsilon: f32,
    accumulate: bool,
) {
    let width = weight.len();
    rows_mut(dx, width, |first, rows| {
        let start = first * width;
        backward_rows(&x[start..], weight, &dy[start..], rows, epsilon, accumulate);
    });
}

vectorised! {
    pub fn backward_rows[X: Element, D: Element](
        x: &[X],
        weight: &[f32],
        dy: &[D],
        dx: &mut [X],
        epsilon: f32,
        accumulate: bool,
    ) {
        let width = weight.len();
        for ((dx, x), dy) in dx.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(dy.chunks_exact(width)) {
            let scale = scale(x, epsilon);
            let dot = sum_of_three(x, dy, weight, |x, dy, weight| dy.widen() * weight * x.widen());
            let pull = scale * scale * dot / width as f32;
            for (((dx, x), dy), w) in dx.iter_mut().zip(x).zip(dy).zip(weight) {
                let before = if accumulate { dx.widen() } else { 0.0 };
                *dx = X::narrow(before + scale * (dy.widen() * w - x.widen() * pull));
            }
        }
    }
}

pub fn backward_weight<X: Element, D: Element>(
    pool: &Arc<Pool>,
    x: &[X],
    dy: &[D],
    dw: &mut [f32],
    epsilon: f32,
) {
    let width = dw.len();
    sum_rows(pool, dw, x.len() / width, |range, partial| {
        let span = range.start * width..range.end * width;
        weight_rows(&x[span.clone()], &dy[span], partial, epsilon);
    });
}

vectorised! {
    pub fn weight_rows[X: Element, D: Element](x: &[X], dy: &[D], dw: &mut [f32], epsilon: f32) {
        let width = dw.len();
        for (x, dy) in x.chunks_exact(width).zip(dy.chunks_exact(width)) {
            let scale = scale(x, epsilon);
            for ((dw, x), dy) in dw.iter_mut().zip(x).zip(dy) {
                *dw += dy.widen() * x.widen() * scale;
            }
        }
    }
}
