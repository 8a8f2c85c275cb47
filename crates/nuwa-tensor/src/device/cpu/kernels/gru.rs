use super::cell::{Cell, give, tanh, vectors, vectors_mut};
use crate::element::Element;
use crate::simd::{sigmoid, vectorised};

/// The gated recurrent unit: gates `[r | z | n]`. Kept are `[n | r | z | U_n]`, whose gradients are that of `n` before its tanh, and
/// those of the gates of the recurrent product in their order.
#[derive(Clone, Copy)]
pub struct Gru;

impl Cell for Gru {
    const GATES: usize = 3;
    const FIRST: usize = 1;

    fn forward<T: Element, X: Element>(
        x: &[X],
        own: &[f32],
        before: &[f32],
        kept: &mut [T],
        carry: &mut [f32],
        hidden: &mut [T],
    ) {
        forward(x, own, before, kept, carry, hidden);
    }

    fn backward<T: Element>(
        dy: &[T],
        d_hidden: &[f32],
        [before, _]: [&[f32]; 2],
        kept: &mut [T],
        d_carry: &mut [f32],
    ) {
        backward(dy, d_hidden, before, kept, d_carry);
    }

    fn input_gradient<T: Element, D: Element>(kept: &[T], out: &mut [D], accumulate: bool) {
        let width = out.len() / Self::GATES;
        let [new, reset, update] = vectors(kept, width);
        for (values, out) in [reset, update, new].into_iter().zip(out.chunks_exact_mut(width)) {
            give(values, out, accumulate);
        }
    }
}

vectorised! {
    fn forward with m [T: Element, X: Element](
        x: &[X],
        own: &[f32],
        before: &[f32],
        kept: &mut [T],
        carry: &mut [f32],
        hidden: &mut [T],
    ) {
        let width = before.len();
        let (x, own): ([&[X]; 3], [&[f32]; 3]) = (vectors(x, width), vectors(own, width));
        let [new, reset, update, of_new] = vectors_mut(kept, width);
        let (carry, hidden) = (&mut carry[..width], &mut hidden[..width]);
        for at in 0..width {
            let [r, z] = [0, 1].map(|index| sigmoid::<T>(m, x[index][at].widen() + own[index][at]));
            let n = tanh::<T>(m, m.multiply_add(r, own[2][at], x[2][at].widen()));
            let state = m.multiply_add(z, before[at] - n, n);
            carry[at] = state;
            hidden[at] = T::narrow(state);
            (new[at], reset[at]) = (T::narrow(n), T::narrow(r));
            (update[at], of_new[at]) = (T::narrow(z), T::narrow(own[2][at]));
        }
    }
}

vectorised! {
    fn backward[T: Element](dy: &[T], d_hidden: &[f32], before: &[f32], kept: &mut [T], d_carry: &mut [f32]) {
        let width = before.len();
        let [new, reset, update, of_new] = vectors_mut(kept, width);
        let (dy, d_hidden, d_carry) = (&dy[..width], &d_hidden[..width], &mut d_carry[..width]);
        for at in 0..width {
            let [n, r, z, u] = [new[at], reset[at], update[at], of_new[at]].map(Element::widen);
            let slope = dy[at].widen() + d_hidden[at] + d_carry[at];
            let d_new = slope * (1.0 - z) * (1.0 - n * n);
            new[at] = T::narrow(d_new);
            reset[at] = T::narrow(d_new * u * r * (1.0 - r));
            update[at] = T::narrow(slope * (before[at] - n) * z * (1.0 - z));
            of_new[at] = T::narrow(d_new * r);
            d_carry[at] = slope * z;
        }
    }
}
