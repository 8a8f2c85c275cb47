//! Attention of new rows over what is cached: decoding, of several sequences at a time.
//!
//! As [the module above](super), causally or within a sliding window, without a backward pass. Each row says by its place
//! which sequence it belongs to and at which position it stands; its sums run over its own keys in one order, so its result
//! has the same bits whichever other rows are computed with it, and however many.
//!
//! Keys lie in blocks of [`LANES`] positions, `[block][feature][position]`, so that a query meets a vector of keys at a time
//! and no sum goes across a vector; values lie as rows, `[position][feature]`.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::{AttentionOptions, HeadLayout};
use crate::element::{Bf16, Element, Kind};
use crate::ops::linear::with_width;
use crate::ops::product::Output;
use crate::simd::{LANES, MultiplyAdd, exp, maximum, sum, vectorised};
use crate::{Error, Result, Tape, Tensor};

/// Rows of one sequence that a thread takes at a time.
const ROWS_OF_TASK: usize = 32;

/// Queries that share what is read of keys and values.
const TILE: usize = 4;

/// The keys and values of the positions seen so far, for one layer and one sequence. Memory grows with what it holds.
#[derive(Debug, Clone)]
pub struct KeyValueCache {
    memory: Memory,
    width: usize,
    length: usize,
    capacity: usize,
}

/// New rows of one sequence, and what is cached of it.
#[derive(Debug)]
pub struct CachedRows<'a> {
    /// The keys and values of the rows before, which those of the new ones join.
    pub cache: &'a mut KeyValueCache,
    /// How many rows are new.
    pub rows: usize,
}

#[derive(Debug, Clone)]
enum Memory {
    F32(Blocks<f32>),
    Bf16(Blocks<Bf16>),
}

/// Runs `$body` with `$name` bound to the blocks of whichever kind `$memory` holds.
macro_rules! with_blocks {
    ($memory:expr, $name:ident => $body:expr) => {
        match $memory {
            Memory::F32($name) => $body,
            Memory::Bf16($name) => $body,
        }
    };
}

impl KeyValueCache {
    /// Room for `capacity` positions, kept in numbers of this kind.
    pub fn new(heads: HeadLayout, capacity: usize, kind: Kind) -> Self {
        let memory = match kind {
            Kind::F32 => Memory::F32(Blocks::default()),
            Kind::Bf16 => Memory::Bf16(Blocks::default()),
        };
        Self { memory, width: heads.key_width(), length: 0, capacity }
    }

    /// The number of positions it holds.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The number of positions it may hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets all positions from `length` on.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// A copy of the first `length` positions, or of all where there are fewer.
    #[must_use]
    pub fn prefix(&self, length: usize) -> Self {
        let length = self.length.min(length);
        let memory = match &self.memory {
            Memory::F32(blocks) => Memory::F32(blocks.prefix(length, self.width)),
            Memory::Bf16(blocks) => Memory::Bf16(blocks.prefix(length, self.width)),
        };
        Self { memory, length, ..*self }
    }

    /// The bytes that it takes.
    pub fn bytes(&self) -> usize {
        with_blocks!(&self.memory, blocks => blocks.bytes())
    }

    fn check_room(&self, rows: usize) -> Result<()> {
        let (needed, capacity) = (self.length + rows, self.capacity);
        if needed > capacity { Err(Error::CacheFull { needed, capacity }) } else { Ok(()) }
    }

    /// Adds the keys and values of packed rows.
    fn append<T: Element>(&mut self, qkv: &[T], heads: HeadLayout) {
        let rows = qkv.len() / heads.width();
        with_blocks!(&mut self.memory, blocks => {
            blocks.grow(self.length + rows, self.width);
            for (row, position) in qkv.chunks_exact(heads.width()).zip(self.length..) {
                let (key, value) = row[heads.query_width()..].split_at(self.width);
                blocks.set(position, key, value);
            }
        });
        self.length += rows;
    }
}

/// Keys and values of one kind.
#[derive(Debug, Clone, Default)]
struct Blocks<T> {
    keys: Vec<T>,
    values: Vec<T>,
}

impl<T: Element> Blocks<T> {
    /// Makes room for this many positions.
    fn grow(&mut self, positions: usize, width: usize) {
        let length = positions.next_multiple_of(LANES) * width;
        if self.keys.len() < length {
            self.keys.resize(length, T::default());
            self.values.resize(length, T::default());
        }
    }

