//! Attention of new rows over what is cached: decoding, of several sequences at a time.
//!
//! As [the module above](super), causally or within a sliding window, without a backward pass. Each row says by its place
//! which sequence it belongs to and at which position it stands; its sums run over its own keys in one order, so its result
//! has the same bits whichever other rows are computed with it, and however many.

use super::AttentionOptions;
use crate::calls::{CachedCall, CachedRows, HeadLayout, KeptRows, KeyValueCache};
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

impl Tape {
    /// Adds rows `[keys | values]` of a memory, `[rows, 2 kv_heads head_dim]`, to what is kept of it, for
    /// [`Tape::attention_over_kept`].
    ///
    /// # Errors
    /// When widths are not those of `heads`, the cache has no room, or `memory` needs a gradient; the cache is then as before.
    pub fn keep_memory(&self, memory: &Tensor, heads: HeadLayout, cache: &mut KeyValueCache) -> Result<()> {
        let operation = "keep_memory";
        heads.check_width(operation, memory, heads.memory_width())?;
        check_cache(operation, cache, heads)?;
        let kernels = self.kernels_for(operation, &[memory], &[])?;
        if self.tracks(&[memory], &[]) {
            return Err(Error::NoBackward { operation });
        }
        cache.check(self.device().name(), memory.rows())?;
        kernels.cache_rows(heads, memory.storage(), cache);
        self.count(operation);
        Ok(())
    }

    /// Attention of rows of queries over all that is kept for their sequences, without dropout: what a decoder reads of its
    /// source while it writes. The rows of `sequences` stand one after the other in `queries`, `[rows, heads head_dim]`; the
    /// result has their shape. As [`Tape::cross_attention`] whose mask shows everything.
    ///
    /// # Errors
    /// When widths are not those of `heads`, the rows are not those of `sequences`, nothing is kept for one of them, there is a
    /// bias, or `queries` needs a gradient.
    pub fn attention_over_kept(
        &self,
        queries: &Tensor,
        heads: HeadLayout,
        sequences: &[KeptRows<'_>],
        options: AttentionOptions<'_>,
    ) -> Result<Tensor> {
        let operation = "attention_over_kept";
        options.check(operation)?;
        if options.bias.is_some() {
            let reason = "a bias is for attention within one sequence".into();
            return Err(Error::Option { operation, reason });
        }
        heads.check_width(operation, queries, heads.query_width())?;
        check_count(operation, queries.rows(), sequences.iter().map(|one| one.rows).sum())?;
        for one in sequences {
            check_cache(operation, one.memory, heads)?;
            one.memory.check(self.device().name(), 0)?;
        }
        if sequences.iter().any(|one| one.memory.length() == 0) {
            return Err(Error::shape(operation, "nothing is kept of a source"));
        }
        let kernels = self.kernels_for(operation, &[queries], &[])?;
        let call = CachedCall { heads, window: None, scale: options.scale(heads), bias: None };
        let y = kernels.attention_over_kept(call, queries.storage(), sequences);
        self.untracked(operation, &[queries], queries.shape().clone(), y)
    }
}

fn check_rows(device: Device, qkv: &Tensor, heads: HeadLayout, sequences: &[CachedRows<'_>]) -> Result<()> {
    let operation = "cached_attention";
    check_count(operation, qkv.rows(), sequences.iter().map(|new| new.rows).sum())?;
    sequences.iter().try_for_each(|new| check_cache(operation, new.cache, heads))?;
    sequences.iter().try_for_each(|new| new.cache.check(device.name(), new.rows))
}

fn check_count(operation: &'static str, rows: usize, expected: usize) -> Result<()> {
    if rows == expected {
        return Ok(());
    }
    Err(Error::shape(operation, format!("{rows} rows, but the sequences have {expected} new ones")))
}

fn check_cache(operation: &'static str, cache: &KeyValueCache, heads: HeadLayout) -> Result<()> {
    if cache.width() == heads.key_width() {
        return Ok(());
    }
    Err(Error::shape(operation, format!("a cache of width {} does not fit {heads:?}", cache.width())))
}
