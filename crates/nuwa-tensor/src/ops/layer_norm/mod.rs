//! Layer normalisation: `y = w * (x - mean(x)) / sqrt(variance(x) + epsilon) + b` over the innermost axis.
//!
//! Ba, Kiros and Hinton, "Layer Normalization" (2016); the variance is the biased one. With `n = (x - mean) * r`,
//! `r = 1 / sqrt(variance + epsilon)` and `g = dy * w`: `dx = r * (g - mean(g) - n * mean(g * n))`,
//! `dw = sum of dy * n`, `db = sum of dy`.

mod cpu;

use std::sync::Arc;

use crate::ops::linear::backward_bias;
use crate::ops::rms_norm::check_width;
use crate::{Parameter, Result, Tape, Tensor};

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
        check_width("layer_norm", x, weight)?;
        check_width("layer_norm", x, bias)?;
        let mut y = self.pool().take(x.data().len());
        cpu::forward(x.data(), &weight.values(), &bias.values(), &mut y, epsilon);

        let (x_saved, weight_saved, bias_saved) = (x.clone(), weight.clone(), bias.clone());
        self.record(&[x], &[weight, bias], x.shape().clone(), Arc::new(y), move |dy, gradients| {
            let x = x_saved.data();
            weight_saved.accumulate(|dw| cpu::backward_weight(gradients.pool(), x, dy, dw, epsilon));
            bias_saved.accumulate(|db| backward_bias(gradients.pool(), dy, db));
            gradients.add(&x_saved, |dx, accumulate| {
                cpu::backward_input(x, &weight_saved.values(), dy, dx, epsilon, accumulate);
            });
            Ok(())
        })
    }
}
