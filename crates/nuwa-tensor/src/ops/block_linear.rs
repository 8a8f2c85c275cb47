//! An affine map whose matrix is block-diagonal: the gates of the RG-LRU (De et al., "Griffin", 2024), and any layer in which groups of
//! features stay among themselves.
//!
//! `y` of group `g` is `x` of group `g` times `W_g`, plus `b`: `x` is `[rows, groups size]`, `W` is `[groups, size, size]` with the
//! features that go in first (`x W`, not `x W^T`), `b` is `[groups size]`. Backward: `dx = dy W_g^T`, `dW_g = x^T dy`,
//! `db = sum over rows of dy`.

use crate::device::BlockCall;
use crate::{Error, Parameter, Precision, Result, Tape, Tensor};

const OPERATION: &str = "block_linear";

impl Tape {
    /// `x W + b` by groups, of the kind of `x`; see [the module](self). `parameters` are `W` and `b`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn block_linear(&self, x: &Tensor, parameters: [&Parameter; 2]) -> Result<Tensor> {
        check(x, parameters)?;
        let kernels = self.kernels_for(OPERATION, &[x], &parameters)?;
        let precision = self.precision();
        let layer = Layer { precision, x: x.clone(), parameters: parameters.map(Parameter::clone) };
        let y = kernels.block_linear(layer.call());
        self.record(OPERATION, &[x], &parameters, x.shape().clone(), y, move |dy, gradients| {
            let (kernels, dx) = (gradients.kernels(), gradients.slot(&layer.x));
            kernels.block_linear_backward(layer.call(), dy, dx);
            Ok(())
        })
    }
}

struct Layer {
    precision: Precision,
    x: Tensor,
    parameters: [Parameter; 2],
}

impl Layer {
    fn call(&self) -> BlockCall<'_> {
        let [weight, bias] = &self.parameters;
        BlockCall { precision: self.precision, x: self.x.storage(), weight, bias }
    }
}

fn check(x: &Tensor, [weight, bias]: [&Parameter; 2]) -> Result<()> {
    let width = x.width();
    let fits = match *weight.shape().axes() {
        [groups, input, output] => input == output && groups * input == width,
        _ => false,
    };
    if fits && bias.shape().axes() == [width] {
        return Ok(());
    }
    let reason = format!(
        "x has shape {}, {} has shape {}, its bias {}; expected [groups, size, size] of {width} features in all",
        x.shape(),
        weight.entry().path(),
        weight.shape(),
        bias.shape()
    );
    Err(Error::shape(OPERATION, reason))
}
