//! `y = x W^T + b`: the affine map of every projection; also added to a residual stream, or through an activation.
//!
//! `x` is `[.., in]`, `W` is `[out, in]` (rows are output features, as PyTorch stores them), `b` is `[out]`, `y` is
//! `[.., out]`. Backward: `dx = dy W`, `dW = dy^T x`, `db = sum over rows of dy`. What follows the product happens to its
//! sums while they are in the cache: [`Tape::linear_add`], [`Tape::linear_activation`].

mod cpu;

use cpu::BiasGradient;
pub(crate) use cpu::{Context, Weight, backward_bias, forward};

use std::sync::Arc;

use crate::element::Bf16;
use crate::gradients::{Gradients, with_slot};
use crate::ops::activation::Activation;
use crate::ops::product::{PackedWeight, Store};
use crate::pool::Pool;
use crate::tensor::{Stored, Values, with_kind, with_values};
use crate::{Error, Parameter, Precision, Result, Shape, Tape, Tensor};

impl Tape {
    pub(crate) fn context(&self) -> Context<'_> {
        Context { pool: self.pool(), precision: self.precision() }
    }

    /// `x W^T + b`, of the tape's precision; see [the module](self).
    ///
    /// # Errors
    /// When the width of `x` is not that of `weight`, or the length of `bias` is not its number of rows.
    pub fn linear(&self, x: &Tensor, weight: &Parameter, bias: Option<&Parameter>) -> Result<Tensor> {
        check(x, weight, bias)?;
        let shape = with_width(x.shape(), weight.rows());
        let packed = self.packed(weight, self.tracks(&[x], &[]));
        let y = with_kind!(self.precision(), T => self.affine::<T>(x, weight, packed.as_deref(), bias));
        let layer = Layer::new(self.precision(), x, weight, bias, packed);
        self.record("linear", &[x], &parameters(weight, bias), shape, y, move |dy, gradients| {
            layer.backward(dy, gradients);
            Ok(())
        })
    }

    /// The weight packed for its products, in bf16: packed now where a gradient will be wanted, else where it is already.
    pub(crate) fn packed(&self, weight: &Parameter, tracked: bool) -> Option<Arc<PackedWeight>> {
        match (self.precision(), tracked) {
            (Precision::F32, _) => None,
            (Precision::Bf16, true) => Some(weight.packed(self.pool())),
            (Precision::Bf16, false) => weight.packed_before(),
        }
    }

    fn affine<T: Stored>(
        &self,
        x: &Tensor,
        weight: &Parameter,
        packed: Option<&PackedWeight>,
        bias: Option<&Parameter>,
    ) -> Values {
        let mut y = self.pool().take::<T>(x.rows() * weight.rows());
        let (values, bias) = (weight.values(), bias.map(Parameter::values));
        let epilogue = Store::plain(&mut y, weight.rows()).with_bias(bias.as_deref());
        let weight = Weight { values: &values, packed, width: x.width() };
        with_values!(x.values(), x => forward(self.context(), x, weight, &epilogue));
        y.into()
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
        let shape = with_width(x.shape(), weight.rows());
        if residual.shape() != &shape {
            let reason = format!("residual has shape {}, the product has shape {shape}", residual.shape());
            return Err(Error::shape("linear_add", reason));
        }
        let mut y = self.pool().take::<f32>(shape.elements());
        let packed = self.packed(weight, self.tracks(&[x], &[]));
        let (values, bias_values) = (weight.values(), bias.map(Parameter::values));
        let epilogue =
            Store::plain(&mut y, weight.rows()).with_base(residual.data()).with_bias(bias_values.as_deref());
        let operand = Weight { values: &values, packed: packed.as_deref(), width: x.width() };
        with_values!(x.values(), x => forward(self.context(), x, operand, &epilogue));
        drop((values, bias_values));
        let layer = Layer::new(self.precision(), x, weight, bias, packed);
        let residual_saved = residual.clone();
        self.record(
            "linear_add",
            &[residual, x],
            &parameters(weight, bias),
            shape,
            y,
            move |dy, gradients| {
                layer.backward(dy, gradients);
                gradients.share(&residual_saved, dy);
                Ok(())
            },
        )
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
        with_kind!(self.precision(), T => self.activated::<T>(x, weight, bias, activation))
    }

    fn activated<T: Stored>(
        &self,
        x: &Tensor,
        weight: &Parameter,
        bias: Option<&Parameter>,
        activation: Activation,
    ) -> Result<Tensor> {
        let shape = with_width(x.shape(), weight.rows());
        let parameters = parameters(weight, bias);
        let mut y = self.pool().take::<T>(shape.elements());
        let mut slope = self.tracks(&[x], &parameters).then(|| self.pool().take::<T>(shape.elements()));
        let packed = self.packed(weight, self.tracks(&[x], &[]));
        let (values, bias_values) = (weight.values(), bias.map(Parameter::values));
        let operand = Weight { values: &values, packed: packed.as_deref(), width: x.width() };
        with_values!(x.values(), x => {
            let (context, bias, slope) = (self.context(), bias_values.as_deref(), slope.as_deref_mut());
            cpu::forward_activated(context, x, operand, bias, activation, &mut y, slope);
        });
        drop((values, bias_values));
        let layer = Layer::new(self.precision(), x, weight, bias, packed);
        self.record("linear_activation", &[x], &parameters, shape, y, move |dy, gradients| {
            if let Some(mut slope) = slope {
                layer.bias_gradient(gradients, |pool, db| cpu::times_slope(pool, T::of(dy), &mut slope, db));
                layer.products(&slope.into(), gradients);
            }
            Ok(())
        })
    }
}

