//! A block of numbers on a device.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::element::DType;
use crate::{Device, Error, Result};

/// The numbers of a tensor, of its gradient or of parameters; clones share the block. What the block is, only its device
/// knows.
#[derive(Clone)]
pub(crate) struct Storage {
    dtype: DType,
    length: usize,
    device: Device,
    block: Arc<dyn Any + Send + Sync>,
}

impl Storage {
    /// `length` numbers that `device` keeps as a `B`.
    pub fn new<B: Any + Send + Sync>(device: Device, dtype: DType, length: usize, block: B) -> Self {
        Self { dtype, length, device, block: Arc::new(block) }
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    pub fn len(&self) -> usize {
        self.length
    }

    /// The block as its device made it.
    pub fn block<B: Any>(&self) -> &B {
        self.block.downcast_ref().expect("a device's kernels get blocks of their own")
    }

    /// The block, if it is a `B`.
    pub fn block_if<B: Any>(&self) -> Option<&B> {
        self.block.downcast_ref()
    }

    /// [`Storage::block`], to write; none while another clone shares it.
    pub fn block_mut<B: Any>(&mut self) -> Option<&mut B> {
        let block = Arc::get_mut(&mut self.block)?;
        Some(block.downcast_mut().expect("a device's kernels get blocks of their own"))
    }

    /// Whether another clone shares the block.
    pub fn is_shared(&mut self) -> bool {
        Arc::get_mut(&mut self.block).is_none()
    }

    /// An error unless the block is on `device`.
    pub fn check_device(&self, operation: &'static str, device: Device) -> Result<()> {
        if self.device == device {
            return Ok(());
        }
        let (found, expected) = (self.device.name(), device.name());
        Err(Error::Device { operation, found, expected })
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} on {}", self.length, self.dtype, self.device.name())
    }
}

/// Where a gradient goes, and whether something is there already that is to be added to. Where nothing is, every element has
/// to be written.
pub(crate) struct Slot<'a> {
    pub storage: &'a mut Storage,
    pub accumulate: bool,
}
