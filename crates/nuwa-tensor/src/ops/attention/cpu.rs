use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::HeadLayout;
use crate::Precision;
use crate::element::{Element, convert};
use crate::ops::parallel::chunks_mut;
use crate::ops::product::{
    Epilogue, LeftRoom, Matrix, Output, PANEL, PackedRight, Spans, Store, TILE_ROWS, multiply_serial,
};
use crate::pool::{Line, Plain};
use crate::simd::{LANES, MultiplyAdd, dot, exp2_for, maximum, sum_of_lanes, vectorised};
use crate::tensor::Stored;

/// Queries whose scores exist at one time: a panel of the kernel.
const QUERY_BLOCK: usize = PANEL;

/// Keys whose scores exist at one time: with [`QUERY_BLOCK`] a block of 64 KiB, half a level-2 cache with its gradient.
/// For Miri short, so that small tests have several blocks.
const KEY_BLOCK: usize = if cfg!(miri) { PANEL } else { 256 };

/// Where the keys and values of one sequence lie.
#[derive(Clone, Copy)]
struct Memory<'a, T> {
    keys: &'a [T],
    values: &'a [T],
    stride: usize,
}

impl<'a, T: Element> Memory<'a, T> {
    fn of_packed(sequence: &'a [T], heads: HeadLayout) -> Self {
        let keys = &sequence[heads.query_width()..];
        Self { keys, values: &keys[heads.key_width()..], stride: heads.width() }
    }

    fn key_rows(&self, head: usize, dim: usize, rows: Range<usize>) -> Matrix<'a, T> {
        Matrix::strided(&self.keys[rows.start * self.stride + head * dim..], rows.len(), dim, self.stride)
    }

    fn value_rows(&self, head: usize, dim: usize, rows: Range<usize>) -> Matrix<'a, T> {
        Matrix::strided(&self.values[rows.start * self.stride + head * dim..], rows.len(), dim, self.stride)
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

/// For each tile of keys of a block the queries that see any of them.
fn queries_of_keys(spans: &mut Vec<Range<usize>>, terms: &Terms, queries: usize, block: &Range<usize>) {
    spans.clear();
    spans.extend(block.clone().step_by(TILE_ROWS).map(|first| {
        let keys = first as u32..(first + TILE_ROWS).min(block.end) as u32;
        if terms.everyone.start <= keys.start && keys.end <= terms.everyone.end {
            return 0..queries;
        }
        let sees = |query: &usize| terms.starts[*query] < keys.end && keys.start < terms.ends[*query];
        let first = (0..queries).find(sees).unwrap_or(queries);
        let last = (first..queries).rfind(sees);
        first..last.map_or(first, |last| last + 1)
    }));
}

/// `1 / sqrt(dim)`, by which scores are multiplied.
fn score_scale(dim: usize) -> f32 {
    1.0 / (dim as f32).sqrt()
}

/// The same for exponents of 2 in place of e.
fn binary_scale(dim: usize) -> f32 {
    score_scale(dim) * std::f32::consts::LOG2_E
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

    /// Scores and weights, for the way forward.
    fn scores<T: Plain>(&mut self) -> (&mut [f32], &mut [T]) {
        self.scores.resize(Self::LENGTH, 0.0);
        (&mut self.scores, Self::view(&mut self.weights))
    }

    /// Weights and the gradients of scores, for the way back.
    fn gradients<T: Plain>(&mut self) -> (&mut [T], &mut [T]) {
        (Self::view(&mut self.weights), Self::view(&mut self.gradients))
    }

    fn view<T: Plain>(lines: &mut Vec<Line>) -> &mut [T] {
        lines.resize(Line::count::<T>(Self::LENGTH).max(lines.len()), Line::ZERO);
        &mut Line::view_mut(lines)[..Self::LENGTH]
    }
}

thread_local! {
    static PACKED: RefCell<Packed> = RefCell::default();
}

/// How the rows of a layer are laid out, and what its products are made in.
#[derive(Clone, Copy)]
pub struct Layout<'a> {
    pub precision: Precision,
    pub heads: HeadLayout,
    /// Rows of one sequence.
    pub length: usize,
    /// The keys that each row sees.
    pub ranges: &'a [[u32; 2]],
}

