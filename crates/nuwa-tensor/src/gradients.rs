use std::sync::Arc;

use crate::Tensor;
use crate::element::{Bf16, Element, Kind};
use crate::pool::{Buffer, Plain, Pool};
use crate::simd::vectorised;
use crate::tensor::Values;

/// The gradients of recorded tensors while the tape runs backward, one slot a record; a gradient has the kind of its
/// tensor.
pub(crate) struct Gradients {
    slots: Vec<Option<Values>>,
    pool: Arc<Pool>,
}

/// Where the gradient of one tensor goes, and whether something is there already that is to be added to. Where nothing is,
/// every element has to be written.
pub(crate) enum Slot<'a> {
    F32(&'a mut [f32], bool),
    Bf16(&'a mut [Bf16], bool),
}

/// Runs `$body` with the gradient of `$tensor` to write, of whichever kind, and whether to add to it. Does nothing for a
/// tensor that needs no gradient.
macro_rules! with_slot {
    ($gradients:expr, $tensor:expr, |$slot:ident, $accumulate:ident| $body:expr) => {
        match $gradients.slot($tensor) {
            None => {}
            Some($crate::gradients::Slot::F32($slot, $accumulate)) => $body,
            Some($crate::gradients::Slot::Bf16($slot, $accumulate)) => $body,
        }
    };
}
pub(crate) use with_slot;

impl Gradients {
    pub fn new(records: usize, pool: Arc<Pool>) -> Self {
        Self { slots: vec![None; records], pool }
    }

    /// The pool that backward passes take their scratch space from.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Takes out the gradient of record `index`, if anything flowed there.
    pub fn take(&mut self, index: usize) -> Option<Values> {
        self.slots[index].take()
    }

    /// The gradient of `tensor` to write to; none where it needs no gradient.
    pub fn slot(&mut self, tensor: &Tensor) -> Option<Slot<'_>> {
        let pool = &self.pool;
        let place = &mut self.slots[tensor.node()?.index()];
        let present = place.is_some();
        let values = place.get_or_insert_with(|| match tensor.kind() {
            Kind::F32 => pool.take::<f32>(tensor.shape().elements()).into(),
            Kind::Bf16 => pool.take::<Bf16>(tensor.shape().elements()).into(),
        });
        Some(match values {
            Values::F32(values) => Slot::F32(unshared(values, pool), present),
            Values::Bf16(values) => Slot::Bf16(unshared(values, pool), present),
        })
    }

    /// Adds `gradient` itself to the gradient of `tensor`, without a copy where nothing is there yet.
    pub fn share(&mut self, tensor: &Tensor, gradient: &Values) {
        let Some(node) = tensor.node() else { return };
        let slot = &mut self.slots[node.index()];
        if slot.is_none() && gradient.kind() == tensor.kind() {
            *slot = Some(gradient.clone());
            return;
        }
        with_slot!(self, tensor, |slot, accumulate| match gradient {
            Values::F32(values) => add(slot, values, accumulate),
            Values::Bf16(values) => add(slot, values, accumulate),
        });
    }
}

fn add<T: Element, S: Element>(total: &mut [T], values: &[S], accumulate: bool) {
    crate::ops::parallel::rows_mut(total, 1, |first, rows| {
        add_rows(rows, &values[first..first + rows.len()], accumulate);
    });
}

vectorised! {
    fn add_rows[T: Element, S: Element](total: &mut [T], values: &[S], accumulate: bool) {
        for (total, value) in total.iter_mut().zip(values) {
            let before = if accumulate { total.widen() } else { 0.0 };
            *total = T::narrow(before + value.widen());
        }
    }
}

/// The buffer for writing: copied first where a residual branch still holds the same one.
fn unshared<'a, T: Plain>(slot: &'a mut Arc<Buffer<T>>, pool: &Arc<Pool>) -> &'a mut [T] {
    if Arc::get_mut(slot).is_none() {
        let mut copy = pool.take(slot.len());
        copy.copy_from_slice(slot);
        *slot = Arc::new(copy);
    }
    Arc::get_mut(slot).expect("the only holder was just made sure of")
}
