use crate::element::Element;
use crate::parallel::rows_mut;
use crate::simd::vectorised;

pub fn add<A: Element, B: Element, Y: Element>(a: &[A], b: &[B], y: &mut [Y]) {
    rows_mut(y, 1, |first, y| add_part(&a[first..], &b[first..], y));
}

vectorised! {
    fn add_part[A: Element, B: Element, Y: Element](a: &[A], b: &[B], y: &mut [Y]) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            *y = Y::narrow(a.widen() + b.widen());
        }
    }
}

pub fn scale<X: Element>(factor: f32, x: &[X], y: &mut [X], accumulate: bool) {
    rows_mut(y, 1, |first, y| scale_part(factor, &x[first..], y, accumulate));
}

vectorised! {
    fn scale_part[X: Element](factor: f32, x: &[X], y: &mut [X], accumulate: bool) {
        for (y, x) in y.iter_mut().zip(x) {
            let before = if accumulate { y.widen() } else { 0.0 };
            *y = X::narrow(before + factor * x.widen());
        }
    }
}

pub fn multiply<A: Element, B: Element, Y: Element>(a: &[A], b: &[B], y: &mut [Y], accumulate: bool) {
    rows_mut(y, 1, |first, y| multiply_part(&a[first..], &b[first..], y, accumulate));
}

vectorised! {
    fn multiply_part[A: Element, B: Element, Y: Element](a: &[A], b: &[B], y: &mut [Y], accumulate: bool) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            let before = if accumulate { y.widen() } else { 0.0 };
            *y = Y::narrow(before + a.widen() * b.widen());
        }
    }
}