pub fn forward<T: Stored>(layout: Layout<'_>, qkv: &[T], y: &mut [T], log_sums: &mut [f32]) {
    let Layout { heads, length, ranges, .. } = layout;
    if length == 0 || ranges.is_empty() {
        return;
    }
    let (width, out) = (heads.width(), heads.query_width());
    let pairs = ranges.len() / length * heads.kv_heads;
    // Few sequences on many threads: each then packs the keys of its queries for itself.
    let chunks = (2 * rayon::current_num_threads()).div_ceil(pairs).min(length.div_ceil(QUERY_BLOCK));
    let chunk = length.div_ceil(chunks).next_multiple_of(QUERY_BLOCK);
    let chunks = length.div_ceil(chunk);
    let (y, log_sums) = (Output::new(y, out), Output::new(log_sums, heads.heads));
    (0..pairs * chunks).into_par_iter().with_max_len(1).for_each(|task| {
        let (pair, first) = (task / chunks, task % chunks * chunk);
        let (sequence, shared) = (pair / heads.kv_heads * length, pair % heads.kv_heads);
        let rows = sequence + first..sequence + (first + chunk).min(length);
        let forward = Forward {
            layout,
            memory: Memory::of_packed(&qkv[sequence * width..(sequence + length) * width], heads),
            queries: &qkv[rows.start * width..rows.end * width],
            ranges: &ranges[rows.clone()],
            first_row: rows.start,
        };
        forward.run(shared, &y, Some(&log_sums));
    });
}

/// The forward pass of some queries of one sequence.
struct Forward<'a, T> {
    layout: Layout<'a>,
    memory: Memory<'a, T>,
    queries: &'a [T],
    ranges: &'a [[u32; 2]],
    first_row: usize,
}

impl<T: Stored> Forward<'_, T> {
    /// All query heads that share one key-value head.
    fn run(&self, shared: usize, y: &Output<'_, T>, log_sums: Option<&Output<'_, f32>>) {
        let Layout { precision, heads, .. } = self.layout;
        let dim = heads.head_dim;
        let rows = packed_rows(self.ranges);
        PACKED.with_borrow_mut(|packed| {
            packed.keys.pack(self.memory.key_rows(shared, dim, rows.clone()).transposed(), precision);
            packed.values.pack(self.memory.value_rows(shared, dim, rows), precision);
            for member in 0..heads.group() {
                let head = shared * heads.group() + member;
                for start in (0..self.ranges.len()).step_by(QUERY_BLOCK) {
                    let rows = start..(start + QUERY_BLOCK).min(self.ranges.len());
                    self.query_block(packed, head, rows, y, log_sums);
                }
            }
        });
    }

    fn query_block(
        &self,
        packed: &mut Packed,
        head: usize,
        rows: Range<usize>,
        y: &Output<'_, T>,
        log_sums: Option<&Output<'_, f32>>,
    ) {
        let Layout { precision, heads, .. } = self.layout;
        let (dim, width, count) = (heads.head_dim, heads.width(), rows.len());
        let ranges = &self.ranges[rows.clone()];
        let first = packed_rows(self.ranges).start;
        let queries = Matrix::strided(&self.queries[rows.start * width + head * dim..], count, dim, width);
        let mut running = [[f32::NEG_INFINITY, 0.0]; QUERY_BLOCK];
        let (scores, weights) = packed.blocks.scores::<T>();
        packed.floats.clear();
        packed.floats.resize(count * dim, 0.0);
        for block in key_blocks(ranges) {
            let store = Store::plain(scores, KEY_BLOCK);
            let place = block.start - first..block.end - first;
            let keys = packed.keys.part(0..dim, place.clone(), precision);
            keys_of_queries(&mut packed.keys_of_queries, ranges, &block);
            let spans = &packed.keys_of_queries;
            multiply_serial(&mut packed.left, queries, &keys, Spans::Columns(spans), &store);
            softmax_block(scores, weights, &block, ranges, &mut running, &mut packed.floats, dim);
            let weights = Matrix::strided(&*weights, count, block.len(), KEY_BLOCK);
            let values = packed.values.part(place, 0..dim, precision);
            let add = Store::onto(&mut packed.floats, dim);
            multiply_serial(&mut packed.left, weights, &values, Spans::Inner(spans), &add);
        }
        for (offset, (&[largest, total], sums)) in
            running.iter().zip(packed.floats.chunks_exact(dim)).enumerate()
        {
            let row = self.first_row + rows.start + offset;
            let inverse = if total > 0.0 { 1.0 / total } else { 0.0 };
            // SAFETY: this task alone has these rows of this head.
            let y = unsafe { y.part(row, head * dim, dim) };
            scaled_row(sums, inverse, y);
            if let Some(log_sums) = log_sums {
                // A query that sees nothing gives 0, and weights of 2^(score - infinity) = 0 on the way back.
                let log_sum = if total > 0.0 { largest + total.log2() } else { f32::INFINITY };
                // SAFETY: as above.
                let place = unsafe { log_sums.part(row, head, 1) };
                place[0] = log_sum;
            }
        }
    }
}

