//! `y = x W^T + b`: the affine map of every projection; also added to a residual stream, or through an activation.
//!
//! `x` is `[.., in]`, `W` is `[out, in]` (rows are output features, as PyTorch stores them), `b` is `[out]`, `y` is
//! `[.., out]`. Backward: `dx = dy W`, `dW = dy^T x`, `db = sum over rows of dy`. What follows the product happens to its
//! sums while they are in the cache: [`Tape::linear_add`], [`Tape::linear_activation`].

use crate::device::Affine;
use crate::device::Storage;
use crate::gradients::Gradients;
use crate::ops::activation::Activation;
use crate::{Error, Parameter, Precision, Result, Shape, Tape, Tensor};

impl Tape {
    /// `x W^T + b`, of the tape's precision; see [the module](self).
    ///
    /// # Errors
    /// When the width of `x` is not that of `weight`, or the length of `bias` is not its number of rows.
    pub fn linear(&self, x: &Tensor, weight: &Parameter, bias: Option<&Parameter>) -> Result<Tensor> {
        check(x, weight, bias)?;
        let (shape, parameters) = (with_width(x.shape(), weight.rows()), parameters(weight, bias));
        let kernels = self.kernels_for("linear", &[x], &parameters)?;
        let layer = Layer::new(self, x, weight, bias);
        let y = kernels.linear(layer.call(), None);
        self.record("linear", &[x], &parameters, shape, y, move |dy, gradients| {
            layer.backward(dy, gradients);
            Ok(())
        })
    }

    /// `residual + x W^T + b` in `f32`.
    ///
    /// # Errors
    /// As [`Tape::linear`], and when `residual` does not have the shape of the result.
    pub fn linear_add(
        &self,
        residual: &Tensor,
        x: &Tensor,
        weight: &Parameter,
        bias: Option<&Parameter>,
    ) -> Result<Tensor> {
        check(x, weight, bias)?;
        let (shape, parameters) = (with_width(x.shape(), weight.rows()), parameters(weight, bias));
        if residual.shape() != &shape {
            let reason = format!("residual has shape {}, the product has shape {shape}", residual.shape());
            return Err(Error::shape("linear_add", reason));
        }
        let kernels = self.kernels_for("linear_add", &[residual, x], &parameters)?;
        let layer = Layer::new(self, x, weight, bias);
        let y = kernels.linear(layer.call(), Some(residual.storage()));
        let residual_saved = residual.clone();
        self.record("linear_add", &[residual, x], &parameters, shape, y, move |dy, gradients| {
            layer.backward(dy, gradients);
            gradients.share(&residual_saved, dy);
            Ok(())
        })
    }

    /// `f(x W^T + b)`, of the tape's precision. While recording, `f'` is kept in place of its argument.
    ///
    /// # Errors
    /// As [`Tape::linear`].
    pub fn linear_activation(
        &self,
        x: &Tensor,
        weight: &Parameter,
        bias: Option<&Parameter>,
        activation: Activation,
    ) -> Result<Tensor> {
        check(x, weight, bias)?;
        let (shape, parameters) = (with_width(x.shape(), weight.rows()), parameters(weight, bias));
        let kernels = self.kernels_for("linear_activation", &[x], &parameters)?;
        let layer = Layer::new(self, x, weight, bias);
        let keep_slope = self.tracks(&[x], &parameters);
        let (y, slope) = kernels.linear_activation(layer.call(), activation, keep_slope);
        self.record("linear_activation", &[x], &parameters, shape, y, move |dy, gradients| {
            let (kernels, dx) = (gradients.kernels(), gradients.slot(&layer.x));
            if let Some(slope) = slope {
                kernels.linear_activation_backward(layer.call(), dy, slope, dx);
            }
            Ok(())
        })
    }
}

/// What backward needs of one product.
struct Layer {
    precision: Precision,
    x: Tensor,
    weight: Parameter,
    bias: Option<Parameter>,
    is_tracked: bool,
    batch_invariant: bool,
}

impl Layer {
    fn new(tape: &Tape, x: &Tensor, weight: &Parameter, bias: Option<&Parameter>) -> Self {
        if let Some(inputs) = tape.inputs() {
            inputs.add(weight, x);
        }
        Self {
            precision: tape.precision(),
            x: x.clone(),
            weight: weight.clone(),
            bias: bias.cloned(),
            is_tracked: tape.tracks(&[x], &[]),
            batch_invariant: tape.is_batch_invariant(),
        }
    }

    fn call(&self) -> Affine<'_> {
        Affine {
            precision: self.precision,
            x: self.x.storage(),
            weight: &self.weight,
            bias: self.bias.as_ref(),
            is_tracked: self.is_tracked,
            batch_invariant: self.batch_invariant,
        }
    }

    fn backward(&self, dy: &Storage, gradients: &mut Gradients) {
        let (kernels, dx) = (gradients.kernels(), gradients.slot(&self.x));
        kernels.linear_backward(self.call(), dy, dx);
    }
}

fn parameters<'a>(weight: &'a Parameter, bias: Option<&'a Parameter>) -> Vec<&'a Parameter> {
    std::iter::once(weight).chain(bias).collect()
}

fn check(x: &Tensor, weight: &Parameter, bias: Option<&Parameter>) -> Result<()> {
    let name = weight.entry().path();
    if x.width() != weight.width() || weight.shape().axes().len() != 2 {
        let reason = format!("x has shape {}, weight {name} has shape {}", x.shape(), weight.shape());
        return Err(Error::shape("linear", reason));
    }
    match bias {
        Some(bias) if bias.shape().axes() != [weight.rows()] => {
            let reason =
                format!("weight {name} has {} rows, its bias has shape {}", weight.rows(), bias.shape());
            Err(Error::shape("linear", reason))
        }
        _ => Ok(()),
    }
}

/// The same outer axes with another innermost length.
pub(crate) fn with_width(shape: &Shape, width: usize) -> Shape {
    let mut axes = shape.axes().to_vec();
    if let Some(last) = axes.last_mut() {
        *last = width;
    }
    Shape::from(axes.as_slice())
}
