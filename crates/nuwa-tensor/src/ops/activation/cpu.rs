use super::Activation;
use crate::ops::parallel::rows_mut;
use crate::simd::{erf, exp, sigmoid, tanh, vectorised};

/// `sqrt(2 / pi)`.
const GELU_SLOPE: f32 = 0.797_884_6;
const GELU_CUBE: f32 = 0.044_715;

/// `f(x)` and `f'(x)`.
#[inline(always)]
fn gelu_tanh(x: f32) -> (f32, f32) {
    let t = tanh(GELU_SLOPE * (x + GELU_CUBE * x * x * x));
    let inner = GELU_SLOPE * (1.0 + 3.0 * GELU_CUBE * x * x);
    (0.5 * x * (1.0 + t), 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner)
}

/// `f(x)` and `f'(x)`.
#[inline(always)]
fn gelu(x: f32) -> (f32, f32) {
    let share = 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
    let density = exp(-0.5 * x * x) * 0.398_942_3;
    (x * share, share + x * density)
}

/// `f(x)` and `f'(x)`.
#[inline(always)]
fn silu(x: f32) -> (f32, f32) {
    let s = sigmoid(x);
    (x * s, s * (1.0 + x * (1.0 - s)))
}

/// The kernels of one activation, generated from its value and derivative.
macro_rules! kernels {
    ($module:ident, $function:ident) => {
        mod $module {
            use super::{$function, vectorised};

            vectorised! {
                pub fn forward(x: &[f32], y: &mut [f32]) {
                    for (y, &x) in y.iter_mut().zip(x) {
                        *y = $function(x).0;
                    }
                }
            }
            vectorised! {
                pub fn backward(x: &[f32], dy: &[f32], dx: &mut [f32], accumulate: bool) {
                    if !accumulate {
                        dx.fill(0.0);
                    }
                    for ((dx, &x), dy) in dx.iter_mut().zip(x).zip(dy) {
                        *dx += dy * $function(x).1;
                    }
                }
            }
            vectorised! {
                pub fn gated_forward(x: &[f32], y: &mut [f32], half: usize) {
                    for (y, x) in y.chunks_exact_mut(half).zip(x.chunks_exact(2 * half)) {
                        let (gate, value) = x.split_at(half);
                        for ((y, &gate), value) in y.iter_mut().zip(gate).zip(value) {
                            *y = $function(gate).0 * value;
                        }
                    }
                }
            }
            vectorised! {
                pub fn gated_backward(x: &[f32], dy: &[f32], dx: &mut [f32], half: usize, accumulate: bool) {
                    if !accumulate {
                        dx.fill(0.0);
                    }
                    let rows = dx.chunks_exact_mut(2 * half).zip(x.chunks_exact(2 * half)).zip(dy.chunks_exact(half));
                    for ((dx, x), dy) in rows {
                        let (gate, value) = x.split_at(half);
                        let (dgate, dvalue) = dx.split_at_mut(half);
                        for i in 0..half {
                            let (f, slope) = $function(gate[i]);
                            dgate[i] += dy[i] * value[i] * slope;
                            dvalue[i] += dy[i] * f;
                        }
                    }
                }
            }
        }
    };
}

kernels!(gelu_tanh_kernels, gelu_tanh);
kernels!(gelu_kernels, gelu);
kernels!(silu_kernels, silu);

pub fn forward(activation: Activation, x: &[f32], y: &mut [f32], width: usize) {
    let kernel = match activation {
        Activation::GeluTanh => gelu_tanh_kernels::forward,
        Activation::Gelu => gelu_kernels::forward,
        Activation::Silu => silu_kernels::forward,
    };
    rows_mut(y, width, |first, rows| kernel(&x[first * width..][..rows.len()], rows));
}

pub fn backward(
    activation: Activation,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    width: usize,
    accumulate: bool,
) {
    let kernel = match activation {
        Activation::GeluTanh => gelu_tanh_kernels::backward,
        Activation::Gelu => gelu_kernels::backward,
        Activation::Silu => silu_kernels::backward,
    };
    rows_mut(dx, width, |first, rows| kernel(&x[first * width..], &dy[first * width..], rows, accumulate));
}

pub fn gated_forward(activation: Activation, x: &[f32], y: &mut [f32], half: usize) {
    let kernel = match activation {
        Activation::GeluTanh => gelu_tanh_kernels::gated_forward,
        Activation::Gelu => gelu_kernels::gated_forward,
        Activation::Silu => silu_kernels::gated_forward,
    };
    rows_mut(y, half, |first, rows| kernel(&x[first * 2 * half..], rows, half));
}

pub fn gated_backward(
    activation: Activation,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    half: usize,
    accumulate: bool,
) {
    let kernel = match activation {
        Activation::GeluTanh => gelu_tanh_kernels::gated_backward,
        Activation::Gelu => gelu_kernels::gated_backward,
        Activation::Silu => silu_kernels::gated_backward,
    };
    rows_mut(dx, 2 * half, |first, rows| {
        kernel(&x[first * 2 * half..], &dy[first * half..], rows, half, accumulate)
    });
}
