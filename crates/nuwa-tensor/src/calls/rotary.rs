use std::sync::Arc;

use super::HeadLayout;

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

    /// The same with cosines and sines multiplied by `factor`, and so scores by its square.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        let times = |values: &[f32]| values.iter().map(|value| value * factor as f32).collect();
        Self { half: self.half, cosines: times(&self.cosines), sines: times(&self.sines) }
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
