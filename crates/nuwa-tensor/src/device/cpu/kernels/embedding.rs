use crate::element::Element;
use crate::parallel::rows_mut;

pub fn forward(ids: &[u32], table: &[f32], y: &mut [f32], width: usize) {
    rows_mut(y, width, |first, rows| {
        for (row, &id) in rows.chunks_exact_mut(width).zip(&ids[first..]) {
            row.copy_from_slice(&table[id as usize * width..][..width]);
        }
    });
}

/// The same of a table that is packed for the products of a head, whose rows are written through `copy`.
pub fn forward_packed(ids: &[u32], y: &mut [f32], width: usize, copy: impl Fn(usize, &mut [f32]) + Sync) {
    rows_mut(y, width, |first, rows| {
        for (row, &id) in rows.chunks_exact_mut(width).zip(&ids[first..]) {
            copy(id as usize, row);
        }
    });
}

/// In order of position: two threads must not add to the same row, and the order of sums stays fixed.
pub fn backward<D: Element>(ids: &[u32], dy: &[D], table: &mut [f32], width: usize) {
    for (row, &id) in dy.chunks_exact(width).zip(ids) {
        for (sum, value) in table[id as usize * width..][..width].iter_mut().zip(row) {
            *sum += value.widen();
        }
    }
}
