//! Layer normalisation: `y = w * (x - mean(x)) / sqrt(variance(x) + epsilon) + b` over the innermost axis.
//!
//! Ba, Kiros and Hinton, "Layer Normalization" (2016); the variance is the biased one. With `n = (x - mean) * r`,
//! `r = 1 / sqrt(variance + epsilon)` and `g = dy * w`: `dx = r * (g - mean(g) - n * mean(g * n))`,
//! `dw = sum of dy * n`, `db = sum of dy`.

use crate::ops::rms_norm::check_width;
use crate::{Parameter, Precision, Result, Tape, Tensor};

impl Tape {
    /// Normalises each row of `x` to mean 0 and variance 1, then scales and shifts; see [the module](self).
    ///
    /// # Errors
    /// When `weight` or `bias` does not have one element a column of `x`.
    pub fn layer_norm(
        &self,
        x: &Tensor,
        weight: &Parameter,
        bias: &Parameter,
        epsilon: f32,
    ) -> Result<Tensor> {
        self.layer_norm_in(self.precision(), x, weight, bias, epsilon)
    }

    /// The same in `f32`, whatever the precision: the residual stream of blocks that normalise it.
    ///
    /// # Errors
    /// As [`Tape::layer_norm`].
    pub fn layer_norm_residual(
        &self,
        x: &Tensor,
        weight: &Parameter,
        bias: &Parameter,
        epsilon: f32,
    ) -> Result<Tensor> {
        self.layer_norm_in(Precision::F32, x, weight, bias, epsilon)
    }

    fn layer_norm_in(
        &self,
        precision: Precision,
        x: &Tensor,
        weight: &Parameter,
        bias: &Parameter,
        epsilon: f32,
    ) -> Result<Tensor> {
        check_width("layer_norm", x, weight)?;
        check_width("layer_norm", x, bias)?;
        let kernels = self.kernels_for("layer_norm", &[x], &[weight, bias])?;
        let y = kernels.layer_norm(precision, x.storage(), weight, bias, epsilon);
        let (x_saved, weight_saved, bias_saved) = (x.clone(), weight.clone(), bias.clone());
        self.record("layer_norm", &[x], &[weight, bias], x.shape().clone(), y, move |dy, gradients| {
            let (kernels, dx) = (gradients.kernels(), gradients.slot(&x_saved));
            kernels.layer_norm_backward(x_saved.storage(), [&weight_saved, &bias_saved], dy, epsilon, dx);
            Ok(())
        })
    }
}
