//! `y = sum over i of w_i x_i`, a scalar: the dot product with constant weights.
//!
//! A root to go back from when the gradient of a tensor is known: with the weights `dy`, backward starts at `x` with
//! exactly `dy`. Backward: `dx_i = dy w_i`.

use crate::{Error, Result, Tape, Tensor};

impl Tape {
    /// The sum of all elements of `x`, each times its weight; see [the module](self).
    ///
    /// # Errors
    /// When there is not one weight an element.
    pub fn weighted_sum(&self, x: &Tensor, weights: &[f32]) -> Result<Tensor> {
        if x.shape().elements() != weights.len() {
            let reason = format!("x has shape {}, but there are {} weights", x.shape(), weights.len());
            return Err(Error::shape("weighted_sum", reason));
        }
        let sum = self.kernels_for("weighted_sum", &[x], &[])?.weighted_sum(x.storage(), weights);
        let y = self.kernels().to_device(&[sum]);
        let (x_saved, weights) = (x.clone(), weights.to_vec());
        self.record("weighted_sum", &[x], &[], [1].into(), y, move |dy, gradients| {
            let (kernels, mut upstream) = (gradients.kernels(), [0.0]);
            kernels.copy_to_host(dy, 0, &mut upstream);
            if let Some(dx) = gradients.slot(&x_saved) {
                kernels.weighted_sum_backward(upstream[0], &weights, dx);
            }
            Ok(())
        })
    }
}
