//! Matrix products, the one place that calls the product library.

use gemm_common::Parallelism;

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

    /// One past the last element that is read.
    fn extent(&self) -> usize {
        match (self.rows, self.columns) {
            (0, _) | (_, 0) => 0,
            (rows, columns) => (rows - 1) * self.row_stride + (columns - 1) * self.column_stride + 1,
        }
    }
}

/// `out = factor * a b`, or `out += factor * a b`, with all threads.
pub fn product(factor: f32, a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], accumulate: bool) {
    multiply(factor, a, b, out, b.columns, accumulate, Parallelism::Rayon(0));
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
    multiply(factor, a, b, out, stride, accumulate, Parallelism::None);
}

/// The library writes columns, so it is asked for `out^T = b^T a^T`.
fn multiply(
    factor: f32,
    a: Matrix<'_>,
    b: Matrix<'_>,
    out: &mut [f32],
    stride: usize,
    accumulate: bool,
    parallelism: Parallelism,
) {
    let (rows, inner, columns) = (a.rows, a.columns, b.columns);
    assert_eq!(inner, b.rows, "inner dimensions of a product");
    assert!(
        a.extent() <= a.data.len() && b.extent() <= b.data.len(),
        "operands of a product lie in their slices"
    );
    assert!(columns <= stride || rows <= 1, "rows of a product do not overlap");
    if rows == 0 || columns == 0 {
        return;
    }
    assert!((rows - 1) * stride + columns <= out.len(), "the result of a product lies in its slice");
    let keep = if accumulate { 1.0 } else { 0.0 };
    // SAFETY: the extents of both operands and of the result were just checked against their slices, the rows of the
    // result do not overlap, and `out` is borrowed exclusively.
    unsafe {
        gemm_f32::gemm::f32::get_gemm_fn()(
            columns,
            rows,
            inner,
            out.as_mut_ptr(),
            stride as isize,
            1,
            accumulate,
            b.data.as_ptr(),
            b.row_stride as isize,
            b.column_stride as isize,
            a.data.as_ptr(),
            a.row_stride as isize,
            a.column_stride as isize,
            keep,
            factor,
            false,
            false,
            false,
            parallelism,
        );
    }
}
