//! Activations that are computed again in backward rather than kept.

use std::sync::Arc;

use crate::device::Storage;
use crate::gradients::Gradients;
use crate::{Result, Tape, Tensor};

impl Tape {
    /// `block(x)`, keeping of it only `x` and the result: what backward needs is computed again when it gets there
    /// (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016). Costs one more forward pass of the block;
    /// values and gradients are the same, bit for bit. `block` is a function of `x`, of parameters and of the random
    /// numbers of the tape it is given.
    ///
    /// # Errors
    /// Those of `block`, now or in backward.
    pub fn recomputed(
        &self,
        x: &Tensor,
        block: impl Fn(&Tape, &Tensor) -> Result<Tensor> + Send + 'static,
    ) -> Result<Tensor> {
        self.recomputed_from(&[x], move |tape, inputs| block(tape, &inputs[0]))
    }

    /// As [`Tape::recomputed`], of a block that reads several tensors. Of an input that others read too the gradient of this
    /// block is added up first and then joins theirs: see [`Tape::fork`].
    ///
    /// # Errors
    /// As there.
    pub fn recomputed_from(
        &self,
        inputs: &[&Tensor],
        block: impl Fn(&Tape, &[Tensor]) -> Result<Tensor> + Send + 'static,
    ) -> Result<Tensor> {
        let saved: Vec<Tensor> = inputs.iter().map(|input| (*input).clone()).collect();
        if !self.is_recording() {
            return block(self, &saved);
        }
        saved.iter().try_for_each(|input| self.check_pass(input))?;
        let start = self.branch();
        let inner = start.branch();
        let y = block(&inner, &inner.leaves(&saved))?;
        self.continue_from(&inner);
        inner.discard();
        let (shape, values, tracked) = (y.shape().clone(), y.storage().clone(), y.is_tracked());
        let backward = move |dy: &Storage, gradients: &mut Gradients| {
            let leaves = start.leaves(&saved);
            let y = block(&start, &leaves)?;
            for (input, gradient) in saved.iter().zip(start.backward_to(&y, dy, &leaves)?) {
                if let Some(gradient) = gradient {
                    gradients.share(input, &gradient);
                }
            }
            Ok(())
        };
        Ok(self.record_if(tracked, "recompute", shape, values, backward))
    }

    fn leaves(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        inputs.iter().map(|input| self.leaf(input)).collect()
    }

    /// A tape at the same place in the stream of random numbers, with the same pool and the same statistics.
    fn branch(&self) -> Self {
        let branch = Self::training().with_precision(self.precision());
        let branch = match self.batch_statistics() {
            Some(statistics) => branch.with_batch_statistics(statistics),
            None => branch,
        };
        branch.continue_from(self);
        branch.with_kernels(Arc::clone(self.kernels()))
    }
}
