//! `y_i = x_(index_i)`: some rows of a tensor, in any order, also more than once.
//!
//! `x` is `[.., width]` with its outer axes folded into one, `y` is `[indices, width]`. Backward adds each row of `dy` to the
//! row of `dx` it came from, in order. Used before an output head, so that rows without a target cost nothing there.
//!
//! [`Tape::put_rows`] is the opposite: rows of several tensors to their places in one, `y_(place_i) = x_i`; backward gives each row
//! of `x` the row of `dy` at its place.

use crate::device::Slot;
use crate::ops::embedding::check_ids;
use crate::{Error, Result, Tape, Tensor};

impl Tape {
    /// Rows of `x` by index; see [the module](self).
    ///
    /// # Errors
    /// When an index is not a row of `x`.
    pub fn rows(&self, x: &Tensor, indices: &[u32]) -> Result<Tensor> {
        check_ids("rows", indices, x.rows())?;
        let width = x.width();
        let y = self.kernels_for("rows", &[x], &[])?.rows(x.storage(), indices, width);
        let (saved, indices_saved) = (x.clone(), indices.to_vec());
        self.record("rows", &[x], &[], [indices.len(), width].into(), y, move |dy, gradients| {
            let kernels = gradients.kernels();
            if let Some(dx) = gradients.slot(&saved) {
                kernels.rows_backward(&indices_saved, dy, width, dx);
            }
            Ok(())
        })
    }

    /// `rows` rows, of which each is a row of one of `parts` (a tensor and the places of its rows), or 0 where none has its place;
    /// see [the module](self).
    ///
    /// # Errors
    /// When there is no part, parts differ in width or kind, do not have a place for each row, or a place is not below `rows`.
    pub fn put_rows(&self, parts: &[(&Tensor, &[u32])], rows: usize) -> Result<Tensor> {
        const OPERATION: &str = "put_rows";
        let Some((first, _)) = parts.first() else {
            return Err(Error::shape(OPERATION, "there are no rows"));
        };
        let (width, dtype) = (first.width(), first.dtype());
        for (x, places) in parts {
            check_ids(OPERATION, places, rows)?;
            if x.width() != width || x.dtype() != dtype || x.rows() != places.len() {
                let (shape, count) = (x.shape(), places.len());
                let reason = format!(
                    "rows of shape {shape} in {:?} for {count} places, others have width {width} in {dtype:?}",
                    x.dtype()
                );
                return Err(Error::shape(OPERATION, reason));
            }
        }
        let inputs: Vec<&Tensor> = parts.iter().map(|(x, _)| *x).collect();
        let kernels = self.kernels_for(OPERATION, &inputs, &[])?;
        let mut y = kernels.empty(dtype, rows * width);
        for (index, (x, places)) in parts.iter().enumerate() {
            kernels.rows_backward(
                places,
                x.storage(),
                width,
                Slot { storage: &mut y, accumulate: index > 0 },
            );
        }
        let saved: Vec<(Tensor, Vec<u32>)> =
            parts.iter().map(|(x, places)| ((*x).clone(), places.to_vec())).collect();
        self.record(OPERATION, &inputs, &[], [rows, width].into(), y, move |dy, gradients| {
            let kernels = gradients.kernels();
            for (x, places) in saved.iter().filter(|(x, _)| x.is_tracked()) {
                gradients.share(x, &kernels.rows(dy, places, width));
            }
            Ok(())
        })
    }
}
