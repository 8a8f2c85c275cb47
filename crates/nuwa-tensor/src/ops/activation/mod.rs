//! The non-linear maps of feed-forward layers, elementwise or gated.
//!
//! | name | formula | source |
//! | --- | --- | --- |
//! | [`Activation::GeluTanh`] | `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))` | Hendrycks and Gimpel 2016, as in GPT-2 |
//! | [`Activation::Gelu`] | `x/2 (1 + erf(x / sqrt 2))` | Hendrycks and Gimpel 2016, exact |
//! | [`Activation::Silu`] | `x / (1 + e^-x)` | Elfwing et al. 2017 |
//!
//! Gated: the input `[.., 2 h]` holds the gate first, then the value; `y = f(gate) * value`, `[.., h]`. With SiLU
//! this is SwiGLU (Shazeer 2020).

mod cpu;

pub(crate) use cpu::{Curve, Gelu, GeluTanh, Silu, with_curve};

use crate::gradients::with_slot;
use crate::ops::linear::with_width;
use crate::tensor::{Stored, Values, with_kind};
use crate::{Error, Result, Tape, Tensor};

/// Which non-linear map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// GELU by the tanh formula.
    GeluTanh,
    /// GELU by the error function.
    Gelu,
    /// SiLU, also called swish.
    Silu,
}

impl Tape {
    /// `f(x)`, elementwise.
    ///
    /// # Errors
    /// When `x` belongs to an earlier pass.
    pub fn activation(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        let y: Values = with_kind!(x.kind(), T => {
            let mut y = self.pool().take::<T>(x.shape().elements());
            with_curve!(activation, curve => cpu::forward(curve, T::of(x.values()), &mut y));
            y.into()
        });
        let x_saved = x.clone();
        self.record("activation", &[x], &[], x.shape().clone(), y, move |dy, gradients| {
            with_slot!(gradients, &x_saved, |dx, accumulate| with_curve!(activation, curve => {
                cpu::backward(curve, Stored::of(x_saved.values()), Stored::of(dy), dx, accumulate);
            }));
            Ok(())
        })
    }

    /// `f(gate) * value` for rows that hold gate and value side by side.
    ///
    /// # Errors
    /// When the width of `x` is odd.
    pub fn gated_activation(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        if !x.width().is_multiple_of(2) {
            return Err(Error::shape(
                "gated_activation",
                format!("x has shape {}, its width must be even", x.shape()),
            ));
        }
        let half = x.width() / 2;
        let shape = with_width(x.shape(), half);
        let y: Values = with_kind!(x.kind(), T => {
            let mut y = self.pool().take::<T>(shape.elements());
            with_curve!(activation, curve => cpu::gated_forward(curve, T::of(x.values()), &mut y, half));
            y.into()
        });
        let x_saved = x.clone();
        self.record("gated_activation", &[x], &[], shape, y, move |dy, gradients| {
            with_slot!(gradients, &x_saved, |dx, accumulate| with_curve!(activation, curve => {
                cpu::gated_backward(curve, Stored::of(x_saved.values()), Stored::of(dy), dx, half, accumulate);
            }));
            Ok(())
        })
    }
}
