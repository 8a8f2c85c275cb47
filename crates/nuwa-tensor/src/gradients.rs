use std::sync::Arc;

use crate::Tensor;
use crate::device::Kernels;
use crate::device::{Slot, Storage};

/// The gradients of recorded tensors while the tape runs backward, one slot a record; a gradient has the kind of its
/// tensor.
pub(crate) struct Gradients {
    slots: Vec<Option<Storage>>,
    kernels: Arc<dyn Kernels>,
}

impl Gradients {
    pub fn new(records: usize, kernels: Arc<dyn Kernels>) -> Self {
        Self { slots: vec![None; records], kernels }
    }

    /// What backward computes with.
    pub fn kernels(&self) -> Arc<dyn Kernels> {
        Arc::clone(&self.kernels)
    }

    /// Takes out the gradient of record `index`, if anything flowed there.
    pub fn take(&mut self, index: usize) -> Option<Storage> {
        self.slots[index].take()
    }

    /// The gradient of `tensor` to write to; none where it needs no gradient.
    pub fn slot(&mut self, tensor: &Tensor) -> Option<Slot<'_>> {
        let place = &mut self.slots[tensor.node()?.index()];
        let accumulate = place.is_some();
        let storage =
            place.get_or_insert_with(|| self.kernels.empty(tensor.dtype(), tensor.shape().elements()));
        // Copied first where a residual branch still holds the same block.
        if storage.is_shared() {
            *storage = self.kernels.copy(storage);
        }
        Some(Slot { storage, accumulate })
    }

    /// Adds `gradient` itself to the gradient of `tensor`, without a copy where nothing is there yet.
    pub fn share(&mut self, tensor: &Tensor, gradient: &Storage) {
        let Some(node) = tensor.node() else { return };
        let slot = &mut self.slots[node.index()];
        if slot.is_none() && gradient.dtype() == tensor.dtype() {
            *slot = Some(gradient.clone());
            return;
        }
        let kernels = self.kernels();
        if let Some(slot) = self.slot(tensor) {
            kernels.add_to(slot, gradient);
        }
    }
}