    fn set<S: Element>(&mut self, position: usize, key: &[S], value: &[S]) {
        let width = key.len();
        let block = &mut self.keys[position / LANES * LANES * width..][..LANES * width];
        for (lanes, key) in block.chunks_exact_mut(LANES).zip(key) {
            lanes[position % LANES] = T::narrow(key.widen());
        }
        for (place, value) in self.values[position * width..].iter_mut().zip(value) {
            *place = T::narrow(value.widen());
        }
    }

    fn prefix(&self, length: usize, width: usize) -> Self {
        let length = length.next_multiple_of(LANES) * width;
        Self { keys: self.keys[..length].to_vec(), values: self.values[..length].to_vec() }
    }

    fn bytes(&self) -> usize {
        (self.keys.capacity() + self.values.capacity()) * size_of::<T>()
    }
}

impl Tape {
    /// Attention of new rows over the cached positions of their sequences and themselves, causally, each over at most
    /// `window` keys, without dropout; their keys and values join the caches. The rows of `sequences` stand one after the other in `qkv`.
    ///
    /// # Errors
    /// When the width of `qkv` is not that of `heads`, its rows are not those of `sequences`, a cache has no room, or `qkv`
    /// needs a gradient; the caches are then as before.
    pub fn cached_attention(
        &self,
        qkv: &Tensor,
        heads: HeadLayout,
        sequences: &mut [CachedRows<'_>],
        window: Option<usize>,
        options: AttentionOptions,
    ) -> Result<Tensor> {
        heads.check("cached_attention", qkv)?;
        options.check("cached_attention")?;
        check_rows(qkv, heads, sequences)?;
        let shape = with_width(qkv.shape(), heads.query_width());
        let kernels = self.kernels_for("cached_attention", &[qkv], &[])?;
        let call = CachedCall { heads, window, scale: options.scale(heads) };
        let y = kernels.cached_attention(call, qkv.storage(), sequences);
        self.untracked("cached_attention", &[qkv], shape, y)
    }
}

fn check_rows(qkv: &Tensor, heads: HeadLayout, sequences: &[CachedRows<'_>]) -> Result<()> {
    let (rows, expected) = (qkv.rows(), sequences.iter().map(|new| new.rows).sum::<usize>());
    if rows != expected {
        let reason = format!("{rows} rows, but the sequences have {expected} new ones");
        return Err(Error::shape("cached_attention", reason));
    }
    if let Some(wrong) = sequences.iter().find(|new| new.cache.width != heads.key_width()) {
        let reason = format!("a cache of width {} does not fit {heads:?}", wrong.cache.width);
        return Err(Error::shape("cached_attention", reason));
    }
    sequences.iter().try_for_each(|new| new.cache.check_room(new.rows))
}

/// What holds for all rows.
#[derive(Clone, Copy)]
pub(crate) struct CachedCall {
    pub heads: HeadLayout,
    /// The most keys that a row sees.
    pub window: Option<usize>,
    /// What scores are multiplied by.
    pub scale: f32,
}

/// Attention of new rows on the processor.
pub(crate) fn attend<T: Element>(
    call: CachedCall,
    qkv: &[T],
    sequences: &mut [CachedRows<'_>],
    y: &mut [f32],
) {
    let heads = call.heads;
    let (mut tasks, mut first) = (Vec::new(), 0);
    for CachedRows { cache, rows } in sequences {
        let (all, past) = (first..first + *rows, cache.length);
        cache.append(&qkv[all.start * heads.width()..all.end * heads.width()], heads);
        for start in all.clone().step_by(ROWS_OF_TASK) {
            let rows = start..(start + ROWS_OF_TASK).min(all.end);
            let position = past + start - all.start;
            tasks.push(Task { cache, call, rows, position });
        }
        first = all.end;
    }
    let y = Output::new(y, heads.query_width());
    (0..tasks.len() * heads.kv_heads).into_par_iter().for_each(|index| {
        let (task, shared) = (&tasks[index / heads.kv_heads], index % heads.kv_heads);
        SCRATCH.with_borrow_mut(|scratch| task.run(qkv, shared, scratch, &y));
    });
}

/// Some rows of one sequence.
struct Task<'a> {
    cache: &'a KeyValueCache,
    call: CachedCall,
    /// Where they stand in the packed rows.
    rows: Range<usize>,
    /// The position of the first one.
    position: usize,
}

/// What a tile of queries works with, used again from one to the next.
#[derive(Default)]
struct Scratch {
    /// `[feature][query]`.
    queries: Vec<f32>,
    scores: Vec<f32>,
    sums: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Task<'_> {
    /// All queries that share one key-value head: tiles of them, and the rest one by one.
    fn run<T: Element>(&self, qkv: &[T], shared: usize, scratch: &mut Scratch, y: &Output<'_, f32>) {
        let queries = self.rows.len() * self.call.heads.group();
        let mut first = 0;
        while first < queries {
            if first + TILE <= queries {
                self.tile::<T, TILE>(qkv, shared, first, scratch, y);
                first += TILE;
            } else {
                self.tile::<T, 1>(qkv, shared, first, scratch, y);
                first += 1;
            }
        }
    }

    /// The row and the head of a query: the heads of a group one after the other, then the next row.
    fn place(&self, shared: usize, query: usize) -> (usize, usize) {
        let group = self.call.heads.group();
        (query / group, shared * group + query % group)
    }

    /// The keys that a row sees.
    fn seen(&self, row: usize) -> Range<usize> {
        let end = self.position + row + 1;
        self.call.window.map_or(0, |window| end.saturating_sub(window))..end
    }

    fn tile<T: Element, const R: usize>(
        &self,
        qkv: &[T],
        shared: usize,
        first: usize,
        scratch: &mut Scratch,
        y: &Output<'_, f32>,
    ) {
        let CachedCall { heads, scale, .. } = self.call;
        let dim = heads.head_dim;
        let places: [(usize, usize); R] = std::array::from_fn(|query| self.place(shared, first + query));
        let seen = places.map(|(row, _)| self.seen(row));
        scratch.queries.resize(R * dim, 0.0);
        for (query, (row, head)) in places.into_iter().enumerate() {
            let values = &qkv[(self.rows.start + row) * heads.width() + head * dim..][..dim];
            for (place, value) in scratch.queries[query..].iter_mut().step_by(R).zip(values) {
                *place = value.widen() * scale;
            }
        }
        let Scratch { queries, scores, sums } = scratch;
        let totals = with_blocks!(&self.cache.memory, blocks => {
            let memory = Head { blocks, width: self.cache.width, offset: shared * dim, dim };
            attend_tile::<_, R>(queries, memory, &seen, scores, sums)
        });
        for (((row, head), total), sums) in places.into_iter().zip(totals).zip(sums.chunks_exact(dim)) {
            // SAFETY: this task alone has these rows of these heads.
            let y = unsafe { y.part(self.rows.start + row, head * dim, dim) };
            let inverse = if total > 0.0 { 1.0 / total } else { 0.0 };
            y.iter_mut().zip(sums).for_each(|(y, sum)| *y = sum * inverse);
        }
    }
}

/// The keys and values of one head.
#[derive(Clone, Copy)]
struct Head<'a, T> {
    blocks: &'a Blocks<T>,
    width: usize,
    offset: usize,
    dim: usize,
}

impl<T: Element> Head<'_, T> {
    /// The keys of a block, `[feature][position]`.
    #[inline(always)]
    fn keys(&self, block: usize) -> &[[T; LANES]] {
        let first = (block * self.width + self.offset) * LANES;
        self.blocks.keys[first..][..self.dim * LANES].as_chunks().0
    }

