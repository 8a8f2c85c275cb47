//! Matrices for inference that are kept as blocks of quantised numbers, as a GGUF file holds them.

use std::sync::Arc;

use crate::{BlockType, Bytes, Error, Result};

/// Rows of a matrix for inference, as blocks of quantised numbers: all of a matrix, or some that others follow, as where the
/// projections of queries, of keys and of values are one matrix here and three tensors in the file.
#[derive(Debug, Clone)]
pub struct QuantisedRows {
    /// What the blocks are.
    pub block: BlockType,
    /// How many rows there are.
    pub rows: usize,
    /// The length of a row: a multiple of the length of a block.
    pub width: usize,
    /// The blocks, row after row.
    pub bytes: Bytes,
    /// Which row of `bytes` each row is, where the order is another one: a file may hold the features of each head in the order
    /// of another kind of rotary positions.
    pub order: Option<Arc<[u32]>>,
}

impl QuantisedRows {
    /// The rows of `bytes` in their order.
    pub fn new(block: BlockType, rows: usize, width: usize, bytes: Bytes) -> Self {
        Self { block, rows, width, bytes, order: None }
    }

    /// The same rows in another order: the first one is row `order[0]` of the bytes, and so on.
    #[must_use]
    pub fn ordered(self, order: impl Into<Arc<[u32]>>) -> Self {
        Self { order: Some(order.into()), ..self }
    }

    /// The bytes of a row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.width / self.block.width() * self.block.bytes()
    }

    /// The blocks of a row.
    pub(crate) fn row(&self, row: usize) -> &[u8] {
        let row = self.order.as_ref().map_or(row, |order| order[row] as usize);
        let length = self.row_bytes();
        &self.bytes[row * length..][..length]
    }

    fn check(&self) -> Result<()> {
        let Self { block, rows, width, .. } = self;
        let refuse = |reason: String| Err(Error::shape("set_quantised", reason));
        if !width.is_multiple_of(block.width()) {
            let elements = block.width();
            return refuse(format!("rows of {width} are no whole blocks of {elements} numbers ({block})"));
        }
        let (found, expected) = (self.bytes.len(), rows.checked_mul(self.row_bytes()));
        if Some(found) != expected {
            return refuse(format!("{rows} rows of {width} in {block} are not {found} bytes"));
        }
        match &self.order {
            Some(order) if order.len() != *rows => {
                refuse(format!("{rows} rows have an order of {}", order.len()))
            }
            Some(order) => match order.iter().find(|&&row| row as usize >= *rows) {
                Some(&row) => {
                    Err(Error::Index { operation: "set_quantised", index: row as usize, limit: *rows })
                }
                None => Ok(()),
            },
            None => Ok(()),
        }
    }
}

/// An error unless the parts are the `rows` of a matrix of this width.
pub(crate) fn check_parts(parts: &[QuantisedRows], rows: usize, width: usize) -> Result<()> {
    parts.iter().try_for_each(QuantisedRows::check)?;
    let found: usize = parts.iter().map(|part| part.rows).sum();
    match parts.iter().find(|part| part.width != width) {
        Some(part) => {
            let reason = format!("rows of {} do not fill a matrix of rows of {width}", part.width);
            Err(Error::shape("set_quantised", reason))
        }
        None if found != rows => {
            Err(Error::shape("set_quantised", format!("{found} rows do not fill a matrix of {rows}")))
        }
        None => Ok(()),
    }
}
