//! Root mean square normalisation: `y = w * x / sqrt(mean(x^2) + epsilon)` over the innermost axis.
//!
//! Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019). With `r = 1 / sqrt(mean(x^2) + epsilon)` and
//! `g = dy * w`: `dx = r * (g - x * r^2 * mean(g * x))`, `dw = sum over rows of dy * x * r`.

mod cpu;

use crate::gradients::with_slot;
use crate::tensor::{Stored, Values, with_kind, with_values};
use crate::{Error, Parameter, Result, Tape, Tensor};

impl Tape {
    /// Normalises each row of `x` by its root mean square; see [the module](self).
    ///
    /// # Errors
    /// When `weight` does not have one element a column of `x`.
    pub fn rms_norm(&self, x: &Tensor, weight: &Parameter, epsilon: f32) -> Result<Tensor> {
        check_width("rms_norm", x, weight)?;
        let y: Values = with_kind!(self.precision(), T => {
            let mut y = self.pool().take::<T>(x.shape().elements());
            with_values!(x.values(), x => cpu::forward(x, &weight.values(), &mut y, epsilon));
            y.into()
        });
        let (x_saved, weight_saved) = (x.clone(), weight.clone());
        self.record("rms_norm", &[x], &[weight], x.shape().clone(), y, move |dy, gradients| {
            with_values!(dy, dy => {
                with_values!(x_saved.values(), x => {
                    weight_saved.accumulate(|dw| cpu::backward_weight(gradients.pool(), x, dy, dw, epsilon));
                });
                with_slot!(gradients, &x_saved, |dx, accumulate| {
                    let x = Stored::of(x_saved.values());
                    cpu::backward_input(x, &weight_saved.values(), dy, dx, epsilon, accumulate);
                });
            });
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
