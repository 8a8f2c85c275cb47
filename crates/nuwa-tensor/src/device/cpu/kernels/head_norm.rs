use std::ops::Range;
use std::sync::Arc;

use super::rms_norm::{backward_rows, forward_rows, weight_rows};
use super::sums::sum_rows;
use crate::calls::HeadLayout;
use crate::device::Pool;
use crate::element::Element;
use crate::parallel::rows_mut;

/// How packed rows are normalised.
#[derive(Clone, Copy)]
pub struct Norm<'a> {
    pub heads: HeadLayout,
    /// Of queries, and of keys.
    pub weights: [&'a [f32]; 2],
    pub epsilon: f32,
}

pub fn forward<T: Element>(norm: Norm<'_>, x: &[T], y: &mut [T]) {
    let width = norm.heads.width();
    rows_mut(y, width, |first, rows| {
        for (y, x) in rows.chunks_exact_mut(width).zip(x[first * width..].chunks_exact(width)) {
            let columns = norm.heads.query_and_key_columns();
            y[columns[1].end..].copy_from_slice(&x[columns[1].end..]);
            for (weight, columns) in norm.weights.iter().zip(columns) {
                forward_rows(&x[columns.clone()], weight, &mut y[columns], norm.epsilon);
            }
        }
    });
}

pub fn backward_input<T: Element>(norm: Norm<'_>, x: &[T], dy: &[T], dx: &mut [T], accumulate: bool) {
    let width = norm.heads.width();
    rows_mut(dx, width, |first, rows| {
        let span = first * width..first * width + rows.len();
        let inputs = x[span.clone()].chunks_exact(width).zip(dy[span].chunks_exact(width));
        for (dx, (x, dy)) in rows.chunks_exact_mut(width).zip(inputs) {
            let columns = norm.heads.query_and_key_columns();
            let values = columns[1].end;
            for (dx, dy) in dx[values..].iter_mut().zip(&dy[values..]) {
                *dx = if accumulate { T::narrow(dx.widen() + dy.widen()) } else { *dy };
            }
            for (weight, columns) in norm.weights.iter().zip(columns) {
                let (x, dy, dx) = (&x[columns.clone()], &dy[columns.clone()], &mut dx[columns]);
                backward_rows(x, weight, dy, dx, norm.epsilon, accumulate);
            }
        }
    });
}

/// The gradient of the weight of `columns` of rows of `width`.
pub fn backward_weight<X: Element, D: Element>(
    pool: &Arc<Pool>,
    (width, columns): (usize, Range<usize>),
    x: &[X],
    dy: &[D],
    dw: &mut [f32],
    epsilon: f32,
) {
    sum_rows(pool, dw, x.len() / width, |rows, partial| {
        for row in rows {
            let span = row * width + columns.start..row * width + columns.end;
            weight_rows(&x[span.clone()], &dy[span], partial, epsilon);
        }
    });
}