    /// The value of a position.
    #[inline(always)]
    fn value(&self, position: usize) -> &[T] {
        &self.blocks.values[position * self.width + self.offset..][..self.dim]
    }
}

vectorised! {
    /// The weighted sums of the values that `R` queries see, `[R][dim]` in `sums`, and what their weights add up to.
    fn attend_tile with m [T: Element, const R: usize](
        queries: &[f32],
        head: Head<'_, T>,
        seen: &[Range<usize>; R],
        scores: &mut Vec<f32>,
        sums: &mut Vec<f32>,
    ) -> [f32; R] {
        let start = seen.iter().map(|keys| keys.start).min().unwrap_or(0);
        let end = seen.iter().map(|keys| keys.end).max().unwrap_or(0);
        let blocks = start / LANES..end.div_ceil(LANES);
        let (base, stride) = (blocks.start * LANES, blocks.len() * LANES);
        scores.resize(scores.len().max(R * stride), 0.0);
        for (index, block) in blocks.enumerate() {
            let block = block_scores::<T, R>(m, queries.as_chunks().0, head.keys(block));
            for (row, block) in block.iter().enumerate() {
                scores[row * stride + index * LANES..][..LANES].copy_from_slice(block);
            }
        }
        let mut totals = [0.0; R];
        for (row, total) in totals.iter_mut().enumerate() {
            let own = seen[row].start - base..seen[row].end - base;
            *total = softmax(m, &mut scores[row * stride..][..stride], own);
        }
        sums.clear();
        sums.resize(R * head.dim, 0.0);
        let weights: [&[f32]; R] =
            std::array::from_fn(|row| &scores[row * stride + start - base..][..end - start]);
        weighted_values::<T, R>(m, weights, start, head, sums);
        totals
    }
}

