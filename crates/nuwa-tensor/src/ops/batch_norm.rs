//! Batch normalisation: `y = w * (x - mean) / sqrt(variance + epsilon) + b`, each feature by a mean and a variance of its own.
//!
//! Ioffe and Szegedy, "Batch Normalization" (2015), computed as PyTorch's `BatchNorm1d`. A tape that was given
//! [`BatchStatistics`](crate::BatchStatistics) takes the mean and the biased variance of all rows of `x`. Rows then see each other through
//! them, and those of a causal text their future. Any other tape, whether it records or not, takes running ones, which are fixed: there a
//! row has the same bits whatever stands beside it.
//!
//! With `n = (x - mean) * r`, `r = 1 / sqrt(variance + epsilon)` and `N` rows: `dw = sum of dy * n`, `db = sum of dy`; by running
//! statistics `dx = w * r * dy`, by those of the rows `dx = w * r * (dy - db / N - n * dw / N)`.

use std::sync::Arc;

use crate::device::{BatchNormCall, Kernels, Storage};
use crate::ops::rms_norm::check_width;
use crate::{Error, Parameter, Precision, Result, Tape, Tensor};

/// By how much of the way running means go towards those of a step: PyTorch's default.
pub const MOMENTUM: f64 = 0.1;

/// What a batch norm keeps, one element a feature each.
#[derive(Debug, Clone)]
pub struct BatchNormParameters {
    /// The scale.
    pub weight: Parameter,
    /// The shift.
    pub bias: Parameter,
    /// The running mean, a [buffer](crate::ParametersBuilder::add_buffer).
    pub running_mean: Parameter,
    /// The running variance, unbiased, another one.
    pub running_variance: Parameter,
}

impl BatchNormParameters {
    fn running(&self) -> [&Parameter; 2] {
        [&self.running_mean, &self.running_variance]
    }

    fn call<'a>(&'a self, moments: &'a Storage, epsilon: f32, is_of_rows: bool) -> BatchNormCall<'a> {
        BatchNormCall { weight: &self.weight, bias: &self.bias, moments, epsilon, is_of_rows }
    }
}

impl Tape {
    /// Normalises each feature of `x`, then scales and shifts; see [the module](self).
    ///
    /// # Errors
    /// When a parameter does not have one element a column of `x`, or statistics are those of a single row, which has no variance.
    pub fn batch_norm(&self, x: &Tensor, parameters: &BatchNormParameters, epsilon: f32) -> Result<Tensor> {
        self.batch_norm_in(self.precision(), x, parameters, epsilon)
    }

    /// The same in `f32`, whatever the precision: the residual stream of blocks that normalise it.
    ///
    /// # Errors
    /// As [`Tape::batch_norm`].
    pub fn batch_norm_residual(
        &self,
        x: &Tensor,
        parameters: &BatchNormParameters,
        epsilon: f32,
    ) -> Result<Tensor> {
        self.batch_norm_in(Precision::F32, x, parameters, epsilon)
    }

    fn batch_norm_in(
        &self,
        precision: Precision,
        x: &Tensor,
        parameters: &BatchNormParameters,
        epsilon: f32,
    ) -> Result<Tensor> {
        let BatchNormParameters { weight, bias, running_mean, running_variance } = parameters;
        let all = [weight, bias, running_mean, running_variance];
        all.iter().try_for_each(|parameter| check_width("batch_norm", x, parameter))?;
        let kernels = self.kernels_for("batch_norm", &[x], &all)?;
        let (statistics, rows) = (self.batch_statistics().map(Arc::clone), x.rows());
        let moments = match statistics {
            Some(_) => of_rows(kernels, x)?,
            None => running(kernels, parameters.running()),
        };
        let is_of_rows = statistics.is_some();
        let call = parameters.call(&moments, epsilon, is_of_rows);
        let y = kernels.batch_norm(precision, x.storage(), call);
        let (x_saved, saved) = (x.clone(), parameters.clone());
        self.record("batch_norm", &[x], &[weight, bias], x.shape().clone(), y, move |dy, gradients| {
            let (kernels, dx) = (gradients.kernels(), gradients.slot(&x_saved));
            if let Some(statistics) = statistics {
                let mut values = vec![0.0; moments.len()];
                kernels.copy_to_host(&moments, 0, &mut values);
                statistics.add(saved.running(), &values, rows);
            }
            let call = saved.call(&moments, epsilon, is_of_rows);
            kernels.batch_norm_backward(x_saved.storage(), call, dy, dx);
            Ok(())
        })
    }
}

/// `[mean | variance]` of the rows of `x`.
fn of_rows(kernels: &dyn Kernels, x: &Tensor) -> Result<Storage> {
    if x.rows() < 2 {
        let reason = format!("{} has no variance over rows: expected at least 2 rows", x.shape());
        return Err(Error::Option { operation: "batch_norm", reason });
    }
    Ok(kernels.column_moments(x.storage(), x.width()))
}

/// `[mean | variance]` as they are kept.
fn running(kernels: &dyn Kernels, running: [&Parameter; 2]) -> Storage {
    kernels.to_device(&running.map(Parameter::to_host).concat())
}
