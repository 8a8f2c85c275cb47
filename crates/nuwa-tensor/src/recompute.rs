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
        if !self.is_recording() {
            return block(self, x);
        }
        self.check_pass(x)?;
        let start = self.branch();
        let inner = start.branch();
        let y = block(&inner, &inner.leaf(x))?;
        self.continue_from(&inner);
        inner.discard();
        let (shape, values, tracked) = (y.shape().clone(), y.storage().clone(), y.is_tracked());
        let saved = x.clone();
        let backward = move |dy: &Storage, gradients: &mut Gradients| {
            let leaf = start.leaf(&saved);
            let y = block(&start, &leaf)?;
            if let Some(dx) = start.backward_to(&y, dy, &leaf)? {
                gradients.share(&saved, &dx);
            }
            Ok(())
        };
        Ok(self.record_if(tracked, "recompute", shape, values, backward))
    }

    /// A tape at the same place in the stream of random numbers, with the same pool.
    fn branch(&self) -> Self {
        let branch = Self::training().with_precision(self.precision());
        branch.continue_from(self);
        branch.with_kernels(Arc::clone(self.kernels()))
    }
}