vectorised! {
    fn scaled_row[T: Element](sums: &[f32], factor: f32, y: &mut [T]) {
        for (y, sum) in y.iter_mut().zip(sums) {
            *y = T::narrow(sum * factor);
        }
    }
}

vectorised! {
    /// Turns scores into weights relative to the running maximum, and rescales what was summed before.
    fn softmax_block with m [T: Element](
        scores: &mut [f32],
        weights: &mut [T],
        block: &Range<usize>,
        ranges: &[[u32; 2]],
        running: &mut [[f32; 2]; QUERY_BLOCK],
        sums: &mut [f32],
        dim: usize,
    ) {
        let scale = binary_scale(dim);
        let rows = scores.chunks_exact_mut(KEY_BLOCK).zip(weights.chunks_exact_mut(KEY_BLOCK)).zip(ranges);
        for ((((scores, weights), &range), running), sums) in rows.zip(running).zip(sums.chunks_exact_mut(dim)) {
            let (start, end) = seen(range, block);
            if start == end {
                weights[..block.len()].fill(T::default());
                continue;
            }
            // Whole vectors; what is not seen weighs 2^(-infinity) = 0.
            let (first, last) = (start / LANES * LANES, end.next_multiple_of(LANES));
            weights[..first].fill(T::default());
            weights[last.min(block.len())..block.len()].fill(T::default());
            scores[first..start].fill(f32::NEG_INFINITY);
            scores[end..last].fill(f32::NEG_INFINITY);
            let (scores, weights) = (&mut scores[first..last], &mut weights[first..last]);
            let [old, total] = *running;
            let largest = (scale * maximum(scores)).max(old);
            let mut lanes = [0.0_f32; LANES];
            for scores in scores.as_chunks_mut::<LANES>().0 {
                for (score, lane) in scores.iter_mut().zip(&mut lanes) {
                    *score = exp2_for::<T>(m, m.multiply_add(*score, scale, -largest));
                    *lane += *score;
                }
            }
            T::narrow_row(scores, weights);
            let correction = exp2_for::<T>(m, old - largest);
            *running = [largest, total * correction + sum_of_lanes(lanes)];
            if total > 0.0 && correction != 1.0 {
                sums.iter_mut().for_each(|value| *value *= correction);
            }
        }
    }
}

/// What forward left for backward.
#[derive(Clone, Copy)]
pub struct Saved<'a, T> {
    pub qkv: &'a [T],
    pub output: &'a [T],
    /// The logarithm of base 2 of each query's sum of weights, `[rows][heads]`.
    pub log_sums: &'a [f32],
}

/// The gradient of packed rows; every element of `dx` is written, or added to where `accumulate`. `dots` is room for a number for
/// each head of each row.
pub fn backward<T: Stored>(
    layout: Layout<'_>,
    saved: &Saved<'_, T>,
    dy: &[T],
    dots: &mut [f32],
    dx: &mut [T],
    accumulate: bool,
) {
    let Layout { heads, length, ranges, .. } = layout;
    if length == 0 || ranges.is_empty() {
        return;
    }
    // Row by row, for the parts of one head lie so far apart that each row would wait for the memory.
    chunks_mut(dots, heads.heads, QUERY_BLOCK, |first, dots| {
        let rows = first * heads.query_width()..;
        head_dots(&dy[rows.clone()], &saved.output[rows], heads.head_dim, dots);
    });
    let dots = &*dots;
    let dx = Output::new(dx, heads.width());
    let pairs = ranges.len() / length * heads.kv_heads;
    (0..pairs).into_par_iter().with_max_len(1).for_each(|pair| {
        let (first_row, shared) = (pair / heads.kv_heads * length, pair % heads.kv_heads);
        let task = Backward { layout, saved, dy, dots, first_row, shared, dx: &dx, accumulate };
        PACKED.with_borrow_mut(|packed| task.run(packed));
    });
}

/// The backward pass of the query heads of one sequence that share one key-value head.
struct Backward<'a, T> {
    layout: Layout<'a>,
    saved: &'a Saved<'a, T>,
    dy: &'a [T],
    /// `dy y` of each head of each row.
    dots: &'a [f32],
    first_row: usize,
    shared: usize,
    dx: &'a Output<'a, T>,
    accumulate: bool,
}

