//! Attention on the processor: blocks of queries and keys whose scores fit the cache.

mod backward;
mod bias;
mod cached;
mod dropout;
mod forward;

pub use backward::{Saved, Slopes, backward};
use bias::BlockBias;
pub use bias::HeadBias;
pub use cached::{attend, attend_to_kept, cache_rows};
pub use forward::forward;

use std::cell::RefCell;
use std::ops::Range;

use crate::Precision;
use crate::calls::{AttentionCall, CachedCall, Dropout, HeadLayout, Visible};
use crate::device::cpu::product::{LeftRoom, Matrix, PANEL, PackedRight, TILE_ROWS};
use crate::device::{Line, Plain, Storage};
use crate::element::Element;

/// Queries whose scores exist at one time: a panel of the kernel.
const QUERY_BLOCK: usize = PANEL;

/// Keys whose scores exist at one time: with [`QUERY_BLOCK`] a block of 64 KiB, half a level-2 cache with its gradient.
/// For Miri short, so that small tests have several blocks.
const KEY_BLOCK: usize = if cfg!(miri) { PANEL } else { 256 };

/// How the rows of a layer are laid out, and what its products are made in.
#[derive(Clone, Copy)]
pub struct Layout<'a> {
    pub precision: Precision,
    pub heads: HeadLayout,
    /// Queries of one sequence.
    pub queries: usize,
    /// Keys of one sequence.
    pub keys: usize,
    /// The keys that each query sees.
    pub ranges: &'a [[u32; 2]],
    /// What scores are multiplied by.
    pub scale: f32,
    pub dropout: Option<Dropout>,
    /// What is added to scaled scores, times `log2 e`.
    pub bias: Option<&'a HeadBias>,
}

impl CachedCall {
    /// The bias as the kernels here read it.
    pub(crate) fn head_bias(&self, table: Option<&Storage>) -> Option<HeadBias> {
        let (call, table) = self.bias.zip(table)?;
        Some(HeadBias::new(call, table, 1.0))
    }
}

impl AttentionCall {
    /// The bias as the kernels here read it, for exponents of 2.
    pub(crate) fn head_bias(&self, table: Option<&Storage>) -> Option<HeadBias> {
        let (call, table) = self.bias.zip(table)?;
        Some(HeadBias::new(call, table, std::f32::consts::LOG2_E))
    }

    pub(crate) fn layout<'a>(&'a self, bias: Option<&'a HeadBias>) -> Layout<'a> {
        let Visible::Ranges(ranges) = self.mask.visible();
        Layout {
            precision: self.precision,
            heads: self.heads,
            queries: self.mask.length(),
            keys: self.mask.keys(),
            ranges,
            scale: self.scale,
            dropout: self.dropout,
            bias,
        }
    }
}

impl Layout<'_> {
    fn sequences(&self) -> usize {
        self.ranges.len() / self.queries
    }

    fn is_empty(&self) -> bool {
        self.ranges.is_empty() || self.keys == 0
    }

    /// `scale` for exponents of 2 in place of e.
    fn binary_scale(&self) -> f32 {
        self.scale * std::f32::consts::LOG2_E
    }
}

/// Where queries, keys and values lie: in the same rows or in rows of their own.
#[derive(Clone, Copy)]
pub struct Operands<'a, T> {
    queries: &'a [T],
    query_stride: usize,
    memory: Memory<'a, T>,
}

impl<'a, T: Element> Operands<'a, T> {
    /// Rows of queries and others of `[keys | values]`; without those, rows of `[queries | keys | values]`.
    pub fn new(queries: &'a [T], memory: Option<&'a [T]>, heads: HeadLayout) -> Self {
        match memory {
            Some(memory) => Self::separate(queries, memory, heads),
            None => Self::packed(queries, heads),
        }
    }

    fn packed(qkv: &'a [T], heads: HeadLayout) -> Self {
        let memory = Memory::new(qkv.get(heads.query_width()..).unwrap_or_default(), heads, heads.width());
        Self { queries: qkv, query_stride: heads.width(), memory }
    }

    fn separate(queries: &'a [T], memory: &'a [T], heads: HeadLayout) -> Self {
        let memory = Memory::new(memory, heads, heads.memory_width());
        Self { queries, query_stride: heads.query_width(), memory }
    }

    /// One head of some rows.
    fn query_rows(&self, head: usize, dim: usize, rows: Range<usize>) -> Matrix<'a, T> {
        let start = rows.start * self.query_stride + head * dim;
        Matrix::strided(&self.queries[start..], rows.len(), dim, self.query_stride)
    }
}

/// Where the keys and values of one sequence lie.
#[derive(Clone, Copy)]
struct Memory<'a, T> {
    keys: &'a [T],
    values: &'a [T],
    stride: usize,
}

