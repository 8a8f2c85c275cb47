use super::cell::{Cell, give, tanh, vectors, vectors_mut};
use crate::element::Element;
use crate::simd::{sigmoid, vectorised};

/// Long short-term memory: gates `[i | f | g | o]`, and so are their gradients.
#[derive(Clone, Copy)]
pub struct Lstm;

impl Cell for Lstm {
    const GATES: usize = 4;
    const FIRST: usize = 0;

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
        [before, carry]: [&[f32]; 2],
        kept: &mut [T],
        d_carry: &mut [f32],
    ) {
        backward(dy, d_hidden, before, carry, kept, d_carry);
    }

    fn input_gradient<T: Element, D: Element>(kept: &[T], out: &mut [D], accumulate: bool) {
        give(kept, out, accumulate);
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
        let (x, own): ([&[X]; 4], [&[f32]; 4]) = (vectors(x, width), vectors(own, width));
        let [input, forget, new, output] = vectors_mut(kept, width);
        let (carry, hidden) = (&mut carry[..width], &mut hidden[..width]);
        for at in 0..width {
            let gate = |index: usize| x[index][at].widen() + own[index][at];
            let [i, f, o] = [0, 1, 3].map(|index| sigmoid::<T>(m, gate(index)));
            let g = tanh::<T>(m, gate(2));
            let cell = m.multiply_add(f, before[at], i * g);
            carry[at] = cell;
            hidden[at] = T::narrow(o * tanh::<T>(m, cell));
            (input[at], forget[at]) = (T::narrow(i), T::narrow(f));
            (new[at], output[at]) = (T::narrow(g), T::narrow(o));
        }
    }
}

vectorised! {
    fn backward with m [T: Element](
        dy: &[T],
        d_hidden: &[f32],
        before: &[f32],
        carry: &[f32],
        kept: &mut [T],
        d_carry: &mut [f32],
    ) {
        let width = before.len();
        let [input, forget, new, output] = vectors_mut(kept, width);
        let (dy, d_hidden, carry) = (&dy[..width], &d_hidden[..width], &carry[..width]);
        let d_carry = &mut d_carry[..width];
        for at in 0..width {
            let [i, f, g, o] = [input[at], forget[at], new[at], output[at]].map(Element::widen);
            let squashed = tanh::<T>(m, carry[at]);
            let slope = dy[at].widen() + d_hidden[at];
            let d_cell = m.multiply_add(slope * o, 1.0 - squashed * squashed, d_carry[at]);
            input[at] = T::narrow(d_cell * g * i * (1.0 - i));
            forget[at] = T::narrow(d_cell * before[at] * f * (1.0 - f));
            new[at] = T::narrow(d_cell * i * (1.0 - g * g));
            output[at] = T::narrow(slope * squashed * o * (1.0 - o));
            d_carry[at] = d_cell * f;
        }
    }
}
