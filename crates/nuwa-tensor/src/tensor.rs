use std::sync::Arc;

use crate::device::Kernels;
use crate::device::Storage;
use crate::element::DType;
use crate::tape::Node;
use crate::{Error, Result, Shape};

/// A contiguous, row-major, immutable block of numbers.
///
/// Clones share the block. A tensor made by a recording [`Tape`](crate::Tape) from something that needs a
/// gradient also knows its node there.
#[derive(Debug, Clone)]
pub struct Tensor {
    shape: Shape,
    storage: Storage,
    kernels: Arc<dyn Kernels>,
    node: Option<Node>,
}

impl Tensor {
    pub(crate) fn new(shape: Shape, storage: Storage, kernels: Arc<dyn Kernels>, node: Option<Node>) -> Self {
        debug_assert_eq!(shape.elements(), storage.len());
        Self { shape, storage, kernels, node }
    }

    /// The lengths of the axes.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The number of rows when all outer axes are folded into one.
    pub fn rows(&self) -> usize {
        self.shape.rows()
    }

    /// The length of the innermost axis.
    pub fn width(&self) -> usize {
        self.shape.width()
    }

    /// Which dtype it holds.
    pub fn dtype(&self) -> DType {
        self.storage.dtype()
    }

    /// A copy of all elements in row-major order.
    pub fn to_host(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.storage.len()];
        self.kernels.copy_to_host(&self.storage, 0, &mut values);
        values
    }

    /// A copy of one row, when all outer axes are folded into one.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row_to_host(&self, index: usize) -> Vec<f32> {
        assert!(index < self.rows(), "row {index} of {}", self.shape);
        let mut values = vec![0.0; self.width()];
        self.kernels.copy_to_host(&self.storage, index * self.width(), &mut values);
        values
    }

    /// The one element of a scalar.
    ///
    /// # Errors
    /// When it has more elements, or none.
    pub fn scalar(&self) -> Result<f32> {
        match self.to_host()[..] {
            [value] => Ok(value),
            _ => Err(Error::shape("scalar", format!("a tensor of shape {} is not one number", self.shape))),
        }
    }

    /// Whether backward will reach this tensor.
    pub fn is_tracked(&self) -> bool {
        self.node.is_some()
    }

    pub(crate) fn node(&self) -> Option<Node> {
        self.node
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.storage
    }
}
