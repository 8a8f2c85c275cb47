//! Matrix products, the one place that calls the product library.

use gemmkit::{MatMut, MatRef, Parallelism};

/// A matrix within a slice: rows `stride` elements apart, read as it lies or transposed.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `rows` x `columns`, contiguous.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// `rows` x `columns` with rows `stride` apart.
    pub fn strided(data: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        Self { data, rows, columns, row_stride: stride, column_stride: 1 }
    }

    /// The same elements with rows and columns swapped.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    fn view(self) -> MatRef<'a, f32> {
        MatRef::new(self.data, self.rows, self.columns, self.row_stride as isize, self.column_stride as isize)
    }
}

/// `out = factor * a b`, or `out += factor * a b`, with all threads.
pub fn product(factor: f32, a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], accumulate: bool) {
    let (rows, columns) = (a.rows, b.columns);
    let beta = if accumulate { 1.0 } else { 0.0 };
    let out = MatMut::from_row_major(&mut out[..rows * columns], rows, columns);
    gemmkit::gemm(factor, a.view(), b.view(), beta, out, Parallelism::Rayon(0));
}

/// As [`product`] on the calling thread alone, for use inside parallel work; rows of `out` are `stride` apart.
pub fn product_serial(
    factor: f32,
    a: Matrix<'_>,
    b: Matrix<'_>,
    out: &mut [f32],
    stride: usize,
    accumulate: bool,
) {
    let (rows, columns) = (a.rows, b.columns);
    let beta = if accumulate { 1.0 } else { 0.0 };
    let out = MatMut::new(out, rows, columns, stride as isize, 1);
    gemmkit::gemm(factor, a.view(), b.view(), beta, out, Parallelism::Serial);
}
