//! The non-linear maps of feed-forward layers, elementwise or gated.
//!
//! | name | formula | source |
//! | --- | --- | --- |
//! | [`Activation::GeluTanh`] | `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))` | Hendrycks and Gimpel 2016, as in GPT-2 |
//! | [`Activation::Gelu`] | `x/2 (1 + erf(x / sqrt 2))` | Hendrycks and Gimpel 2016, exact |
//! | [`Activation::Silu`] | `x / (1 + e^-x)` | Elfwing et al. 2017 |
//! | [`Activation::Relu`] | `max(x, 0)` | Nair and Hinton 2010 |
//! | [`Activation::Tanh`] | `tanh x` | as in BERT's pooler |
//!
//! Gated: the input `[.., 2 h]` holds the gate first, then the value; `y = f(gate) * value`, `[.., h]`. With SiLU
//! this is SwiGLU (Shazeer 2020).

pub use crate::calls::Activation;
use crate::ops::linear::with_width;
use crate::{Error, Result, Tape, Tensor};

impl Tape {
    /// `f(x)`, elementwise.
    ///
    /// # Errors
    /// When `x` belongs to an earlier pass.
    pub fn activation(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        let y = self.kernels_for("activation", &[x], &[])?.activation(x.storage(), activation);
        let x_saved = x.clone();
        self.record("activation", &[x], &[], x.shape().clone(), y, move |dy, gradients| {
            let kernels = gradients.kernels();
            if let Some(dx) = gradients.slot(&x_saved) {
                kernels.activation_backward(x_saved.storage(), activation, dy, dx);
            }
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
        let kernels = self.kernels_for("gated_activation", &[x], &[])?;
        let y = kernels.gated_activation(x.storage(), activation, half);
        let x_saved = x.clone();
        self.record("gated_activation", &[x], &[], shape, y, move |dy, gradients| {
            let kernels = gradients.kernels();
            if let Some(dx) = gradients.slot(&x_saved) {
                kernels.gated_activation_backward(x_saved.storage(), activation, half, dy, dx);
            }
            Ok(())
        })
    }
}
