//! `y = x W^T + b`: the affine map of every projection.
//!
//! `x` is `[.., in]`, `W` is `[out, in]` (rows are output features, as PyTorch stores them), `b` is `[out]`, `y` is
//! `[.., out]`. Backward: `dx = dy W`, `dW = dy^T x`, `db = sum over rows of dy`.

mod cpu;

pub(crate) use cpu::backward_bias;

use std::sync::Arc;

use crate::{Error, Parameter, Result, Shape, Tape, Tensor};

impl Tape {
    /// `x W^T + b`; see [the module](self).
    ///
    /// # Errors
    /// When the width of `x` is not that of `weight`, or the length of `bias` is not its number of rows.
    pub fn linear(&self, x: &Tensor, weight: &Parameter, bias: Option<&Parameter>) -> Result<Tensor> {
        check(x, weight, bias)?;
        let shape = with_width(x.shape(), weight.rows());
        let mut y = self.pool().take(shape.elements());
        cpu::forward(x.data(), &weight.values(), bias.map(Parameter::values).as_deref(), &mut y, x.width());

        let parameters: Vec<&Parameter> = std::iter::once(weight).chain(bias).collect();
        let (x_saved, weight_saved, bias_saved) = (x.clone(), weight.clone(), bias.cloned());
        self.record(&[x], &parameters, shape, Arc::new(y), move |dy, gradients| {
            let width = x_saved.width();
            gradients.add(&x_saved, |dx, accumulate| {
                cpu::backward_input(dy, &weight_saved.values(), dx, width, accumulate);
            });
            weight_saved.accumulate(|dw| cpu::backward_weight(dy, x_saved.data(), dw, width));
            if let Some(bias) = bias_saved {
                bias.accumulate(|db| backward_bias(gradients.pool(), dy, db));
            }
            Ok(())
        })
    }
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
