use super::linear::Context;
use crate::device::cpu::product::{Matrix, Store, product, product_over_rows};
use crate::element::Element;

/// Groups of features: how many, and how large.
#[derive(Clone, Copy)]
pub struct Groups {
    pub count: usize,
    pub size: usize,
}

impl Groups {
    fn width(self) -> usize {
        self.count * self.size
    }

    /// The columns of a group in rows of all features.
    fn rows<T: Element>(self, x: &[T], group: usize) -> Matrix<'_, T> {
        let rows = x.len() / self.width();
        Matrix::strided(&x[(group * self.size).min(x.len())..], rows, self.size, self.width())
    }

    /// The matrix of a group.
    fn matrix(self, weight: &[f32], group: usize) -> Matrix<'_, f32> {
        Matrix::new(&weight[group * self.size * self.size..], self.size, self.size)
    }
}

/// `y = x W + b`, group by group.
pub fn forward<T: Element>(
    context: Context<'_>,
    groups: Groups,
    x: &[T],
    weight: &[f32],
    bias: &[f32],
    y: &mut [T],
) {
    if x.is_empty() {
        return;
    }
    for group in 0..groups.count {
        let first = group * groups.size;
        let store = Store::plain(&mut y[first..], groups.width()).with_bias(Some(&bias[first..]));
        let matrix = groups.matrix(weight, group);
        product(context.pool, context.precision, groups.rows(x, group), matrix, &store);
    }
}

/// `dx = dy W^T`.
pub fn backward_input<D: Element, T: Element>(
    context: Context<'_>,
    groups: Groups,
    dy: &[D],
    weight: &[f32],
    dx: &mut [T],
    accumulate: bool,
) {
    if dy.is_empty() {
        return;
    }
    for group in 0..groups.count {
        let out = &mut dx[group * groups.size..];
        let store = match accumulate {
            true => Store::onto(out, groups.width()),
            false => Store::plain(out, groups.width()),
        };
        let matrix = groups.matrix(weight, group).transposed();
        product(context.pool, context.precision, groups.rows(dy, group), matrix, &store);
    }
}

/// `dW = x^T dy`.
pub fn backward_weight<D: Element, T: Element>(
    context: Context<'_>,
    groups: Groups,
    dy: &[D],
    x: &[T],
    dw: &mut [f32],
) {
    if dy.is_empty() {
        return;
    }
    for (group, dw) in dw.chunks_exact_mut(groups.size * groups.size).enumerate() {
        let (x, dy) = (groups.rows(x, group).transposed(), groups.rows(dy, group));
        product_over_rows(context.pool, context.precision, x, dy, &Store::onto(dw, groups.size));
    }
}
