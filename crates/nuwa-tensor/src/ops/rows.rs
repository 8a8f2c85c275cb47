//! `y_i = x_(index_i)`: some rows of a tensor, in any order, also more than once.
//!
//! `x` is `[.., width]` with its outer axes folded into one, `y` is `[indices, width]`. Backward adds each row of `dy` to the
//! row of `dx` it came from, in order. Used before an output head, so that rows without a target cost nothing there.

use crate::ops::embedding::check_ids;
use crate::{Result, Tape, Tensor};

impl Tape {
    /// Rows of `x` by index; see [the module](self).
    ///
    /// # Errors
    /// When an index is not a row of `x`.
    pub fn rows(&self, x: &Tensor, indices: &[u32]) -> Result<Tensor> {
        check_ids("rows", indices, x.rows())?;
        let width = x.width();
        let y = self.kernels_for("rows", &[x], &[])?.rows(x.storage(), indices, width);
        let (saved, indices_saved) = (x.clone(), indices.to_vec());
        self.record("rows", &[x], &[], [indices.len(), width].into(), y, move |dy, gradients| {
            let kernels = gradients.kernels();
            if let Some(dx) = gradients.slot(&saved) {
                kernels.rows_backward(&indices_saved, dy, width, dx);
            }
            Ok(())
        })
    }
}
