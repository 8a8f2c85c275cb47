use crate::element::Element;
use crate::parallel::rows_mut;

pub fn forward<T: Element>(indices: &[u32], x: &[T], y: &mut [T], width: usize) {
    rows_mut(y, width, |first, rows| {
        for (row, &index) in rows.chunks_exact_mut(width).zip(&indices[first..]) {
            row.copy_from_slice(&x[index as usize * width..][..width]);
        }
    });
}

/// In order of the indices, for two of them may name one row.
pub fn backward<T: Element>(indices: &[u32], dy: &[T], dx: &mut [T], width: usize, accumulate: bool) {
    if !accumulate {
        rows_mut(dx, width, |_, rows| rows.fill(T::default()));
    }
    for (row, &index) in dy.chunks_exact(width).zip(indices) {
        for (sum, value) in dx[index as usize * width..][..width].iter_mut().zip(row) {
            *sum = T::narrow(sum.widen() + value.widen());
        }
    }
}
