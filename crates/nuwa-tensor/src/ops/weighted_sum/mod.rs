//! `y = sum over i of w_i x_i`, a scalar: the dot product with constant weights.
//!
//! A root to go back from when the gradient of a tensor is known: with the weights `dy`, backward starts at `x` with
//! exactly `dy`. Backward: `dx_i = dy w_i`.

mod cpu;

pub(crate) use cpu::forward as weighted_sum;

use std::sync::Arc;

use crate::{Error, Result, Tape, Tensor};

impl Tape {
    /// The sum of all elements of `x`, each times its weight; see [the module](self).
    ///
    /// # Errors
    /// When there is not one weight an element.
    pub fn weighted_sum(&self, x: &Tensor, weights: &[f32]) -> Result<Tensor> {
        if x.data().len() != weights.len() {
            let reason = format!("x has shape {}, but there are {} weights", x.shape(), weights.len());
            return Err(Error::shape("weighted_sum", reason));
        }
        let mut y = self.pool().take(1);
        y[0] = cpu::forward(x.data(), weights);
        let (x_saved, weights) = (x.clone(), weights.to_vec());
        self.record(&[x], &[], [1].into(), Arc::new(y), move |dy, gradients| {
            gradients.add(&x_saved, |dx, accumulate| cpu::backward(dy[0], &weights, dx, accumulate));
            Ok(())
        })
    }
}
