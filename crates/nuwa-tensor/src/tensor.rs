use std::sync::Arc;

use crate::element::{Bf16, Element, Kind, convert};
use crate::pool::{Buffer, Plain};
use crate::tape::Node;
use crate::{Error, Result, Shape};

/// The numbers of a tensor or of its gradient; clones share the block.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    F32(Arc<Buffer<f32>>),
    Bf16(Arc<Buffer<Bf16>>),
}

impl Values {
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::Bf16(values) => values.len(),
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::F32(_) => Kind::F32,
            Self::Bf16(_) => Kind::Bf16,
        }
    }
}

/// Kinds of number that tensors are made of.
pub(crate) trait Stored: Element + Plain {
    /// A block of this kind, ready for a tensor.
    fn wrap(buffer: Arc<Buffer<Self>>) -> Values;

    /// The numbers of a block that is known to be of this kind: gradients have the kind of their tensor.
    fn of(values: &Values) -> &[Self];
}

impl Stored for f32 {
    fn wrap(buffer: Arc<Buffer<Self>>) -> Values {
        Values::F32(buffer)
    }

    fn of(values: &Values) -> &[Self] {
        match values {
            Values::F32(values) => values,
            Values::Bf16(_) => panic!("expected numbers of f32, found bf16"),
        }
    }
}

impl Stored for Bf16 {
    fn wrap(buffer: Arc<Buffer<Self>>) -> Values {
        Values::Bf16(buffer)
    }

    fn of(values: &Values) -> &[Self] {
        match values {
            Values::Bf16(values) => values,
            Values::F32(_) => panic!("expected numbers of bf16, found f32"),
        }
    }
}

impl<T: Stored> From<Buffer<T>> for Values {
    fn from(buffer: Buffer<T>) -> Self {
        T::wrap(Arc::new(buffer))
    }
}

impl<T: Stored> From<Arc<Buffer<T>>> for Values {
    fn from(buffer: Arc<Buffer<T>>) -> Self {
        T::wrap(buffer)
    }
}

/// Runs `$body` with the type `$name` that numbers of this precision have.
macro_rules! with_kind {
    ($kind:expr, $name:ident => $body:expr) => {
        match $crate::Kind::from($kind) {
            $crate::Kind::F32 => {
                type $name = f32;
                $body
            }
            $crate::Kind::Bf16 => {
                type $name = $crate::Bf16;
                $body
            }
        }
    };
}
pub(crate) use with_kind;

/// Runs `$body` with `$name` bound to the slice of whichever kind `$values` holds.
macro_rules! with_values {
    ($values:expr, $name:ident => $body:expr) => {
        match $values {
            $crate::tensor::Values::F32(values) => {
                let $name: &[f32] = values;
                $body
            }
            $crate::tensor::Values::Bf16(values) => {
                let $name: &[$crate::Bf16] = values;
                $body
            }
        }
    };
}
pub(crate) use with_values;

/// A contiguous, row-major, immutable block of numbers.
///
/// Clones share the block. A tensor made by a recording [`Tape`](crate::Tape) from something that needs a
/// gradient also knows its node there.
#[derive(Debug, Clone)]
pub struct Tensor {
    shape: Shape,
    values: Values,
    node: Option<Node>,
}

impl Tensor {
    pub(crate) fn new(shape: Shape, values: Values, node: Option<Node>) -> Self {
        debug_assert_eq!(shape.elements(), values.len());
        Self { shape, values, node }
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

    /// Which kind of number it holds.
    pub fn kind(&self) -> Kind {
        self.values.kind()
    }

    /// All elements in row-major order.
    ///
    /// # Panics
    /// When the elements are not `f32`: see [`Tensor::to_vec`].
    pub fn data(&self) -> &[f32] {
        match &self.values {
            Values::F32(values) => values,
            Values::Bf16(_) => panic!("a tensor of bf16 was read as f32"),
        }
    }

    /// A copy of all elements in row-major order.
    pub fn to_vec(&self) -> Vec<f32> {
        match &self.values {
            Values::F32(values) => values.to_vec(),
            Values::Bf16(values) => {
                let mut wide = vec![0.0; values.len()];
                convert(values, &mut wide);
                wide
            }
        }
    }

    /// The one element of a scalar.
    pub fn scalar(&self) -> Result<f32> {
        match self.to_vec()[..] {
            [value] => Ok(value),
            _ => Err(Error::shape("scalar", format!("a tensor of shape {} is not one number", self.shape))),
        }
    }

    /// One row of `f32`, when all outer axes are folded into one.
    pub fn row(&self, index: usize) -> &[f32] {
        let width = self.width();
        &self.data()[index * width..(index + 1) * width]
    }

    /// Whether backward will reach this tensor.
    pub fn is_tracked(&self) -> bool {
        self.node.is_some()
    }

    pub(crate) fn node(&self) -> Option<Node> {
        self.node
    }

    pub(crate) fn values(&self) -> &Values {
        &self.values
    }
}
