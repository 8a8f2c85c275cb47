//! How one parameter here is spread over tensors at Hugging Face: cut by rows, transposed where GPT-2 wants it, multiplied where
//! GPT-Neo does, in Falcon's order of rows, in XLNet's axes.

use std::ops::Range;

use nuwa_models::{RowOrder, TensorName};
use nuwa_tensor::Shape;

/// A tensor at Hugging Face and the part of a parameter that it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its name there.
    pub name: String,
    /// Its shape there.
    pub shape: Vec<usize>,
    /// The elements of the parameter that it holds.
    pub range: Range<usize>,
    /// Its rows and their length here.
    matrix: [usize; 2],
    transposed: bool,
    /// What its elements are multiplied by there.
    pub factor: f32,
    order: RowOrder,
}

/// The tensors that the parameter `name` of `shape` is made of, in order.
pub fn parts(name: &TensorName, shape: &Shape) -> Vec<Part> {
    let inner: Vec<usize> = shape.axes()[1..].to_vec();
    let row_length: usize = inner.iter().product();
    let mut start = 0;
    let part = |(tensor, rows): &(String, usize)| {
        let range = start..start + rows * row_length;
        start = range.end;
        let mut shape: Vec<usize> = std::iter::once(*rows).chain(inner.iter().copied()).collect();
        if name.transposed {
            shape.reverse();
        }
        if let Some(axes) = &name.axes {
            shape.clone_from(axes);
        }
        let factor = if range.start == 0 { name.first_factor } else { 1.0 };
        Part {
            name: tensor.clone(),
            shape,
            range,
            matrix: [*rows, row_length],
            transposed: name.transposed,
            factor,
            order: name.order.clone(),
        }
    };
    name.parts.iter().map(part).collect()
}

impl Part {
    /// Its elements as they are stored there, out of all `values` of the parameter.
    pub fn stored(&self, values: &[f32]) -> Vec<f32> {
        self.multiplied(self.there(values), self.factor)
    }

    /// The gradient of its elements there, out of the whole `gradient` of the parameter.
    pub fn stored_gradient(&self, gradient: &[f32]) -> Vec<f32> {
        self.multiplied(self.there(gradient), 1.0 / self.factor)
    }

    fn there(&self, values: &[f32]) -> Vec<f32> {
        let (own, [rows, columns]) = (&values[self.range.clone()], self.matrix);
        match self.transposed {
            true => transpose(own, rows, columns),
            false => self.order.there(own, columns),
        }
    }

    fn multiplied(&self, mut values: Vec<f32>, factor: f32) -> Vec<f32> {
        if self.factor != 1.0 {
            values.iter_mut().for_each(|value| *value *= factor);
        }
        values
    }

    /// Puts the elements `stored` there into all `values` of the parameter.
    ///
    /// # Panics
    /// When `stored` does not have the elements of its shape.
    pub fn load(&self, stored: &[f32], values: &mut [f32]) {
        let (own, [rows, columns]) = (&mut values[self.range.clone()], self.matrix);
        own.copy_from_slice(&match self.transposed {
            true => transpose(stored, columns, rows),
            false => self.order.here(stored, columns),
        });
        if self.factor != 1.0 {
            own.iter_mut().for_each(|value| *value /= self.factor);
        }
    }
}

fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let column = |c: usize| (0..rows).map(move |r| values[r * columns + c]);
    (0..columns).flat_map(column).collect()
}
