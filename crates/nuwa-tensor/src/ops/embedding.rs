//! `y_i = E[id_i]`: a row of the table for each id.
//!
//! `E` is `[vocabulary, width]`, `y` is `[ids, width]`. Backward adds each row of `dy` to the row of `dE` it came from.

use crate::{Error, Parameter, Result, Tape, Tensor};

impl Tape {
    /// Rows of `table` by id; see [the module](self).
    ///
    /// # Errors
    /// When an id is not a row of the table.
    pub fn embedding(&self, ids: &[u32], table: &Parameter) -> Result<Tensor> {
        check_ids("embedding", ids, table.rows())?;
        let y = self.kernels_for("embedding", &[], &[table])?.embedding(ids, table);
        let (ids_saved, table_saved, shape) =
            (ids.to_vec(), table.clone(), [ids.len(), table.width()].into());
        self.record("embedding", &[], &[table], shape, y, move |dy, gradients| {
            gradients.kernels().embedding_backward(&ids_saved, dy, &table_saved);
            Ok(())
        })
    }
}

/// An error naming the first id that is not below `limit`.
pub(crate) fn check_ids(operation: &'static str, ids: &[u32], limit: usize) -> Result<()> {
    match ids.iter().find(|&&id| id as usize >= limit) {
        Some(&id) => Err(Error::Index { operation, index: id as usize, limit }),
        None => Ok(()),
    }
}
