//! Root mean square normalisation: `y = w * x / sqrt(mean(x^2) + epsilon)` over the innermost axis.
//!
//! Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019). With `r = 1 / sqrt(mean(x^2) + epsilon)` and
//! `g = dy * w`: `dx = r * (g - x * r^2 * mean(g * x))`, `dw = sum over rows of dy * x * r`. Gemma's norms multiply by `1 + w`, which
//! begins at `w = 0`: [`Tape::rms_norm_around_one`].

use crate::device::RmsNormCall;
use crate::{Error, Parameter, Precision, Result, Tape, Tensor};

impl Tape {
    /// Normalises each row of `x` by its root mean square; see [the module](self).
    ///
    /// # Errors
    /// When `weight` does not have one element a column of `x`.
    pub fn rms_norm(&self, x: &Tensor, weight: &Parameter, epsilon: f32) -> Result<Tensor> {
        self.rms_norm_by(self.precision(), x, RmsNormCall { weight, epsilon, offset: 0.0 })
    }

    /// The same in `f32`, whatever the precision: the residual stream of blocks that normalise it.
    ///
    /// # Errors
    /// As [`Tape::rms_norm`].
    pub fn rms_norm_residual(&self, x: &Tensor, weight: &Parameter, epsilon: f32) -> Result<Tensor> {
        self.rms_norm_by(Precision::F32, x, RmsNormCall { weight, epsilon, offset: 0.0 })
    }

    /// As [`Tape::rms_norm`] with `1 + w` in place of `w`.
    ///
    /// # Errors
    /// As there.
    pub fn rms_norm_around_one(&self, x: &Tensor, weight: &Parameter, epsilon: f32) -> Result<Tensor> {
        self.rms_norm_by(self.precision(), x, RmsNormCall { weight, epsilon, offset: 1.0 })
    }

    fn rms_norm_by(&self, precision: Precision, x: &Tensor, call: RmsNormCall<'_>) -> Result<Tensor> {
        let RmsNormCall { weight, epsilon, offset } = call;
        check_width("rms_norm", x, weight)?;
        let kernels = self.kernels_for("rms_norm", &[x], &[weight])?;
        let y = kernels.rms_norm(precision, x.storage(), call);
        let (x_saved, saved) = (x.clone(), weight.clone());
        self.record("rms_norm", &[x], &[weight], x.shape().clone(), y, move |dy, gradients| {
            let (kernels, dx) = (gradients.kernels(), gradients.slot(&x_saved));
            let call = RmsNormCall { weight: &saved, epsilon, offset };
            kernels.rms_norm_backward(x_saved.storage(), call, dy, dx);
            Ok(())
        })
    }
}

/// An error unless `weight` has one element a column of `x`.
pub(crate) fn check_width(operation: &'static str, x: &Tensor, weight: &Parameter) -> Result<()> {
    if weight.shape().axes() == [x.width()] {
        return Ok(());
    }
    let reason = format!("x has shape {}, {} has shape {}", x.shape(), weight.entry().path(), weight.shape());
    Err(Error::shape(operation, reason))
}
