//! Attention of new rows over what is cached: decoding, of several sequences at a time.
//!
//! As [the module above](super), causally or within a sliding window, without a backward pass. Each row says by its place
//! which sequence it belongs to and at which position it stands; its sums run over its own keys in one order, so its result
//! has the same bits whichever other rows are computed with it, and however many.

use super::AttentionOptions;
use crate::calls::{CachedCall, CachedRows, HeadLayout};
use crate::ops::linear::with_width;
use crate::{Device, Error, Result, Tape, Tensor};

impl Tape {
    /// Attention of new rows over the cached positions of their sequences and themselves, causally, each over at most
    /// `window` keys, without dropout; their keys and values join the caches. The rows of `sequences` stand one after the other in `qkv`.
    ///
    /// # Errors
    /// When the width of `qkv` is not that of `heads`, its rows are not those of `sequences`, a cache has no room, a bias lacks
    /// a distance, or `qkv` needs a gradient; the caches are then as before.
    pub fn cached_attention(
        &self,
        qkv: &Tensor,
        heads: HeadLayout,
        sequences: &mut [CachedRows<'_>],
        window: Option<usize>,
        options: AttentionOptions<'_>,
    ) -> Result<Tensor> {
        heads.check("cached_attention", qkv)?;
        options.check("cached_attention")?;
        let table = options.bias.map(|bias| bias.table());
        let inputs: Vec<&Tensor> = [qkv].into_iter().chain(table).collect();
        let kernels = self.kernels_for("cached_attention", &inputs, &[])?;
        check_rows(self.device(), qkv, heads, sequences)?;
        let shape = with_width(qkv.shape(), heads.query_width());
        let positions = sequences.iter().map(|new| new.cache.length() + new.rows).max().unwrap_or(0);
        let farthest = positions.min(window.unwrap_or(positions)).saturating_sub(1);
        let bias = options.bias.map(|bias| bias.check("cached_attention", heads, [farthest, 0], positions));
        let bias = bias.transpose()?;
        let call = CachedCall { heads, window, scale: options.scale(heads), bias };
        let y = kernels.cached_attention(call, qkv.storage(), table.map(Tensor::storage), sequences);
        self.untracked("cached_attention", &inputs, shape, y)
    }
}

fn check_rows(device: Device, qkv: &Tensor, heads: HeadLayout, sequences: &[CachedRows<'_>]) -> Result<()> {
    let (rows, expected) = (qkv.rows(), sequences.iter().map(|new| new.rows).sum::<usize>());
    if rows != expected {
        let reason = format!("{rows} rows, but the sequences have {expected} new ones");
        return Err(Error::shape("cached_attention", reason));
    }
    if let Some(wrong) = sequences.iter().find(|new| new.cache.width() != heads.key_width()) {
        let reason = format!("a cache of width {} does not fit {heads:?}", wrong.cache.width());
        return Err(Error::shape("cached_attention", reason));
    }
    sequences.iter().try_for_each(|new| new.cache.check(device.name(), new.rows))
}
