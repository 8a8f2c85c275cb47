//! The few elementwise operations: addition of residual branches, scaling, products.

mod cpu;

use std::sync::Arc;

use crate::{Error, Result, Tape, Tensor};

impl Tape {
    /// `a + b` of equal shapes; the residual connection.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn add(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        check_equal("add", a, b)?;
        let mut y = self.pool().take(a.data().len());
        cpu::add(a.data(), b.data(), &mut y);
        let (a_saved, b_saved) = (a.clone(), b.clone());
        self.record(&[a, b], &[], a.shape().clone(), Arc::new(y), move |dy, gradients| {
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
        let mut y = self.pool().take(x.data().len());
        cpu::scale(factor, x.data(), &mut y, false);
        let x_saved = x.clone();
        self.record(&[x], &[], x.shape().clone(), Arc::new(y), move |dy, gradients| {
            gradients.add(&x_saved, |dx, accumulate| cpu::scale(factor, dy, dx, accumulate));
            Ok(())
        })
    }

    /// `a * b`, elementwise, of equal shapes.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn multiply(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        check_equal("multiply", a, b)?;
        let mut y = self.pool().take(a.data().len());
        cpu::multiply(a.data(), b.data(), &mut y, false);
        let (a_saved, b_saved) = (a.clone(), b.clone());
        self.record(&[a, b], &[], a.shape().clone(), Arc::new(y), move |dy, gradients| {
            gradients.add(&a_saved, |da, accumulate| cpu::multiply(dy, b_saved.data(), da, accumulate));
            gradients.add(&b_saved, |db, accumulate| cpu::multiply(dy, a_saved.data(), db, accumulate));
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
