//! Layer normalisation: `y = w * (x - mean(x)) / sqrt(variance(x) + epsilon) + b` over the innermost axis.
//!
//! Ba, Kiros and Hinton, "Layer Normalization" (2016); the variance is the biased one. With `n = (x - mean) * r`,
//! `r = 1 / sqrt(variance + epsilon)` and `g = dy * w`: `dx = r * (g - mean(g) - n * mean(g * n))`,
//! `dw = sum of dy * n`, `db = sum of dy`.

mod cpu;

use std::sync::Arc;

use crate::gradients::with_slot;
use crate::ops::rms_norm::check_width;
use crate::tensor::{Stored, Values, with_kind, with_values};
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
        let y: Values = with_kind!(self.precision(), T => {
            let mut y = self.pool().take::<T>(x.shape().elements());
            with_values!(x.values(), x => cpu::forward(x, &weight.values(), &bias.values(), &mut y, epsilon));
            y.into()
        });
        let (x_saved, weight_saved, bias_saved) = (x.clone(), weight.clone(), bias.clone());
        self.record("layer_norm", &[x], &[weight, bias], x.shape().clone(), y, move |dy, gradients| {
            let width = weight_saved.width();
            let pool = Arc::clone(gradients.pool());
            let mut sums = pool.take_zeroed::<f32>(2 * width);
            with_values!(dy, dy => {
                if x_saved.is_tracked() {
                    with_slot!(gradients, &x_saved, |dx, accumulate| {
                        let (x, weight) = (Stored::of(x_saved.values()), &weight_saved.values());
                        cpu::backward(&pool, x, weight, dy, dx, &mut sums, epsilon, accumulate);
                    });
                } else {
                    with_values!(x_saved.values(), x => cpu::backward_weights(&pool, x, dy, &mut sums, epsilon));
                }
            });
            weight_saved.accumulate(|dw| add(dw, &sums[..width]));
            bias_saved.accumulate(|db| add(db, &sums[width..]));
            Ok(())
        })
    }
}

fn add(total: &mut [f32], values: &[f32]) {
    total.iter_mut().zip(values).for_each(|(total, value)| *total += value);
}
