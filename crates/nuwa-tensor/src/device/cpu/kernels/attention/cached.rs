//! Attention of new rows over caches, on the processor.
//!
//! Keys lie in blocks of [`LANES`] positions, `[block][feature][position]`, so that a query meets a vector of keys at a time
//! and no sum goes across a vector; values lie as rows, `[position][feature]`.

use std::cell::RefCell;
use std::ops::Range;

use super::HeadBias;
use crate::calls::{CacheMemory, CachedCall, CachedRows, HeadLayout, KeptRows, KeyValueCache};
use crate::device::cpu::product::Output;
use crate::element::{Bf16, DType, Element};
use crate::parallel::each;
use crate::simd::{LANES, MultiplyAdd, exp, maximum, sum, vectorised};

/// Rows of one sequence that a thread takes at a time.
const ROWS_OF_TASK: usize = 32;

/// Queries that share what is read of keys and values.
const TILE: usize = 4;

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

impl Memory {
    fn new(dtype: DType, width: usize) -> Self {
        match dtype {
            DType::F32 => Self::F32(Blocks::new(width)),
            DType::Bf16 => Self::Bf16(Blocks::new(width)),
        }
    }
}

impl CacheMemory for Memory {
    fn prefix(&self, positions: usize) -> Box<dyn CacheMemory> {
        Box::new(match self {
            Self::F32(blocks) => Self::F32(blocks.prefix(positions)),
            Self::Bf16(blocks) => Self::Bf16(blocks.prefix(positions)),
        })
    }

    fn bytes(&self) -> usize {
        with_blocks!(self, blocks => blocks.bytes())
    }
}

/// Adds the keys and values of rows of `stride`, which stand after `skipped` numbers in each, and gives what is there then.
fn append<'a, T: Element>(
    device: &'static str,
    cache: &'a mut KeyValueCache,
    new: &[T],
    heads: HeadLayout,
    [stride, skipped]: [usize; 2],
) -> &'a Memory {
    let (rows, past, dtype, width) = (new.len() / stride, cache.length(), cache.dtype(), heads.key_width());
    cache.grow(rows);
    let memory = cache.memory(device, || Memory::new(dtype, width));
    with_blocks!(&mut *memory, blocks => {
        blocks.grow(past + rows);
        for (row, position) in new.chunks_exact(stride).zip(past..) {
            let (key, value) = row[skipped..].split_at(width);
            blocks.set(position, key, value);
        }
    });
    memory
}

/// Keys and values of one kind.
#[derive(Debug, Clone)]
struct Blocks<T> {
    keys: Vec<T>,
    values: Vec<T>,
    width: usize,
}

impl<T: Element> Blocks<T> {
    fn new(width: usize) -> Self {
        Self { keys: Vec::new(), values: Vec::new(), width }
    }

