use std::ops::Range;

use super::{AttentionMask, Dropout};
use crate::Precision;

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

    /// The width of a row of memory, `[keys | values]`.
    pub fn memory_width(&self) -> usize {
        2 * self.key_width()
    }

    /// The columns of queries, and those of keys, in a packed row.
    pub(crate) fn query_and_key_columns(&self) -> [Range<usize>; 2] {
        let (queries, keys) = (self.query_width(), self.key_width());
        [0..queries, queries..queries + keys]
    }

    /// Query heads that share one key-value head.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }
}

/// What forward and backward of one layer share besides its operands.
#[derive(Debug, Clone)]
pub(crate) struct AttentionCall {
    pub precision: Precision,
    pub heads: HeadLayout,
    pub mask: AttentionMask,
    pub scale: f32,
    pub dropout: Option<Dropout>,
    pub bias: Option<BiasCall>,
}

/// A bias of scores, whose table `[rows, heads]` is an operand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BiasCall {
    pub rows: usize,
    /// Rows before that of distance 0, of a table by relative distance; none where it has a row for each key.
    pub before: Option<usize>,
    /// Whether its gradient is wanted.
    pub is_tracked: bool,
}

/// What holds for all rows of attention over caches.
#[derive(Clone, Copy)]
pub(crate) struct CachedCall {
    pub heads: HeadLayout,
    /// The most keys that a row sees.
    pub window: Option<usize>,
    /// What scores are multiplied by.
    pub scale: f32,
    pub bias: Option<BiasCall>,
}
