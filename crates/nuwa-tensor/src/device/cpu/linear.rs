use std::sync::Arc;

use super::kernels::linear::{self as kernels, BiasGradient, Context, Held};
use super::product::Store;
use crate::calls::Activation;
use crate::device::{Affine, Pool, Slot, Storage, Stored, with_dtype, with_slot, with_values};
use crate::element::Bf16;
use crate::{DType, Parameter, Precision};

pub fn forward(pool: &Arc<Pool>, call: Affine<'_>, base: Option<&Storage>) -> Storage {
    let Affine { precision, x, weight, bias, is_tracked, batch_invariant } = call;
    let context = Context { pool, precision };
    let held = Held::new(context, weight, is_tracked, batch_invariant);
    let (width, out, bias) = (weight.width(), weight.rows(), bias.map(Parameter::values));
    let dtype = if base.is_some() { DType::F32 } else { precision.into() };
    with_dtype!(dtype, T => {
        let mut y = pool.take::<T>(x.len() / width * out);
        let store = Store::plain(&mut y, out);
        let store = match base {
            Some(base) => store.with_base(Stored::of(base)),
            None => store,
        };
        with_values!(x, x => kernels::forward(context, x, held.weight(), &store.with_bias(bias.as_deref())));
        y.into()
    })
}

pub fn activated<T: Stored>(
    pool: &Arc<Pool>,
    call: Affine<'_>,
    activation: Activation,
    keep_slope: bool,
) -> (Storage, Option<Storage>) {
    let Affine { precision, x, weight, bias, is_tracked, batch_invariant } = call;
    let length = x.len() / weight.width() * weight.rows();
    let mut y = pool.take::<T>(length);
    let mut slope = keep_slope.then(|| pool.take::<T>(length));
    let context = Context { pool, precision };
    let held = Held::new(context, weight, is_tracked, batch_invariant);
    let bias = bias.map(Parameter::values);
    with_values!(x, x => {
        let (bias, slope) = (bias.as_deref(), slope.as_deref_mut());
        kernels::forward_activated(context, x, held.weight(), bias, activation, &mut y, slope);
    });
    (y.into(), slope.map(Storage::from))
}

pub fn backward(pool: &Arc<Pool>, call: Affine<'_>, dy: &Storage, dx: Option<Slot<'_>>) {
    if dy.dtype() == DType::F32 && call.precision == Precision::Bf16 {
        // Rounded once for both products.
        let mut rounded = pool.take::<Bf16>(dy.len());
        bias_gradient(call.bias, |db| kernels::round(pool, Stored::of(dy), &mut rounded, db));
        return products(pool, call, &rounded.into(), dx);
    }
    if let Some(bias) = call.bias {
        with_values!(dy, dy => bias.accumulate(|db| kernels::backward_bias(pool, dy, db)));
    }
    products(pool, call, dy, dx);
}

pub fn activated_backward<T: Stored>(
    pool: &Arc<Pool>,
    call: Affine<'_>,
    dy: &Storage,
    mut slope: Storage,
    dx: Option<Slot<'_>>,
) {
    bias_gradient(call.bias, |db| kernels::times_slope(pool, T::of(dy), T::of_mut(&mut slope), db));
    products(pool, call, &slope, dx);
}

/// Calls `work`, which adds up the gradient of the bias on its way, where there is one.
fn bias_gradient(bias: Option<&Parameter>, work: impl FnOnce(BiasGradient<'_>)) {
    match bias {
        Some(bias) if bias.entry().is_trainable() => bias.accumulate(|db| work(Some(db))),
        _ => work(None),
    }
}

/// The gradients of the input and the weight.
fn products(pool: &Arc<Pool>, call: Affine<'_>, dy: &Storage, dx: Option<Slot<'_>>) {
    let Affine { precision, x, weight, .. } = call;
    let (context, width) = (Context { pool, precision }, weight.width());
    with_values!(dy, dy => {
        if let Some(dx) = dx {
            let held = Held::new(context, weight, true, false);
            with_slot!(dx, |dx, accumulate| kernels::backward_input(context, dy, held.weight(), dx, accumulate));
        }
        with_values!(x, x => weight.accumulate(|dw| kernels::backward_weight(context, dy, x, dw, width)));
    });
}

pub fn logits(pool: &Arc<Pool>, call: Affine<'_>) -> Storage {
    let Affine { precision, x, weight, batch_invariant, .. } = call;
    let (width, vocabulary) = (weight.width(), weight.rows());
    let mut logits = pool.take::<f32>(x.len() / width * vocabulary);
    let store = Store::plain(&mut logits, vocabulary);
    let context = Context { pool, precision };
    let held = Held::unpacked(context, weight, batch_invariant);
    with_values!(x, x => kernels::forward(context, x, held.weight(), &store));
    logits.into()
}