    /// Makes room for this many positions.
    fn grow(&mut self, positions: usize) {
        let length = positions.next_multiple_of(LANES) * self.width;
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

    fn prefix(&self, positions: usize) -> Self {
        let length = positions.next_multiple_of(LANES) * self.width;
        let [keys, values] = [&self.keys, &self.values].map(|all| all[..length].to_vec());
        Self { keys, values, width: self.width }
    }

    fn bytes(&self) -> usize {
        (self.keys.capacity() + self.values.capacity()) * size_of::<T>()
    }
}

/// Attention of new rows on the processor.
pub fn attend<T: Element>(
    device: &'static str,
    (call, bias): (CachedCall, Option<&HeadBias>),
    qkv: &[T],
    sequences: &mut [CachedRows<'_>],
    y: &mut [f32],
) {
    let (heads, stride) = (call.heads, call.heads.width());
    let (mut tasks, mut first) = (Vec::new(), 0);
    for CachedRows { cache, rows } in sequences {
        let (all, past) = (first..first + *rows, cache.length());
        let new = &qkv[all.start * stride..all.end * stride];
        let memory = append(device, cache, new, heads, [stride, heads.query_width()]);
        for rows in parts(all.clone()) {
            let sees = Sees::Past { position: past + rows.start - all.start };
            tasks.push(Task { memory, call, bias, rows, stride, sees });
        }
        first = all.end;
    }
    run(&tasks, call, qkv, y);
}

/// Adds rows `[keys | values]` to a cache.
pub fn cache_rows<T: Element>(
    device: &'static str,
    heads: HeadLayout,
    memory: &[T],
    cache: &mut KeyValueCache,
) {
    append(device, cache, memory, heads, [heads.memory_width(), 0]);
}

/// Attention of rows of queries over all that is kept for their sequences.
pub fn attend_to_kept<T: Element>(
    call: CachedCall,
    queries: &[T],
    sequences: &[KeptRows<'_>],
    y: &mut [f32],
) {
    let (mut tasks, mut first) = (Vec::new(), 0);
    for KeptRows { memory: cache, rows } in sequences {
        let all = first..first + rows;
        let memory = cache.kept().expect("a cache that has been checked holds rows of this device");
        let (stride, sees) = (call.heads.query_width(), Sees::All { keys: cache.length() });
        tasks.extend(parts(all.clone()).map(|rows| Task { memory, call, bias: None, rows, stride, sees }));
        first = all.end;
    }
    run(&tasks, call, queries, y);
}

/// Rows as threads take them.
fn parts(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = rows.end;
    rows.step_by(ROWS_OF_TASK).map(move |start| start..(start + ROWS_OF_TASK).min(end))
}

fn run<T: Element>(tasks: &[Task<'_>], call: CachedCall, queries: &[T], y: &mut [f32]) {
    let heads = call.heads;
    let y = Output::new(y, heads.query_width());
    each(tasks.len() * heads.kv_heads, &|index| {
        let (task, shared) = (&tasks[index / heads.kv_heads], index % heads.kv_heads);
        SCRATCH.with_borrow_mut(|scratch| task.run(queries, shared, scratch, &y));
    });
}

/// Some rows of one sequence.
struct Task<'a> {
    memory: &'a Memory,
    call: CachedCall,
    bias: Option<&'a HeadBias>,
    /// Where they stand among all rows.
    rows: Range<usize>,
    /// From a row to the next.
    stride: usize,
    sees: Sees,
}

/// Which keys the rows of a task see.
#[derive(Clone, Copy)]
enum Sees {
    /// Their own and those before, where the first row stands at this position.
    Past { position: usize },
    /// All.
    All { keys: usize },
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
    fn run<T: Element>(&self, rows: &[T], shared: usize, scratch: &mut Scratch, y: &Output<'_, f32>) {
        let queries = self.rows.len() * self.call.heads.group();
        let mut first = 0;
        while first < queries {
            if first + TILE <= queries {
                self.tile::<T, TILE>(rows, shared, first, scratch, y);
                first += TILE;
            } else {
                self.tile::<T, 1>(rows, shared, first, scratch, y);
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
        let end = match self.sees {
            Sees::Past { position } => position + row + 1,
            Sees::All { keys } => return 0..keys,
        };
        self.call.window.map_or(0, |window| end.saturating_sub(window))..end
    }

    fn tile<T: Element, const R: usize>(
        &self,
        rows: &[T],
        shared: usize,
        first: usize,
        scratch: &mut Scratch,
        y: &Output<'_, f32>,
    ) {
        let CachedCall { heads, scale, .. } = self.call;
        let dim = heads.head_dim;
        let places: [(usize, usize); R] = std::array::from_fn(|query| self.place(shared, first + query));
        let seen = places.map(|(row, _)| self.seen(row));
        let bias = places.map(|(row, head)| {
            let seen = self.seen(row);
            self.bias.map_or(&[][..], |bias| bias.of_keys(head, 0, seen.end - 1, seen))
        });
        scratch.queries.resize(R * dim, 0.0);
        for (query, (row, head)) in places.into_iter().enumerate() {
            let values = &rows[(self.rows.start + row) * self.stride + head * dim..][..dim];
            for (place, value) in scratch.queries[query..].iter_mut().step_by(R).zip(values) {
                *place = value.widen() * scale;
            }
        }
        let Scratch { queries, scores, sums } = scratch;
        let totals = with_blocks!(self.memory, blocks => {
            let memory = Head { blocks, offset: shared * dim, dim };
            attend_tile::<_, R>(queries, memory, &seen, &bias, scores, sums)
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
    offset: usize,
    dim: usize,
}

impl<T: Element> Head<'_, T> {
    /// The keys of a block, `[feature][position]`.
    #[inline(always)]
    fn keys(&self, block: usize) -> &[[T; LANES]] {
        let first = (block * self.blocks.width + self.offset) * LANES;
        self.blocks.keys[first..][..self.dim * LANES].as_chunks().0
    }

    /// The value of a position.
    #[inline(always)]
    fn value(&self, position: usize) -> &[T] {
        &self.blocks.values[position * self.blocks.width + self.offset..][..self.dim]
    }
}

vectorised! {
    /// The weighted sums of the values that `R` queries see, `[R][dim]` in `sums`, and what their weights add up to.
    fn attend_tile with m [T: Element, const R: usize](
        queries: &[f32],
        head: Head<'_, T>,
        seen: &[Range<usize>; R],
        bias: &[&[f32]; R],
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
            let scores = &mut scores[row * stride..][..stride];
            for (score, bias) in scores[own.clone()].iter_mut().zip(bias[row]) {
                *score += bias;
            }
            *total = softmax(m, scores, own);
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
