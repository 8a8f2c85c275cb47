//! Scaled dot-product attention over packed rows, with grouped heads and any contiguous view of the keys.
//!
//! `y_i = sum over j of softmax_j(q_i . k_j / sqrt(head_dim)) v_j` (Vaswani et al. 2017), for the keys `j` that query `i`
//! sees. Rows are packed `[queries | keys | values]`, `[rows, (heads + 2 kv_heads) head_dim]`; query head `h` uses
//! key-value head `h / (heads / kv_heads)` (Ainslie et al. 2023). The output is `[rows, heads head_dim]`.
//!
//! Each query sees one contiguous range of keys, which is enough for causal, bidirectional, prefix and sliding-window
//! attention, for padding and for document boundaries: see [`Visibility`].
//!
//! Scores exist for one block of queries and keys at a time, with running maxima and sums (Milakov and Gimelshein
//! 2018; Dao et al., "FlashAttention" 2022), so memory is linear in the length. Backward computes them again from
//! the saved logarithm of each row's sum: with `D_i = dy_i . y_i`, `dP = dy v^T`, `dS = P (dP - D)`,
//! `dq = dS k`, `dk = dS^T q`, `dv = P^T dy`.

mod cache;
mod cpu;

pub use cache::{CachedRows, KeyValueCache};

use std::sync::Arc;

use crate::gradients::with_slot;
use crate::ops::linear::with_width;
use crate::tensor::{Stored, Values, with_kind};
use crate::{Error, Precision, Result, Tape, Tensor};

/// How a packed row is cut into heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLayout {
    /// Query heads.
    pub heads: usize,
    /// Key-value heads; divides `heads`.
    pub kv_heads: usize,
    /// Features a head.
    pub head_dim: usize,
}

impl HeadLayout {
    /// The width of a packed row `[queries | keys | values]`.
    pub fn width(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// The width of the queries, and of the output.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// The width of the keys, and of the values.
    pub fn key_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Query heads that share one key-value head.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    pub(crate) fn check(&self, operation: &'static str, qkv: &Tensor) -> Result<()> {
        if self.kv_heads > 0 && self.heads.is_multiple_of(self.kv_heads) && qkv.width() == self.width() {
            return Ok(());
        }
        Err(Error::shape(operation, format!("rows of shape {} do not fit {self:?}", qkv.shape())))
    }
}

/// Which keys each query sees: for query `i` of a sequence the keys `first <= j < end` of the same sequence.
#[derive(Debug, Clone)]
pub struct Visibility {
    sequences: usize,
    length: usize,
    ranges: Arc<[[u32; 2]]>,
}

impl Visibility {
    /// Any ranges: `ranges[s * length + i]` is `[first, end)` for query `i` of sequence `s`.
    ///
    /// # Errors
    /// When there are not `sequences * length` ranges, or one does not lie within its sequence.
    pub fn new(sequences: usize, length: usize, ranges: Vec<[u32; 2]>) -> Result<Self> {
        if ranges.len() != sequences * length {
            let reason = format!("{sequences} sequences of {length} got {} ranges", ranges.len());
            return Err(Error::shape("visibility", reason));
        }
        if let Some([first, end]) = ranges.iter().find(|[first, end]| first > end || *end as usize > length) {
            return Err(Error::shape(
                "visibility",
                format!("range {first}..{end} is not within 0..{length}"),
            ));
        }
        Ok(Self { sequences, length, ranges: ranges.into() })
    }

    /// Each query sees itself and everything before it.
    pub fn causal(sequences: usize, length: usize) -> Self {
        Self::of(sequences, length, |i| [0, i + 1])
    }

    /// Each query sees the whole sequence.
    pub fn full(sequences: usize, length: usize) -> Self {
        Self::of(sequences, length, |_| [0, length as u32])
    }

    fn of(sequences: usize, length: usize, range: impl Fn(u32) -> [u32; 2]) -> Self {
        let one: Vec<[u32; 2]> = (0..length as u32).map(range).collect();
        Self { sequences, length, ranges: one.repeat(sequences).into() }
    }

    /// The same, but each query sees at most `window` keys up to and including its own position.
    #[must_use]
    pub fn within_window(&self, window: usize) -> Self {
        self.narrowed(|i, [first, end]| [first.max((i + 1).saturating_sub(window) as u32), end])
    }

    /// The same, but no query sees keys before the start of its document; `starts[s * length + i]` is the position in
    /// sequence `s` where the document of position `i` begins.
    ///
    /// # Panics
    /// When there is not one start a position.
    #[must_use]
    pub fn within_documents(&self, starts: &[u32]) -> Self {
        assert_eq!(starts.len(), self.ranges.len(), "one document start a position");
        let ranges = self.ranges.iter().zip(starts).map(|(&[first, end], &start)| [first.max(start), end]);
        Self { ranges: ranges.collect(), ..*self }
    }

    fn narrowed(&self, narrow: impl Fn(usize, [u32; 2]) -> [u32; 2]) -> Self {
        let ranges = self.ranges.iter().enumerate().map(|(row, &range)| narrow(row % self.length, range));
        Self { ranges: ranges.collect(), ..*self }
    }

    fn layout(&self, precision: Precision, heads: HeadLayout) -> cpu::Layout<'_> {
        cpu::Layout { precision, heads, length: self.length, ranges: &self.ranges }
    }

    /// How many sequences.
    pub fn sequences(&self) -> usize {
        self.sequences
    }

    /// Positions a sequence.
    pub fn length(&self) -> usize {
        self.length
    }
}

impl Tape {
    /// Attention of packed rows over the keys that `visibility` names; see [the module](self).
    ///
    /// # Errors
    /// When the width of `qkv` is not that of `heads`, or its rows are not those of `visibility`.
    pub fn attention(&self, qkv: &Tensor, heads: HeadLayout, visibility: &Visibility) -> Result<Tensor> {
        heads.check("attention", qkv)?;
        if qkv.rows() != visibility.ranges.len() {
            let reason = format!(
                "{} rows, but {} sequences of {}",
                qkv.rows(),
                visibility.sequences,
                visibility.length
            );
            return Err(Error::shape("attention", reason));
        }
        let shape = with_width(qkv.shape(), heads.query_width());
        let mut log_sums = self.pool().take::<f32>(qkv.rows() * heads.heads);
        let precision = self.precision();
        let y: Values = with_kind!(qkv.kind(), T => {
            let mut y = self.pool().take::<T>(shape.elements());
            let layout = visibility.layout(precision, heads);
            cpu::forward(layout, T::of(qkv.values()), &mut y, &mut log_sums);
            y.into()
        });
        let (saved, output, visibility) = (qkv.clone(), y.clone(), visibility.clone());
        self.record("attention", &[qkv], &[], shape, y, move |dy, gradients| {
            let mut dots = gradients.pool().take::<f32>(log_sums.len());
            with_slot!(gradients, &saved, |dx, accumulate| {
                let forward = cpu::Saved {
                    qkv: Stored::of(saved.values()),
                    output: Stored::of(&output),
                    log_sums: &log_sums,
                };
                let layout = visibility.layout(precision, heads);
                cpu::backward(layout, &forward, Stored::of(dy), &mut dots, dx, accumulate);
            });
            Ok(())
        })
    }
}
