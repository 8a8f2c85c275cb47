//! `y = sum over i of w_i x_i`, a scalar: the dot product with constant weights.
//!
//! A root to go back from when the gradient of a tensor is known: with the weights `dy`, backward starts at `x` with
//! exactly `dy`. Backward: `dx_i = dy w_i`.

mod cpu;

pub(crate) use cpu::forward as weighted_sum;

use crate::gradients::with_slot;
use crate::tensor::{Stored, with_values};
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
        let mut y = self.pool().take::<f32>(1);
        y[0] = with_values!(x.values(), x => cpu::forward(x, weights));
        let (x_saved, weights) = (x.clone(), weights.to_vec());
        self.record("weighted_sum", &[x], &[], [1].into(), y, move |dy, gradients| {
            let dy = <f32 as Stored>::of(dy)[0];
            with_slot!(gradients, &x_saved, |dx, accumulate| cpu::backward(dy, &weights, dx, accumulate));
            Ok(())
        })
    }
}
