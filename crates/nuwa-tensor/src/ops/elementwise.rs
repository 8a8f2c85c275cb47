//! The few elementwise operations: addition of residual branches, scaling, products.

use crate::{Error, Result, Tape, Tensor};

impl Tape {
    /// `a + b` of equal shapes, as numbers of the kind of `a`; the residual connection.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn add(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        check_equal("add", a, b)?;
        let y = self.kernels_for("add", &[a, b], &[])?.add(a.storage(), b.storage());
        let (a_saved, b_saved) = (a.clone(), b.clone());
        self.record("add", &[a, b], &[], a.shape().clone(), y, move |dy, gradients| {
            gradients.share(&a_saved, dy);
            gradients.share(&b_saved, dy);
            Ok(())
        })
    }

    /// `x` for one of several readers, without a copy. The gradients within a reader are added up before they join those of the
    /// others, as they are where the reader is [recomputed](Tape::recomputed_from): so that both give the same bits.
    ///
    /// # Errors
    /// When `x` belongs to an earlier pass.
    pub fn fork(&self, x: &Tensor) -> Result<Tensor> {
        let saved = x.clone();
        self.record("fork", &[x], &[], x.shape().clone(), x.storage().clone(), move |dy, gradients| {
            gradients.share(&saved, dy);
            Ok(())
        })
    }

    /// `factor * x`.
    ///
    /// # Errors
    /// When `x` belongs to an earlier pass.
    pub fn scale(&self, x: &Tensor, factor: f32) -> Result<Tensor> {
        let kernels = self.kernels_for("scale", &[x], &[])?;
        let y = self.filled(x.dtype(), x.storage().len(), |y| kernels.scale(factor, x.storage(), y));
        let x_saved = x.clone();
        self.record("scale", &[x], &[], x.shape().clone(), y, move |dy, gradients| {
            let kernels = gradients.kernels();
            if let Some(dx) = gradients.slot(&x_saved) {
                kernels.scale(factor, dy, dx);
            }
            Ok(())
        })
    }

    /// `a * b`, elementwise, of equal shapes, as numbers of the kind of `a`.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn multiply(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        check_equal("multiply", a, b)?;
        let kernels = self.kernels_for("multiply", &[a, b], &[])?;
        let y = self.filled(a.dtype(), a.storage().len(), |y| kernels.multiply(a.storage(), b.storage(), y));
        let (a_saved, b_saved) = (a.clone(), b.clone());
        self.record("multiply", &[a, b], &[], a.shape().clone(), y, move |dy, gradients| {
            let kernels = gradients.kernels();
            for (one, other) in [(&a_saved, &b_saved), (&b_saved, &a_saved)] {
                if let Some(slot) = gradients.slot(one) {
                    kernels.multiply(dy, other.storage(), slot);
                }
            }
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
