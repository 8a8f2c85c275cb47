//! `y_i = E[id_i]`: a row of the table for each id.
//!
//! `E` is `[vocabulary, width]`, `y` is `[ids, width]`. Backward adds each row of `dy` to the row of `dE` it came from.

mod cpu;

use crate::tensor::with_values;
use crate::{Error, Parameter, Result, Tape, Tensor};

impl Tape {
    /// Rows of `table` by id; see [the module](self).
    ///
    /// # Errors
    /// When an id is not a row of the table.
    pub fn embedding(&self, ids: &[u32], table: &Parameter) -> Result<Tensor> {
        check_ids("embedding", ids, table.rows())?;
        let width = table.width();
        let mut y = self.pool().take::<f32>(ids.len() * width);
        cpu::forward(ids, &table.values(), &mut y, width);

        let (ids_saved, table_saved) = (ids.to_vec(), table.clone());
        self.record("embedding", &[], &[table], [ids.len(), width].into(), y, move |dy, _| {
            with_values!(dy, dy => table_saved.accumulate(|table| cpu::backward(&ids_saved, dy, table, width)));
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
