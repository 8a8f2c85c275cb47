//! What a step of a recurrent cell does with one row.

use crate::element::Element;
use crate::simd::{MultiplyAdd, sigmoid};

/// Vectors as wide as the output that a step keeps of a row: what the gates were, which become their gradients.
pub const KEPT: usize = 4;

/// A recurrent cell. Every slice is of one row; `carry` is what goes from step to step in `f32` besides the product: the cell of
/// the LSTM, the output of the GRU.
pub trait Cell: Copy + Send + Sync + 'static {
    /// Gates, each as wide as the output.
    const GATES: usize;

    /// Of the gradients in what is kept, the one with which those of the recurrent product begin: all that follow are its own.
    const FIRST: usize;

    /// One step: `x` are the gates of the input, `own` those of the product with the output before, `before` is the carry.
    fn forward<T: Element, X: Element>(
        x: &[X],
        own: &[f32],
        before: &[f32],
        kept: &mut [T],
        carry: &mut [f32],
        hidden: &mut [T],
    );

    /// One step back: `dy` is the gradient of the output, `d_hidden` what the product of the step after adds to it, and
    /// `d_carry` that of the carry, which becomes that of the step before. `kept` becomes the gradients of the gates.
    fn backward<T: Element>(
        dy: &[T],
        d_hidden: &[f32],
        carries: [&[f32]; 2],
        kept: &mut [T],
        d_carry: &mut [f32],
    );

    /// The gradients of the gates of the input, out of what is kept; added to what is there where `accumulate`.
    fn input_gradient<T: Element, D: Element>(kept: &[T], out: &mut [D], accumulate: bool);
}

/// `tanh x`, as precise as [`sigmoid`].
#[inline(always)]
pub fn tanh<T: Element>(m: impl MultiplyAdd, x: f32) -> f32 {
    m.multiply_add(2.0, sigmoid::<T>(m, 2.0 * x), -1.0)
}

/// The first vectors of a row, each of `width`.
#[inline(always)]
pub fn vectors<T, const N: usize>(row: &[T], width: usize) -> [&[T]; N] {
    std::array::from_fn(|index| &row[index * width..][..width])
}

/// The four vectors of what is kept, to write.
#[inline(always)]
pub fn vectors_mut<T>(row: &mut [T], width: usize) -> [&mut [T]; KEPT] {
    let (first, rest) = row.split_at_mut(width);
    let (second, rest) = rest.split_at_mut(width);
    let (third, fourth) = rest.split_at_mut(width);
    [first, second, third, &mut fourth[..width]]
}

/// Numbers in another kind, or added to those that are there.
#[inline(always)]
pub fn give<T: Element, D: Element>(values: &[T], out: &mut [D], accumulate: bool) {
    for (out, value) in out.iter_mut().zip(values) {
        let before = if accumulate { out.widen() } else { 0.0 };
        *out = D::narrow(before + value.widen());
    }
}
