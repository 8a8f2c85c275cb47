//! Blocks in host memory, for the devices that compute there.

use crate::device::{Buffer, Plain, Slot, Storage};
use crate::element::{Bf16, DType, Element};

/// Dtypes of tensors in host memory.
pub(crate) trait Stored: Element + Plain {
    /// The numbers of a block that is known to be of this dtype: gradients have the dtype of their tensor.
    fn of(storage: &Storage) -> &[Self] {
        storage.block::<Buffer<Self>>()
    }

    /// The same, to write; the block is shared with nobody.
    fn of_mut(storage: &mut Storage) -> &mut [Self] {
        storage.block_mut::<Buffer<Self>>().expect("what is written is shared with nobody")
    }
}

impl Stored for f32 {}
impl Stored for Bf16 {}

impl<T: Stored> From<Buffer<T>> for Storage {
    fn from(buffer: Buffer<T>) -> Self {
        let (device, length) = (buffer.device(), buffer.len());
        Self::new(device, T::DTYPE, length, buffer)
    }
}

/// A slot in host memory.
pub(crate) enum HostSlot<'a> {
    F32(&'a mut [f32], bool),
    Bf16(&'a mut [Bf16], bool),
}

impl<'a> From<Slot<'a>> for HostSlot<'a> {
    fn from(Slot { storage, accumulate }: Slot<'a>) -> Self {
        match storage.dtype() {
            DType::F32 => Self::F32(Stored::of_mut(storage), accumulate),
            DType::Bf16 => Self::Bf16(Stored::of_mut(storage), accumulate),
        }
    }
}

/// Runs `$body` with the type `$name` that numbers of this precision have.
macro_rules! with_dtype {
    ($dtype:expr, $name:ident => $body:expr) => {
        match $crate::DType::from($dtype) {
            $crate::DType::F32 => {
                type $name = f32;
                $body
            }
            $crate::DType::Bf16 => {
                type $name = $crate::Bf16;
                $body
            }
        }
    };
}
pub(crate) use with_dtype;

/// Runs `$body` with `$name` bound to the slice of whichever kind `$storage` holds.
macro_rules! with_values {
    ($storage:expr, $name:ident => $body:expr) => {
        match $storage.dtype() {
            $crate::DType::F32 => {
                let $name = <f32 as $crate::device::Stored>::of($storage);
                $body
            }
            $crate::DType::Bf16 => {
                let $name = <$crate::Bf16 as $crate::device::Stored>::of($storage);
                $body
            }
        }
    };
}
pub(crate) use with_values;

/// Runs `$body` with the numbers of a slot, of whichever kind, and whether to add to them.
macro_rules! with_slot {
    ($slot:expr, |$name:ident, $accumulate:ident| $body:expr) => {
        match $crate::device::host::HostSlot::from($slot) {
            $crate::device::host::HostSlot::F32($name, $accumulate) => $body,
            $crate::device::host::HostSlot::Bf16($name, $accumulate) => $body,
        }
    };
}
pub(crate) use with_slot;