impl<'a, T: Element> Memory<'a, T> {
    fn new(rows: &'a [T], heads: HeadLayout, stride: usize) -> Self {
        Self { keys: rows, values: rows.get(heads.key_width()..).unwrap_or_default(), stride }
    }

    /// The same from a later row on.
    fn after_rows(&self, row: usize) -> Self {
        let start = row * self.stride;
        Self { keys: &self.keys[start..], values: &self.values[start..], stride: self.stride }
    }

    fn key_rows(&self, head: usize, dim: usize, rows: Range<usize>) -> Matrix<'a, T> {
        self.rows(self.keys, head, dim, rows)
    }

    fn value_rows(&self, head: usize, dim: usize, rows: Range<usize>) -> Matrix<'a, T> {
        self.rows(self.values, head, dim, rows)
    }

    /// No rows may begin behind the last one.
    fn rows(&self, all: &'a [T], head: usize, dim: usize, rows: Range<usize>) -> Matrix<'a, T> {
        let start = rows.start * self.stride + head * dim;
        Matrix::strided(all.get(start..).unwrap_or_default(), rows.len(), dim, self.stride)
    }
}

/// The keys that any of these queries sees.
fn union(ranges: &[[u32; 2]]) -> Range<usize> {
    let first = ranges.iter().map(|range| range[0]).min().unwrap_or(0) as usize;
    let end = ranges.iter().map(|range| range[1]).max().unwrap_or(0) as usize;
    first..end.max(first)
}

/// Those keys, and before them what makes them begin where a panel does.
fn packed_rows(ranges: &[[u32; 2]]) -> Range<usize> {
    let seen = union(ranges);
    seen.start / PANEL * PANEL..seen.end
}

/// The same in blocks.
fn key_blocks(ranges: &[[u32; 2]]) -> impl Iterator<Item = Range<usize>> + use<> {
    let all = packed_rows(ranges);
    all.clone().step_by(KEY_BLOCK).map(move |start| start..(start + KEY_BLOCK).min(all.end))
}

/// The part of a block of keys that one query sees, as indices into the block.
#[inline(always)]
fn seen(range: [u32; 2], block: &Range<usize>) -> (usize, usize) {
    let start = (range[0] as usize).clamp(block.start, block.end) - block.start;
    let end = (range[1] as usize).clamp(block.start, block.end) - block.start;
    (start, end.max(start))
}

/// For each tile of queries the keys of a block that any of them sees.
fn keys_of_queries(spans: &mut Vec<Range<usize>>, ranges: &[[u32; 2]], block: &Range<usize>) {
    spans.clear();
    spans.extend(ranges.chunks(TILE_ROWS).map(|tile| {
        let seen = union(tile);
        let [start, end] = [seen.start, seen.end].map(|key| key.clamp(block.start, block.end) - block.start);
        start..end.max(start)
    }));
}

/// The packed operands of one thread, used again from task to task.
#[derive(Default)]
struct Packed {
    keys: PackedRight,
    values: PackedRight,
    queries: PackedRight,
    query_rows: PackedRight,
    outputs: PackedRight,
    output_rows: PackedRight,
    left: LeftRoom,
    floats: Vec<f32>,
    blocks: Blocks,
    factors: Vec<f32>,
    bias: Vec<f32>,
    keys_of_queries: Vec<Range<usize>>,
    queries_of_keys: Vec<Range<usize>>,
}

/// Blocks of scores and of what follows from them; what they hold is left over from earlier use.
#[derive(Default)]
struct Blocks {
    scores: Vec<f32>,
    weights: Vec<Line>,
    gradients: Vec<Line>,
}

impl Blocks {
    const LENGTH: usize = QUERY_BLOCK * KEY_BLOCK;

    /// Scores and weights, for forward.
    fn scores<T: Plain>(&mut self) -> (&mut [f32], &mut [T]) {
        self.scores.resize(Self::LENGTH, 0.0);
        (&mut self.scores, Self::view(&mut self.weights))
    }

    /// Scores, weights and the gradients of scores, for backward.
    fn gradients<T: Plain>(&mut self) -> (&mut [f32], &mut [T], &mut [T]) {
        self.scores.resize(Self::LENGTH, 0.0);
        (&mut self.scores, Self::view(&mut self.weights), Self::view(&mut self.gradients))
    }

    fn view<T: Plain>(lines: &mut Vec<Line>) -> &mut [T] {
        lines.resize(Line::count::<T>(Self::LENGTH).max(lines.len()), Line::ZERO);
        &mut Line::view_mut(lines)[..Self::LENGTH]
    }
}

thread_local! {
    static PACKED: RefCell<Packed> = RefCell::default();
}
