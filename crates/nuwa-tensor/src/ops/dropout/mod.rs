//! Dropout: each element becomes 0 with probability `p`, the others are scaled by `1 / (1 - p)`.
//!
//! Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting" (2014). The mask is not
//! kept: backward draws it again from the same counter-based generator.

mod cpu;

use crate::gradients::with_slot;
use crate::tensor::{Stored, Values, with_kind};
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
        let y: Values = with_kind!(x.kind(), T => {
            let mut y = self.pool().take::<T>(x.shape().elements());
            cpu::apply(random, p, T::of(x.values()), &mut y, false);
            y.into()
        });
        let x_saved = x.clone();
        self.record("dropout", &[x], &[], x.shape().clone(), y, move |dy, gradients| {
            with_slot!(gradients, &x_saved, |dx, accumulate| {
                cpu::apply(random, p, Stored::of(dy), dx, accumulate);
            });
            Ok(())
        })
    }
}
