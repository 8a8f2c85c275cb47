use std::sync::Arc;

use crate::pool::Buffer;
use crate::tape::Node;
use crate::{Error, Result, Shape};

/// A contiguous, row-major, immutable block of `f32`.
///
/// Clones share the block. A tensor made by a recording [`Tape`](crate::Tape) from something that needs a
/// gradient also knows its node there.
#[derive(Debug, Clone)]
pub struct Tensor {
    shape: Shape,
    data: Arc<Buffer>,
    node: Option<Node>,
}

impl Tensor {
    pub(crate) fn new(shape: Shape, data: Arc<Buffer>, node: Option<Node>) -> Self {
        debug_assert_eq!(shape.elements(), data.len());
        Self { shape, data, node }
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

    /// All elements in row-major order.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The one element of a scalar.
    pub fn scalar(&self) -> Result<f32> {
        match self.data() {
            [value] => Ok(*value),
            _ => Err(Error::shape("scalar", format!("a tensor of shape {} is not one number", self.shape))),
        }
    }

    /// One row, when all outer axes are folded into one.
    pub fn row(&self, index: usize) -> &[f32] {
        let width = self.width();
        &self.data[index * width..(index + 1) * width]
    }

    /// Whether backward will reach this tensor.
    pub fn is_tracked(&self) -> bool {
        self.node.is_some()
    }

    pub(crate) fn node(&self) -> Option<Node> {
        self.node
    }
}