impl<T: Stored> Backward<'_, T> {
    fn run(&self, packed: &mut Packed) {
        let Layout { precision, heads, length, .. } = self.layout;
        let (dim, width) = (heads.head_dim, heads.width());
        let memory = self.memory();
        packed.keys.pack(memory.key_rows(self.shared, dim, 0..length), precision);
        let mut floats = std::mem::take(&mut packed.floats);
        floats.clear();
        floats.resize((2 * length + QUERY_BLOCK) * dim, 0.0);
        let (d_keys, rest) = floats.split_at_mut(length * dim);
        let (d_values, d_queries) = rest.split_at_mut(length * dim);
        for head in self.shared * heads.group()..(self.shared + 1) * heads.group() {
            for start in (0..length).step_by(QUERY_BLOCK) {
                let rows = start..(start + QUERY_BLOCK).min(length);
                d_queries.fill(0.0);
                self.query_block(packed, head, rows.clone(), d_queries, d_keys, d_values);
                self.write(rows, head * dim, d_queries);
            }
        }
        let key_column = heads.query_width() + self.shared * dim;
        self.write(0..length, key_column, d_keys);
        self.write(0..length, key_column + heads.key_width(), d_values);
        debug_assert!(key_column + heads.key_width() + dim <= width);
        packed.floats = floats;
    }

    fn memory(&self) -> Memory<'_, T> {
        let Layout { heads, length, .. } = self.layout;
        let width = heads.width();
        Memory::of_packed(&self.saved.qkv[self.first_row * width..(self.first_row + length) * width], heads)
    }

    /// Puts the gradient of one head's part of some rows in its place.
    fn write(&self, rows: Range<usize>, column: usize, values: &[f32]) {
        let dim = self.layout.heads.head_dim;
        for (row, values) in rows.zip(values.chunks_exact(dim)) {
            // SAFETY: this task alone has these columns of this sequence.
            let out = unsafe { self.dx.part(self.first_row + row, column, dim) };
            if self.accumulate {
                for (out, value) in out.iter_mut().zip(values) {
                    *out = T::narrow(out.widen() + value);
                }
            } else {
                convert(values, out);
            }
        }
    }

    /// Scores stand transposed, `[keys][queries]`: so their gradients are left operands as they lie for the gradients of
    /// keys and values, and what belongs to a query lies along the vectors.
    fn query_block(
        &self,
        packed: &mut Packed,
        head: usize,
        rows: Range<usize>,
        d_queries: &mut [f32],
        d_keys: &mut [f32],
        d_values: &mut [f32],
    ) {
        let Layout { precision, heads, ranges, .. } = self.layout;
        let (dim, width, out, count) = (heads.head_dim, heads.width(), heads.query_width(), rows.len());
        let row = self.first_row + rows.start;
        let ranges = &ranges[row..row + count];
        let queries = Matrix::strided(&self.saved.qkv[row * width + head * dim..], count, dim, width);
        let dy = Matrix::strided(&self.dy[row * out + head * dim..], count, dim, out);
        packed.queries.pack(queries.transposed(), precision);
        packed.query_rows.pack(queries, precision);
        packed.outputs.pack(dy.transposed(), precision);
        packed.output_rows.pack(dy, precision);
        let terms = self.terms(head, row, ranges);
        let memory = self.memory();
        let (weights, gradients) = packed.blocks.gradients::<T>();
        for block in key_blocks(ranges) {
            queries_of_keys(&mut packed.queries_of_keys, &terms, count, &block);
            keys_of_queries(&mut packed.keys_of_queries, ranges, &block);
            let (seeing, seen) = (&packed.queries_of_keys, &packed.keys_of_queries);
            let left = memory.key_rows(self.shared, dim, block.clone());
            let right = packed.queries.whole(precision);
            let weigh =
                Weigh { weights: Output::new(weights, QUERY_BLOCK), terms: &terms, first_key: block.start };
            multiply_serial(&mut packed.left, left, &right, Spans::Columns(seeing), &weigh);
            let left = memory.value_rows(self.shared, dim, block.clone());
            let right = packed.outputs.whole(precision);
            let slope = Slope { gradients: Output::new(gradients, QUERY_BLOCK), weights, terms: &terms };
            multiply_serial(&mut packed.left, left, &right, Spans::Columns(seeing), &slope);

            let span = block.start * dim..block.end * dim;
            let left = Matrix::strided(&*weights, block.len(), count, QUERY_BLOCK);
            let add = Store::onto(&mut d_values[span.clone()], dim);
            let right = packed.output_rows.whole(precision);
            multiply_serial(&mut packed.left, left, &right, Spans::Inner(seeing), &add);
            let left = Matrix::strided(&*gradients, block.len(), count, QUERY_BLOCK);
            let add = Store::onto(&mut d_keys[span], dim);
            let right = packed.query_rows.whole(precision);
            multiply_serial(&mut packed.left, left, &right, Spans::Inner(seeing), &add);
            let add = Store::onto(d_queries, dim);
            let right = packed.keys.part(block, 0..dim, precision);
            multiply_serial(&mut packed.left, left.transposed(), &right, Spans::Inner(seen), &add);
        }
    }

    fn terms(&self, head: usize, row: usize, ranges: &[[u32; 2]]) -> Terms {
        let HeadLayout { heads, head_dim: dim, .. } = self.layout.heads;
        let scale = score_scale(dim);
        let mut terms = Terms {
            everyone: 0..0,
            log_sums: [f32::INFINITY; QUERY_BLOCK],
            scaled_dots: [0.0; QUERY_BLOCK],
            starts: [0; QUERY_BLOCK],
            ends: [0; QUERY_BLOCK],
            scale,
            binary_scale: binary_scale(dim),
        };
        for (offset, &range) in ranges.iter().enumerate() {
            let place = (row + offset) * heads + head;
            terms.log_sums[offset] = self.saved.log_sums[place];
            terms.scaled_dots[offset] = scale * self.dots[place];
            [terms.starts[offset], terms.ends[offset]] = range;
        }
        let count = ranges.len();
        let first = terms.starts[..count].iter().max().copied().unwrap_or(0);
        terms.everyone = first..terms.ends[..count].iter().min().copied().unwrap_or(0);
        terms
    }
}