/// What the way back needs of one product.
struct Layer {
    precision: Precision,
    x: Tensor,
    weight: Parameter,
    bias: Option<Parameter>,
    packed: Option<Arc<PackedWeight>>,
}

impl Layer {
    fn new(
        precision: Precision,
        x: &Tensor,
        weight: &Parameter,
        bias: Option<&Parameter>,
        packed: Option<Arc<PackedWeight>>,
    ) -> Self {
        Self { precision, x: x.clone(), weight: weight.clone(), bias: bias.cloned(), packed }
    }

    fn backward(&self, dy: &Values, gradients: &mut Gradients) {
        match dy {
            // Rounded once for both products.
            Values::F32(dy) if self.precision == Precision::Bf16 => {
                let mut rounded = gradients.pool().take::<Bf16>(dy.len());
                self.bias_gradient(gradients, |pool, db| cpu::round(pool, dy, &mut rounded, db));
                self.products(&rounded.into(), gradients);
            }
            _ => {
                if let Some(bias) = &self.bias {
                    let pool = gradients.pool();
                    with_values!(dy, dy => bias.accumulate(|db| backward_bias(pool, dy, db)));
                }
                self.products(dy, gradients);
            }
        }
    }

    /// Calls `work`, which adds up the gradient of the bias on its way, where there is one.
    fn bias_gradient(&self, gradients: &Gradients, work: impl FnOnce(&Arc<Pool>, BiasGradient<'_>)) {
        match &self.bias {
            Some(bias) if bias.entry().is_trainable() => {
                bias.accumulate(|db| work(gradients.pool(), Some(db)));
            }
            _ => work(gradients.pool(), None),
        }
    }

    /// The gradients of the input and the weight.
    fn products(&self, dy: &Values, gradients: &mut Gradients) {
        let pool = Arc::clone(gradients.pool());
        let context = Context { pool: &pool, precision: self.precision };
        let width = self.x.width();
        with_values!(dy, dy => {
            with_slot!(gradients, &self.x, |dx, accumulate| {
                let values = self.weight.values();
                let weight = Weight { values: &values, packed: self.packed.as_deref(), width };
                cpu::backward_input(context, dy, weight, dx, accumulate);
            });
            with_values!(self.x.values(), x => {
                self.weight.accumulate(|dw| cpu::backward_weight(context, dy, x, dw, width));
            });
        });
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
