//! Rotary position embedding: turns pairs of features by angles that grow with the position.
//!
//! Su et al., "RoFormer" (2021), in the "rotate half" layout of Hugging Face: feature `i` of a head is paired with
//! feature `i + head_dim / 2`, and the pair at position `p` is turned by `p * frequency_i`:
//! `y_i = x_i cos - x_(i+h) sin`, `y_(i+h) = x_(i+h) cos + x_i sin`. Applied to packed rows
//! `[queries | keys | values]`; values pass through. Backward turns by the opposite angle. Where there are fewer frequencies than
//! pairs, the first features of each head are turned alone, among themselves, and the others pass through (Black et al. 2022).

pub use crate::calls::RotaryTable;
use crate::calls::{HeadLayout, RotaryCall};
use crate::{Error, Result, Tape, Tensor};

impl Tape {
    /// Turns queries and keys of packed rows by their positions; see [the module](self).
    ///
    /// # Errors
    /// When the width of `qkv` is not that of `heads`, the number of positions is not that of its rows, there are more frequencies
    /// than pairs of features, or a position lies beyond the table.
    pub fn rotary(
        &self,
        qkv: &Tensor,
        heads: HeadLayout,
        positions: &[u32],
        table: &RotaryTable,
    ) -> Result<Tensor> {
        heads.check("rotary", qkv)?;
        if positions.len() != qkv.rows() || heads.head_dim < 2 * table.half {
            let reason = format!(
                "{} rows with heads of {} got {} positions and {} frequencies",
                qkv.rows(),
                heads.head_dim,
                positions.len(),
                table.half
            );
            return Err(Error::shape("rotary", reason));
        }
        super::embedding::check_ids("rotary", positions, table.positions())?;
        let kernels = self.kernels_for("rotary", &[qkv], &[])?;
        let y = kernels.rotary(&RotaryCall { heads, positions, table }, qkv.storage());
        let (saved, positions, table) = (qkv.clone(), positions.to_vec(), table.clone());
        self.record("rotary", &[qkv], &[], qkv.shape().clone(), y, move |dy, gradients| {
            let kernels = gradients.kernels();
            if let Some(dx) = gradients.slot(&saved) {
                let call = RotaryCall { heads, positions: &positions, table: &table };
                kernels.rotary_backward(&call, dy, dx);
            }
            Ok(())
        })
    }
}
