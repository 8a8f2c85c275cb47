//! The few elementwise operations: addition of residual branches, scaling, products.

mod cpu;

use crate::gradients::with_slot;
use crate::tensor::{Stored, Values, with_kind, with_values};
use crate::{Error, Result, Tape, Tensor};

impl Tape {
    /// `a + b` of equal shapes, as numbers of the kind of `a`; the residual connection.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn add(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        check_equal("add", a, b)?;
        let y: Values = with_kind!(a.kind(), T => {
            let mut y = self.pool().take::<T>(a.shape().elements());
            with_values!(b.values(), b => cpu::add(T::of(a.values()), b, &mut y));
            y.into()
        });
        let (a_saved, b_saved) = (a.clone(), b.clone());
        self.record("add", &[a, b], &[], a.shape().clone(), y, move |dy, gradients| {
            gradients.share(&a_saved, dy);
            gradients.share(&b_saved, dy);
            Ok(())
        })
    }

    /// `factor * x`.
    ///
    /// # Errors
    /// When `x` belongs to an earlier pass.
    pub fn scale(&self, x: &Tensor, factor: f32) -> Result<Tensor> {
        let y: Values = with_kind!(x.kind(), T => {
            let mut y = self.pool().take::<T>(x.shape().elements());
            cpu::scale(factor, T::of(x.values()), &mut y, false);
            y.into()
        });
        let x_saved = x.clone();
        self.record("scale", &[x], &[], x.shape().clone(), y, move |dy, gradients| {
            with_slot!(gradients, &x_saved, |dx, accumulate| {
                cpu::scale(factor, Stored::of(dy), dx, accumulate);
            });
            Ok(())
        })
    }

    /// `a * b`, elementwise, of equal shapes, as numbers of the kind of `a`.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn multiply(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        check_equal("multiply", a, b)?;
        let y: Values = with_kind!(a.kind(), T => {
            let mut y = self.pool().take::<T>(a.shape().elements());
            with_values!(b.values(), b => cpu::multiply(T::of(a.values()), b, &mut y, false));
            y.into()
        });
        let (a_saved, b_saved) = (a.clone(), b.clone());
        self.record("multiply", &[a, b], &[], a.shape().clone(), y, move |dy, gradients| {
            with_values!(dy, dy => {
                with_slot!(gradients, &a_saved, |da, accumulate| {
                    with_values!(b_saved.values(), b => cpu::multiply(dy, b, da, accumulate));
                });
                with_slot!(gradients, &b_saved, |db, accumulate| {
                    with_values!(a_saved.values(), a => cpu::multiply(dy, a, db, accumulate));
                });
            });
            Ok(())
        })
    }
}

fn check_equal(operation: &'static str, a: &Tensor, b: &Tensor) -> Result<()> {
    if a.shape() == b.shape() {
        return Ok(());
    }
    Err(Error::shape(operation, format!("shapes {} and {} differ", a.shape(), b.shape())))
}
