use std::sync::Arc;

use crate::Tensor;
use crate::pool::{Buffer, Pool};

/// The gradients of recorded tensors while the tape runs backward, one slot a record.
pub(crate) struct Gradients {
    slots: Vec<Option<Arc<Buffer>>>,
    pool: Arc<Pool>,
}

impl Gradients {
    pub fn new(records: usize, pool: Arc<Pool>) -> Self {
        Self { slots: vec![None; records], pool }
    }

    /// The pool that backward passes take their scratch space from.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Takes out the gradient of record `index`, if anything flowed there.
    pub fn take(&mut self, index: usize) -> Option<Arc<Buffer>> {
        self.slots[index].take()
    }

    /// Lets `write` put the gradient of `tensor` into a buffer: adding to what is there when its second argument is
    /// true, overwriting every element otherwise. Does nothing for a tensor that needs no gradient.
    pub fn add(&mut self, tensor: &Tensor, write: impl FnOnce(&mut [f32], bool)) {
        let Some(node) = tensor.node() else { return };
        let slot = &mut self.slots[node.index()];
        match slot {
            None => {
                let mut buffer = self.pool.take(tensor.data().len());
                write(&mut buffer, false);
                *slot = Some(Arc::new(buffer));
            }
            Some(present) => write(unshared(present, &self.pool), true),
        }
    }

    /// Adds `gradient` itself to the gradient of `tensor`, without a copy where nothing is there yet.
    pub fn share(&mut self, tensor: &Tensor, gradient: &Arc<Buffer>) {
        let Some(node) = tensor.node() else { return };
        match &mut self.slots[node.index()] {
            slot @ None => *slot = Some(Arc::clone(gradient)),
            Some(present) => {
                for (total, value) in unshared(present, &self.pool).iter_mut().zip(gradient.iter()) {
                    *total += value;
                }
            }
        }
    }
}

/// The buffer for writing: copied first where a residual branch still holds the same one.
fn unshared<'a>(slot: &'a mut Arc<Buffer>, pool: &Arc<Pool>) -> &'a mut [f32] {
    if Arc::get_mut(slot).is_none() {
        let mut copy = pool.take(slot.len());
        copy.copy_from_slice(slot);
        *slot = Arc::new(copy);
    }
    Arc::get_mut(slot).expect("the only holder was just made sure of")
}