/// What the gradient of scores needs of each query.
struct Terms {
    /// The keys that every query sees; a query that is not there sees none.
    everyone: Range<u32>,
    log_sums: [f32; QUERY_BLOCK],
    scaled_dots: [f32; QUERY_BLOCK],
    starts: [u32; QUERY_BLOCK],
    ends: [u32; QUERY_BLOCK],
    scale: f32,
    binary_scale: f32,
}

vectorised! {
    /// The dot products of each head of some rows.
    fn head_dots[T: Element](a: &[T], b: &[T], dim: usize, dots: &mut [f32]) {
        for ((dot_of_head, a), b) in dots.iter_mut().zip(a.chunks_exact(dim)).zip(b.chunks_exact(dim)) {
            *dot_of_head = dot(a, b);
        }
    }
}

/// `P = e^(scale S - log sum)`, by powers of 2, from the products of a key with the queries.
struct Weigh<'a, T> {
    weights: Output<'a, T>,
    terms: &'a Terms,
    first_key: usize,
}

impl<T: Element> Epilogue for Weigh<'_, T> {
    #[inline(always)]
    fn apply(&self, m: impl MultiplyAdd, row: usize, column: usize, values: &mut [f32]) {
        let (terms, key) = (self.terms, (self.first_key + row) as u32);
        for (score, log_sum) in values.iter_mut().zip(&terms.log_sums) {
            *score = exp2_for::<T>(m, m.multiply_add(*score, terms.binary_scale, -log_sum));
        }
        if !terms.everyone.contains(&key) {
            for ((weight, start), end) in values.iter_mut().zip(&terms.starts).zip(&terms.ends) {
                *weight = if (*start <= key) & (key < *end) { *weight } else { 0.0 };
            }
        }
        // SAFETY: the part that this call is for.
        T::narrow_sums(values, unsafe { self.weights.part(row, column, values.len()) });
    }

    #[inline(always)]
    fn prefetch(&self, _: usize, _: usize, _: usize) {}
}

/// `scale dS = P (scale dP - scale dot)` from the products of a value with the gradients of the outputs.
struct Slope<'a, T> {
    gradients: Output<'a, T>,
    /// `P`, as [`Weigh`] left it.
    weights: &'a [T],
    terms: &'a Terms,
}

impl<T: Element> Epilogue for Slope<'_, T> {
    #[inline(always)]
    fn apply(&self, m: impl MultiplyAdd, row: usize, column: usize, values: &mut [f32]) {
        let weights = &self.weights[row * QUERY_BLOCK + column..][..values.len()];
        let terms = self.terms;
        for ((value, weight), dot) in values.iter_mut().zip(weights).zip(&terms.scaled_dots) {
            *value = weight.widen() * m.multiply_add(*value, terms.scale, -dot);
        }
        // SAFETY: the part that this call is for.
        T::narrow_sums(values, unsafe { self.gradients.part(row, column, values.len()) });
    }

    #[inline(always)]
    fn prefetch(&self, _: usize, _: usize, _: usize) {}
}
