use crate::element::Element;
use crate::parallel::rows_mut;
use crate::simd::{MultiplyAdd, erf, exp_for, sigmoid, vectorised};

/// `2 sqrt(2 / pi)`.
const GELU_SLOPE: f32 = 1.595_769_2;
/// The same times 0.044715.
const GELU_CUBE: f32 = 0.071_354_814;

/// A function of one number.
pub(crate) trait Curve: Copy + Send + Sync {
    /// `f(x)` and `f'(x)`, which will be of kind `T`.
    fn at<T: Element>(self, m: impl MultiplyAdd, x: f32) -> (f32, f32);
}

/// GELU by the tanh formula.
#[derive(Clone, Copy)]
pub(crate) struct GeluTanh;

/// GELU by the error function.
#[derive(Clone, Copy)]
pub(crate) struct Gelu;

/// SiLU.
#[derive(Clone, Copy)]
pub(crate) struct Silu;

/// ReLU.
#[derive(Clone, Copy)]
pub(crate) struct Relu;

/// The hyperbolic tangent.
#[derive(Clone, Copy)]
pub(crate) struct Tanh;

/// Runs `$body` with `$curve` bound to the function of an activation.
macro_rules! with_curve {
    ($activation:expr, $curve:ident => $body:expr) => {
        match $activation {
            $crate::calls::Activation::GeluTanh => {
                let $curve = $crate::device::cpu::kernels::activation::GeluTanh;
                $body
            }
            $crate::calls::Activation::Gelu => {
                let $curve = $crate::device::cpu::kernels::activation::Gelu;
                $body
            }
            $crate::calls::Activation::Silu => {
                let $curve = $crate::device::cpu::kernels::activation::Silu;
                $body
            }
            $crate::calls::Activation::Relu => {
                let $curve = $crate::device::cpu::kernels::activation::Relu;
                $body
            }
            $crate::calls::Activation::Tanh => {
                let $curve = $crate::device::cpu::kernels::activation::Tanh;
                $body
            }
        }
    };
}
pub(crate) use with_curve;

impl Curve for GeluTanh {
    /// With `1 + tanh(u) = 2 sigmoid(2 u)`, which loses no digits where it is small.
    #[inline(always)]
    fn at<T: Element>(self, m: impl MultiplyAdd, x: f32) -> (f32, f32) {
        let square = x * x;
        let share = sigmoid::<T>(m, x * m.multiply_add(square, GELU_CUBE, GELU_SLOPE));
        let value = x * share;
        let inner = m.multiply_add(square, 3.0 * GELU_CUBE, GELU_SLOPE);
        (value, m.multiply_add(value * (1.0 - share), inner, share))
    }
}

impl Curve for Gelu {
    #[inline(always)]
    fn at<T: Element>(self, m: impl MultiplyAdd, x: f32) -> (f32, f32) {
        let share = 0.5 * (1.0 + erf(m, x * std::f32::consts::FRAC_1_SQRT_2));
        let density = exp_for::<T>(m, -0.5 * x * x) * 0.398_942_3;
        (x * share, share + x * density)
    }
}

impl Curve for Silu {
    #[inline(always)]
    fn at<T: Element>(self, m: impl MultiplyAdd, x: f32) -> (f32, f32) {
        let s = sigmoid::<T>(m, x);
        let value = x * s;
        (value, m.multiply_add(value, 1.0 - s, s))
    }
}

impl Curve for Relu {
    #[inline(always)]
    fn at<T: Element>(self, _: impl MultiplyAdd, x: f32) -> (f32, f32) {
        let is_above = x > 0.0;
        (if is_above { x } else { 0.0 }, if is_above { 1.0 } else { 0.0 })
    }
}

impl Curve for Tanh {
    /// `2 sigmoid(2 x) - 1`.
    #[inline(always)]
    fn at<T: Element>(self, m: impl MultiplyAdd, x: f32) -> (f32, f32) {
        let value = m.multiply_add(2.0, sigmoid::<T>(m, 2.0 * x), -1.0);
        (value, m.multiply_add(-value, value, 1.0))
    }
}

pub fn forward<C: Curve, T: Element>(curve: C, x: &[T], y: &mut [T]) {
    rows_mut(y, 1, |first, y| forward_part(curve, &x[first..], y));
}

vectorised! {
    fn forward_part with m [C: Curve, T: Element](curve: C, x: &[T], y: &mut [T]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = T::narrow(curve.at::<T>(m, x.widen()).0);
        }
    }
}

pub fn backward<C: Curve, T: Element>(curve: C, x: &[T], dy: &[T], dx: &mut [T], accumulate: bool) {
    rows_mut(dx, 1, |first, dx| backward_part(curve, &x[first..], &dy[first..], dx, accumulate));
}

vectorised! {
    fn backward_part with m [C: Curve, T: Element](curve: C, x: &[T], dy: &[T], dx: &mut [T], accumulate: bool) {
        for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
            let before = if accumulate { dx.widen() } else { 0.0 };
            *dx = T::narrow(before + dy.widen() * curve.at::<T>(m, x.widen()).1);
        }
    }
}

pub fn gated_forward<C: Curve, T: Element>(curve: C, x: &[T], y: &mut [T], half: usize) {
    rows_mut(y, half, |first, y| gated_forward_rows(curve, &x[first * 2 * half..], y, half));
}

vectorised! {
    fn gated_forward_rows with m [C: Curve, T: Element](curve: C, x: &[T], y: &mut [T], half: usize) {
        for (y, x) in y.chunks_exact_mut(half).zip(x.chunks_exact(2 * half)) {
            let (gate, value) = x.split_at(half);
            for ((y, gate), value) in y.iter_mut().zip(gate).zip(value) {
                *y = T::narrow(curve.at::<T>(m, gate.widen()).0 * value.widen());
            }
        }
    }
}

pub fn gated_backward<C: Curve, T: Element>(
    curve: C,
    x: &[T],
    dy: &[T],
    dx: &mut [T],
    half: usize,
    accumulate: bool,
) {
    rows_mut(dx, 2 * half, |first, dx| {
        gated_backward_rows(curve, &x[first * 2 * half..], &dy[first * half..], dx, half, accumulate);
    });
}

vectorised! {
    fn gated_backward_rows with m [C: Curve, T: Element](curve: C, x: &[T], dy: &[T], dx: &mut [T], half: usize, accumulate: bool) {
        let rows = dx.chunks_exact_mut(2 * half).zip(x.chunks_exact(2 * half)).zip(dy.chunks_exact(half));
        for ((dx, x), dy) in rows {
            let (gate, value) = x.split_at(half);
            let (d_gate, d_value) = dx.split_at_mut(half);
            let inputs = gate.iter().zip(value).zip(dy);
            for ((d_gate, d_value), ((gate, value), dy)) in d_gate.iter_mut().zip(d_value).zip(inputs) {
                let (f, slope) = curve.at::<T>(m, gate.widen());
                let before = if accumulate { [d_gate.widen(), d_value.widen()] } else { [0.0; 2] };
                *d_gate = T::narrow(before[0] + dy.widen() * value.widen() * slope);
                *d_value = T::narrow(before[1] + dy.widen() * f);
            }
        }
    }
}
