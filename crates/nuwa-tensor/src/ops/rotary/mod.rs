//! Rotary position embedding: turns pairs of features by angles that grow with the position.
//!
//! Su et al., "RoFormer" (2021), in the "rotate half" layout of Hugging Face: feature `i` of a head is paired with
//! feature `i + head_dim / 2`, and the pair at position `p` is turned by `p * frequency_i`:
//! `y_i = x_i cos - x_(i+h) sin`, `y_(i+h) = x_(i+h) cos + x_i sin`. Applied to packed rows
//! `[queries | keys | values]`; values pass through. Backward turns by the opposite angle.

pub(crate) mod cpu;

use std::sync::Arc;

use crate::ops::attention::HeadLayout;
use crate::{Error, Result, Tape, Tensor};

/// Cosines and sines for each position and frequency.
#[derive(Debug, Clone)]
pub struct RotaryTable {
    pub(crate) half: usize,
    pub(crate) cosines: Arc<[f32]>,
    pub(crate) sines: Arc<[f32]>,
}

/// What a device needs to turn rows.
pub(crate) struct RotaryCall<'a> {
    pub heads: HeadLayout,
    pub positions: &'a [u32],
    pub table: &'a RotaryTable,
}

impl RotaryTable {
    /// The table for `positions` positions; `frequencies` (radians a position) has `head_dim / 2` entries.
    pub fn new(frequencies: &[f64], positions: usize) -> Self {
        let angles = || (0..positions).flat_map(|p| frequencies.iter().map(move |f| p as f64 * f));
        Self {
            half: frequencies.len(),
            cosines: angles().map(|angle| angle.cos() as f32).collect(),
            sines: angles().map(|angle| angle.sin() as f32).collect(),
        }
    }

    /// `theta^(-2 i / head_dim)` for `i` in `0..head_dim / 2`.
    pub fn frequencies(theta: f64, head_dim: usize) -> Vec<f64> {
        (0..head_dim / 2).map(|i| theta.powf(-(2.0 * i as f64) / head_dim as f64)).collect()
    }

    /// The number of positions it holds.
    pub fn positions(&self) -> usize {
        self.cosines.len() / self.half.max(1)
    }
}

impl Tape {
    /// Turns queries and keys of packed rows by their positions; see [the module](self).
    ///
    /// # Errors
    /// When the width of `qkv` is not that of `heads`, the number of positions is not that of its rows, or a position
    /// lies beyond the table.
    pub fn rotary(
        &self,
        qkv: &Tensor,
        heads: HeadLayout,
        positions: &[u32],
        table: &RotaryTable,
    ) -> Result<Tensor> {
        heads.check("rotary", qkv)?;
        if positions.len() != qkv.rows() || heads.head_dim != 2 * table.half {
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