/// `queries . keys` for a block of keys.
#[inline(always)]
fn block_scores<T: Element, const R: usize>(
    m: impl MultiplyAdd,
    queries: &[[f32; R]],
    keys: &[[T; LANES]],
) -> [[f32; LANES]; R] {
    let mut scores = [[0.0; LANES]; R];
    for (queries, keys) in queries.iter().zip(keys) {
        let keys = keys.map(T::widen);
        for (scores, query) in scores.iter_mut().zip(queries) {
            add_scaled(m, *query, &keys, scores);
        }
    }
    scores
}

/// Whole arrays, which stay in registers.
#[inline(always)]
fn add_scaled<const W: usize>(m: impl MultiplyAdd, factor: f32, values: &[f32; W], sums: &mut [f32; W]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = m.multiply_add(factor, *value, *sum);
    }
}

/// Turns the scores of the keys `own` into weights in proportion, all others into 0, and gives the sum of the weights.
#[inline(always)]
fn softmax(m: impl MultiplyAdd, scores: &mut [f32], own: Range<usize>) -> f32 {
    let (before, rest) = scores.split_at_mut(own.start);
    let (scores, after) = rest.split_at_mut(own.len());
    before.fill(0.0);
    after.fill(0.0);
    let largest = maximum(scores);
    for score in scores.iter_mut() {
        *score = exp(m, *score - largest);
    }
    sum(scores, |weight| weight)
}

/// Adds to `sums` the values from position `first` on, each times its weights. A weight of 0 changes no bit.
#[inline(always)]
fn weighted_values<T: Element, const R: usize>(
    m: impl MultiplyAdd,
    weights: [&[f32]; R],
    first: usize,
    head: Head<'_, T>,
    sums: &mut [f32],
) {
    // As many features at a time as sums fit the registers, and enough that they need not wait for each other.
    const WIDE: usize = 2 * LANES;
    let mut feature = 0;
    while R == 1 && feature + WIDE <= head.dim {
        weighted_features::<T, R, WIDE>(m, weights, first, head, feature, sums);
        feature += WIDE;
    }
    while feature + LANES <= head.dim {
        weighted_features::<T, R, LANES>(m, weights, first, head, feature, sums);
        feature += LANES;
    }
    for feature in feature..head.dim {
        weighted_features::<T, R, 1>(m, weights, first, head, feature, sums);
    }
}

#[inline(always)]
fn weighted_features<T: Element, const R: usize, const W: usize>(
    m: impl MultiplyAdd,
    weights: [&[f32]; R],
    first: usize,
    head: Head<'_, T>,
    feature: usize,
    sums: &mut [f32],
) {
    let mut own = [[0.0; W]; R];
    let count = weights[0].len();
    let weights = weights.map(|weights| &weights[..count]);
    for index in 0..count {
        let value: &[T; W] =
            head.value(first + index)[feature..].first_chunk().expect("a head has all its features");
        let value = value.map(T::widen);
        for (own, weights) in own.iter_mut().zip(&weights) {
            add_scaled(m, weights[index], &value, own);
        }
    }
    for (sums, own) in sums.chunks_exact_mut(head.dim).zip(own) {
        sums[feature..][..W].copy_from_slice(&own);
    }
}
