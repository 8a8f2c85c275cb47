//! Dropout: each element becomes 0 with probability `p`, the others are scaled by `1 / (1 - p)`.
//!
//! Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting" (2014). The mask is not
//! kept: backward draws it again from the same counter-based generator.

use crate::{Result, Tape, Tensor};

impl Tape {
    /// Drops elements of `x` with probability `p` while recording; gives `x` itself otherwise.
    ///
    /// # Errors
    /// When `x` belongs to an earlier pass.
    ///
    /// # Panics
    /// When `p` is outside `[0, 1)`; settings are checked before they get here.
    pub fn dropout(&self, x: &Tensor, p: f32) -> Result<Tensor> {
        assert!((0.0..1.0).contains(&p), "dropout probability {p}");
        if p == 0.0 || !self.is_recording() {
            return Ok(x.clone());
        }
        let random = self.next_random();
        let kernels = self.kernels_for("dropout", &[x], &[])?;
        let y = self.filled(x.dtype(), x.storage().len(), |y| kernels.dropout(random, p, x.storage(), y));
        let x_saved = x.clone();
        self.record("dropout", &[x], &[], x.shape().clone(), y, move |dy, gradients| {
            let kernels = gradients.kernels();
            if let Some(dx) = gradients.slot(&x_saved) {
                kernels.dropout(random, p, dy, dx);
            }
            Ok(())
        })
    }
}
