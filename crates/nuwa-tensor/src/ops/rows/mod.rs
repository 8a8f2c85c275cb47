//! `y_i = x_(index_i)`: some rows of a tensor, in any order, also more than once.
//!
//! `x` is `[.., width]` with its outer axes folded into one, `y` is `[indices, width]`. Backward adds each row of `dy` to the
//! row of `dx` it came from, in order. Used before an output head, so that rows without a target cost nothing there.

mod cpu;

use crate::gradients::with_slot;
use crate::ops::embedding::check_ids;
use crate::tensor::{Stored, Values, with_kind};
use crate::{Result, Tape, Tensor};

impl Tape {
    /// Rows of `x` by index; see [the module](self).
    ///
    /// # Errors
    /// When an index is not a row of `x`.
    pub fn rows(&self, x: &Tensor, indices: &[u32]) -> Result<Tensor> {
        check_ids("rows", indices, x.rows())?;
        let width = x.width();
        let y: Values = with_kind!(x.kind(), T => {
            let mut y = self.pool().take::<T>(indices.len() * width);
            cpu::forward(indices, T::of(x.values()), &mut y, width);
            y.into()
        });
        let (saved, indices_saved) = (x.clone(), indices.to_vec());
        self.record("rows", &[x], &[], [indices.len(), width].into(), y, move |dy, gradients| {
            with_slot!(gradients, &saved, |dx, accumulate| {
                cpu::backward(&indices_saved, Stored::of(dy), dx, width, accumulate);
            });
            Ok(())
        })
    }
}
