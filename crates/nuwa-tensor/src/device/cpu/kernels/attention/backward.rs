use std::ops::Range;
use std::sync::Arc;

use super::bias::sum_diagonals;
use super::{
    BlockBias, HeadBias, Layout, Memory, Operands, PACKED, Packed, QUERY_BLOCK, key_blocks, keys_of_queries,
    packed_rows,
};
use crate::device::cpu::product::{Epilogue, Matrix, Output, Spans, Store, TILE_ROWS, multiply_serial};
use crate::device::{Pool, Stored};
use crate::element::{Element, convert};
use crate::parallel::{CHUNK_ELEMENTS, chunks, chunks_mut, each, each_alone, each_part, each_part_in};
use crate::simd::{MultiplyAdd, dot, exp2_for, vectorised};

/// Tasks a thread that run before their sums are added up, where one key-value head is the work of several threads.
const TASKS_A_THREAD: usize = 3;

/// What forward left for backward.
#[derive(Clone, Copy)]
pub struct Saved<'a, T> {
    pub operands: Operands<'a, T>,
    pub output: &'a [T],
    /// The logarithm of base 2 of each query's sum of weights, `[rows][heads]`.
    pub log_sums: &'a [f32],
}

/// The gradients of queries, keys and values; every element is written, or added to where `accumulate`.
pub struct Slopes<'a, T> {
    queries: Output<'a, T>,
    /// None where they lie in the rows of the queries.
    memory: Option<Output<'a, T>>,
    key_column: usize,
    accumulate: bool,
    /// That of the bias, `[distances][heads]`; written, never added to.
    bias: Option<&'a mut [f32]>,
}

impl<'a, T> Slopes<'a, T> {
    /// Of rows `[queries | keys | values]`.
    pub fn packed(dx: &'a mut [T], heads: crate::HeadLayout, accumulate: bool) -> Self {
        let queries = Output::new(dx, heads.width());
        Self { queries, memory: None, key_column: heads.query_width(), accumulate, bias: None }
    }

    /// Of rows of queries, and others of `[keys | values]`.
    pub fn separate(queries: &'a mut [T], memory: &'a mut [T], heads: crate::HeadLayout) -> Self {
        let memory = Some(Output::new(memory, heads.memory_width()));
        let queries = Output::new(queries, heads.query_width());
        Self { queries, memory, key_column: 0, accumulate: false, bias: None }
    }

    /// The same, and of the bias.
    pub fn with_bias(self, bias: Option<&'a mut [f32]>) -> Self {
        Self { bias, ..self }
    }

    fn memory(&self) -> &Output<'a, T> {
        self.memory.as_ref().unwrap_or(&self.queries)
    }
}

/// The gradients of all rows. `dots` is room for a number for each head of each row.
pub fn backward<T: Stored>(
    pool: &Arc<Pool>,
    layout: Layout<'_>,
    saved: &Saved<'_, T>,
    dy: &[T],
    dots: &mut [f32],
    mut slopes: Slopes<'_, T>,
) {
    let heads = layout.heads;
    let d_bias = slopes.bias.take();
    let distances = d_bias.as_ref().and(layout.bias).map_or(0, HeadBias::rows);
    let mut sums = pool.take_zeroed::<f32>(layout.sequences() * heads.heads * distances);
    // Row by row, for the parts of one head lie so far apart that each row would wait for the memory.
    chunks_mut(dots, heads.heads, QUERY_BLOCK, |first, dots| {
        let rows = first * heads.query_width()..;
        head_dots(&dy[rows.clone()], &saved.output[rows], heads.head_dim, dots);
    });
    let all = All { layout, saved, dy, dots, slopes: &slopes, distances };
    all.run(pool, &mut sums);
    if let Some(d_bias) = d_bias {
        all.write_bias(&sums, d_bias);
    }
}

impl<T: Stored> All<'_, T> {
    /// Leaves the sums of scaled gradients of the scores in `d_bias`, `[sequences][heads][distances]`.
    fn run(&self, pool: &Arc<Pool>, d_bias: &mut [f32]) {
        let (pairs, threads) = (self.pairs(), rayon::current_num_threads());
        // Whole key-value heads, as long as they keep three of four threads busy.
        if self.blocks() == 1 || 4 * pairs >= 3 * threads * pairs.div_ceil(threads) {
            let d_bias = Output::new(d_bias, self.distances);
            return each_alone(pairs, &|pair| {
                PACKED.with_borrow_mut(|packed| self.pair(pair).run(packed, &d_bias));
            });
        }
        self.in_waves(pool, TASKS_A_THREAD * threads, d_bias);
    }
}

/// The backward pass of all heads of all sequences.
struct All<'a, T> {
    layout: Layout<'a>,
    saved: &'a Saved<'a, T>,
    dy: &'a [T],
    /// `dy y` of each head of each row.
    dots: &'a [f32],
    slopes: &'a Slopes<'a, T>,
    /// Those of the bias whose gradient is wanted, or 0.
    distances: usize,
}

/// A block of queries of one head, whose part in the gradients of keys and values is made apart.
struct Part {
    pair: usize,
    /// The keys that it sees.
    keys: Range<usize>,
    head: usize,
    /// Queries of the sequence.
    queries: Range<usize>,
}

impl<T: Stored> All<'_, T> {
    /// Sequences times key-value heads.
    fn pairs(&self) -> usize {
        self.layout.sequences() * self.layout.heads.kv_heads
    }

    /// Blocks of queries a sequence.
    fn blocks(&self) -> usize {
        self.layout.queries.div_ceil(QUERY_BLOCK)
    }

    fn pair(&self, pair: usize) -> Backward<'_, T> {
        let (layout, kv_heads) = (self.layout, self.layout.heads.kv_heads);
        let (sequence, shared) = (pair / kv_heads, pair % kv_heads);
        let memory = self.saved.operands.memory.after_rows(sequence * layout.keys);
        let first_row = sequence * layout.queries;
        Backward { all: self, memory, first_row, first_key: sequence * layout.keys, shared }
    }

    /// Parts number `first..end`, in the order in which one thread would do them.
    fn parts(&self, tasks: Range<usize>) -> Vec<Part> {
        let (blocks, group) = (self.blocks(), self.layout.heads.group());
        let part = |task: usize| {
            let (pair, head, start) =
                (task / blocks / group, task / blocks % group, task % blocks * QUERY_BLOCK);
            let queries = start..(start + QUERY_BLOCK).min(self.layout.queries);
            let own = self.pair(pair);
            let keys = packed_rows(own.ranges(&queries));
            Part { pair, keys, head: own.shared * group + head, queries }
        };
        tasks.map(part).collect()
    }

    /// Some blocks of queries at a time, each with sums of its own for keys and values, which are then added to the totals
    /// in the order in which one thread would have added them: so the bits are the same.
    fn in_waves(&self, pool: &Arc<Pool>, wave: usize, d_bias: &mut [f32]) {
        let (dim, tasks) =
            (self.layout.heads.head_dim, self.pairs() * self.layout.heads.group() * self.blocks());
        let half = self.pairs() * self.layout.keys * dim;
        let mut totals = pool.take_zeroed::<f32>(2 * half);
        let (d_keys, d_values) = totals.split_at_mut(half);
        let parts = self.parts(0..tasks);
        let most = parts.iter().map(|part| part.keys.len()).max().unwrap_or(0).max(1);
        let rooms = Rooms { memory: most * dim, bias: self.diagonals(most) };
        let mut sums = pool.take::<f32>(rooms.length() * wave.min(tasks));
        for parts in parts.chunks(wave) {
            let own = &mut sums[..parts.len() * rooms.length()];
            each_part_in(chunks(own, rooms.length()), 1..=1, |index, sums| {
                self.part(&parts[index], rooms, sums)
            });
            self.add(parts, rooms, &sums, d_keys, 0);
            self.add(parts, rooms, &sums, d_values, rooms.memory);
            self.add_bias(parts, rooms, &sums, d_bias);
        }
        self.write_totals(d_keys, 0);
        self.write_totals(d_values, self.layout.heads.key_width());
    }

    /// The gradient of the queries of one part, and its sums for keys and values.
    fn part(&self, part: &Part, rooms: Rooms, sums: &mut [f32]) {
        let pair = self.pair(part.pair);
        let (dim, precision) = (self.layout.heads.head_dim, self.layout.precision);
        let (d_keys, rest) = sums.split_at_mut(rooms.memory);
        let (d_values, d_bias) = rest.split_at_mut(rooms.memory);
        let elements = part.keys.len() * dim;
        let (d_keys, d_values) = (&mut d_keys[..elements], &mut d_values[..elements]);
        let d_bias = &mut d_bias[..self.diagonals(part.keys.len())];
        d_keys.fill(0.0);
        d_values.fill(0.0);
        d_bias.fill(0.0);
        PACKED.with_borrow_mut(|packed| {
            packed.keys.pack(pair.memory.key_rows(pair.shared, dim, part.keys.clone()), precision);
            let mut d_queries = std::mem::take(&mut packed.floats);
            d_queries.clear();
            d_queries.resize(QUERY_BLOCK * dim, 0.0);
            let block = QueryBlock {
                head: part.head,
                rows: part.queries.clone(),
                origin: part.keys.start,
                end: part.keys.end,
            };
            pair.query_block(
                packed,
                &block,
                Sums { queries: &mut d_queries, keys: d_keys, values: d_values, bias: d_bias },
            );
            pair.write_queries(&block, &d_queries);
            packed.floats = d_queries;
        });
    }

    /// Adds the sums of `parts` to `totals`, `[pairs][keys][dim]`; in the room of each part they begin at `offset`.
    fn add(&self, parts: &[Part], rooms: Rooms, sums: &[f32], totals: &mut [f32], offset: usize) {
        let (dim, keys) = (self.layout.heads.head_dim, self.layout.keys);
        let chunk = QUERY_BLOCK.min(keys);
        each_part(chunks(totals, keys * dim), |pair, totals| {
            each_part(chunks(totals, chunk * dim), |index, totals| {
                let rows = index * chunk..index * chunk + totals.len() / dim;
                for (part, sums) in parts.iter().zip(sums.chunks_exact(rooms.length())) {
                    let own = rows.start.max(part.keys.start)..rows.end.min(part.keys.end);
                    if part.pair != pair || own.is_empty() {
                        continue;
                    }
                    let from = offset + (own.start - part.keys.start) * dim;
                    let to = &mut totals[(own.start - rows.start) * dim..(own.end - rows.start) * dim];
                    to.iter_mut().zip(&sums[from..]).for_each(|(to, sum)| *to += sum);
                }
            });
        });
    }

    /// Sums along the diagonals of scores over this many keys, of one block of queries.
    fn diagonals(&self, keys: usize) -> usize {
        if self.distances == 0 { 0 } else { keys + QUERY_BLOCK }
    }

    /// Adds the sums of `parts` for the bias to those of their sequences and heads.
    fn add_bias(&self, parts: &[Part], rooms: Rooms, sums: &[f32], totals: &mut [f32]) {
        let Some(bias) = self.layout.bias.filter(|_| self.distances > 0) else { return };
        let Layout { heads, .. } = self.layout;
        for (part, sums) in parts.iter().zip(sums.chunks_exact(rooms.length())) {
            let row = part.pair / heads.kv_heads * heads.heads + part.head;
            let totals = &mut totals[row * self.distances..][..self.distances];
            let own = &sums[2 * rooms.memory..][..self.diagonals(part.keys.len())];
            bias.add_diagonals(part.queries.start, part.keys.end - 1, own, totals);
        }
    }

    /// The gradient of the bias, `[distances][heads]`, from the sums of each sequence and head.
    fn write_bias(&self, sums: &[f32], d_bias: &mut [f32]) {
        let Layout { heads, scale, .. } = self.layout;
        for (distance, row) in d_bias.chunks_exact_mut(heads.heads).enumerate() {
            for (head, total) in row.iter_mut().enumerate() {
                let sequences = sums[head * self.distances + distance..].iter();
                *total = sequences.step_by(heads.heads * self.distances).sum::<f32>() / scale;
            }
        }
    }

    /// Puts the totals `[pairs][keys][dim]` in their place, `column` after the keys.
    fn write_totals(&self, totals: &[f32], column: usize) {
        let (dim, keys) = (self.layout.heads.head_dim, self.layout.keys);
        let chunk = (CHUNK_ELEMENTS / dim).clamp(1, keys);
        let chunks = keys.div_ceil(chunk);
        each(self.pairs() * chunks, &|task| {
            let (pair, start) = (task / chunks, task % chunks * chunk);
            let rows = start..(start + chunk).min(keys);
            let own = &totals[(pair * keys + rows.start) * dim..][..rows.len() * dim];
            self.pair(pair).write_memory(rows, column, own);
        });
    }
}

/// Room for the sums of one part.
#[derive(Clone, Copy)]
struct Rooms {
    /// For keys, and as much for values.
    memory: usize,
    bias: usize,
}

impl Rooms {
    fn length(self) -> usize {
        2 * self.memory + self.bias
    }
}

/// Where the gradients of one block of queries are summed up.
struct Sums<'a> {
    queries: &'a mut [f32],
    keys: &'a mut [f32],
    values: &'a mut [f32],
    /// Along the diagonals of scores, times the scale; empty where nobody asks.
    bias: &'a mut [f32],
}

/// The backward pass of the query heads of one sequence that share one key-value head.
struct Backward<'a, T> {
    all: &'a All<'a, T>,
    memory: Memory<'a, T>,
    first_row: usize,
    first_key: usize,
    shared: usize,
}

/// Some queries of one head, and the key that the packed keys and the sums begin with.
struct QueryBlock {
    head: usize,
    rows: Range<usize>,
    origin: usize,
    /// Behind the last key that any of them sees.
    end: usize,
}

impl<T: Stored> Backward<'_, T> {
    fn run(&self, packed: &mut Packed, d_bias: &Output<'_, f32>) {
        let Layout { precision, heads, queries, keys, bias, .. } = self.all.layout;
        let dim = heads.head_dim;
        packed.keys.pack(self.memory.key_rows(self.shared, dim, 0..keys), precision);
        let mut floats = std::mem::take(&mut packed.floats);
        floats.clear();
        floats.resize((2 * keys + QUERY_BLOCK) * dim + self.all.diagonals(keys), 0.0);
        let (d_keys, rest) = floats.split_at_mut(keys * dim);
        let (d_values, rest) = rest.split_at_mut(keys * dim);
        let (d_queries, diagonals) = rest.split_at_mut(QUERY_BLOCK * dim);
        for head in self.shared * heads.group()..(self.shared + 1) * heads.group() {
            for start in (0..queries).step_by(QUERY_BLOCK) {
                let rows = start..(start + QUERY_BLOCK).min(queries);
                let seen = packed_rows(self.ranges(&rows));
                let own = &mut diagonals[..self.all.diagonals(seen.len())];
                let block = QueryBlock { head, rows, origin: 0, end: seen.end };
                d_queries.fill(0.0);
                own.fill(0.0);
                let sums = Sums { queries: d_queries, keys: d_keys, values: d_values, bias: own };
                self.query_block(packed, &block, sums);
                self.write_queries(&block, d_queries);
                if let Some(bias) = bias.filter(|_| !own.is_empty() && !seen.is_empty()) {
                    let row = self.first_row / queries * heads.heads + head;
                    // SAFETY: this task alone has this head of this sequence.
                    let totals = unsafe { d_bias.part(row, 0, bias.rows()) };
                    bias.add_diagonals(block.rows.start, seen.end - 1, own, totals);
                }
            }
        }
        self.write_memory(0..keys, 0, d_keys);
        self.write_memory(0..keys, heads.key_width(), d_values);
        packed.floats = floats;
    }

    /// The keys that these queries of the sequence see.
    fn ranges(&self, queries: &Range<usize>) -> &[[u32; 2]] {
        &self.all.layout.ranges[self.first_row + queries.start..self.first_row + queries.end]
    }

    fn write_queries(&self, block: &QueryBlock, values: &[f32]) {
        let (slopes, dim) = (self.all.slopes, self.all.layout.heads.head_dim);
        let rows = self.first_row + block.rows.start..self.first_row + block.rows.end;
        write(&slopes.queries, rows, block.head * dim, dim, values, slopes.accumulate);
    }

    /// Writes gradients of these keys of the sequence, or of their values, which stand `column` further on.
    fn write_memory(&self, rows: Range<usize>, column: usize, values: &[f32]) {
        let (slopes, dim) = (self.all.slopes, self.all.layout.heads.head_dim);
        let column = slopes.key_column + column + self.shared * dim;
        let rows = self.first_key + rows.start..self.first_key + rows.end;
        write(slopes.memory(), rows, column, dim, values, slopes.accumulate);
    }

    /// Scores stand transposed, `[keys][queries]`: so their gradients are left operands as they lie for the gradients of
    /// keys and values, and what belongs to a query lies along the vectors.
    fn query_block(&self, packed: &mut Packed, own: &QueryBlock, sums: Sums<'_>) {
        let Layout { precision, heads, dropout, bias, .. } = self.all.layout;
        let (dim, out, count, head) = (heads.head_dim, heads.query_width(), own.rows.len(), own.head);
        let row = self.first_row + own.rows.start;
        let ranges = self.ranges(&own.rows);
        let queries = self.all.saved.operands.query_rows(head, dim, row..row + count);
        let dy = Matrix::strided(&self.all.dy[row * out + head * dim..], count, dim, out);
        packed.queries.pack(queries.transposed(), precision);
        packed.query_rows.pack(queries, precision);
        packed.outputs.pack(dy.transposed(), precision);
        packed.output_rows.pack(dy, precision);
        let terms = self.terms(head, row, ranges);
        let memory = self.memory;
        let (scores, weights, gradients) = packed.blocks.gradients::<T>();
        for block in key_blocks(ranges) {
            queries_of_keys(&mut packed.queries_of_keys, &terms, count, &block);
            keys_of_queries(&mut packed.keys_of_queries, ranges, &block);
            let (seeing, seen) = (&packed.queries_of_keys, &packed.keys_of_queries);
            let left = memory.key_rows(self.shared, dim, block.clone());
            let right = packed.queries.whole(precision);
            let weigh =
                Weigh { weights: Output::new(weights, QUERY_BLOCK), terms: &terms, first_key: block.start };
            if let Some(bias) = bias {
                let (first_key, query) = (self.first_key, own.rows.start);
                let bias = bias.of_block(head, first_key, query, &block, &mut packed.bias);
                let weigh = WeighBiased { plain: weigh, bias };
                multiply_serial(&mut packed.left, left, &right, Spans::Columns(seeing), &weigh);
            } else {
                multiply_serial(&mut packed.left, left, &right, Spans::Columns(seeing), &weigh);
            }
            let left = memory.value_rows(self.shared, dim, block.clone());
            let right = packed.outputs.whole(precision);
            if let Some(dropout) = dropout {
                let store = Store::plain(scores, QUERY_BLOCK);
                multiply_serial(&mut packed.left, left, &right, Spans::Columns(seeing), &store);
                dropout.transposed_factors(
                    &mut packed.factors,
                    &block,
                    self.all.layout,
                    head,
                    row..row + count,
                );
                dropped_slopes(scores, &packed.factors, &terms, weights, gradients);
            } else {
                let slope = Slope { gradients: Output::new(gradients, QUERY_BLOCK), weights, terms: &terms };
                multiply_serial(&mut packed.left, left, &right, Spans::Columns(seeing), &slope);
            }
            if !sums.bias.is_empty() {
                let places = &mut sums.bias[own.end - block.end..];
                sum_diagonals(gradients, block.len(), seeing, places);
            }
            let place = block.start - own.origin..block.end - own.origin;
            let span = place.start * dim..place.end * dim;
            let left = Matrix::strided(&*weights, block.len(), count, QUERY_BLOCK);
            let add = Store::onto(&mut sums.values[span.clone()], dim);
            let right = packed.output_rows.whole(precision);
            multiply_serial(&mut packed.left, left, &right, Spans::Inner(seeing), &add);
            let left = Matrix::strided(&*gradients, block.len(), count, QUERY_BLOCK);
            let add = Store::onto(&mut sums.keys[span], dim);
            let right = packed.query_rows.whole(precision);
            multiply_serial(&mut packed.left, left, &right, Spans::Inner(seeing), &add);
            let add = Store::onto(sums.queries, dim);
            let right = packed.keys.part(place, 0..dim, precision);
            multiply_serial(&mut packed.left, left.transposed(), &right, Spans::Inner(seen), &add);
        }
    }

    fn terms(&self, head: usize, row: usize, ranges: &[[u32; 2]]) -> Terms {
        let (heads, scale) = (self.all.layout.heads.heads, self.all.layout.scale);
        let mut terms = Terms {
            everyone: 0..0,
            log_sums: [f32::INFINITY; QUERY_BLOCK],
            scaled_dots: [0.0; QUERY_BLOCK],
            starts: [0; QUERY_BLOCK],
            ends: [0; QUERY_BLOCK],
            scale,
            binary_scale: self.all.layout.binary_scale(),
        };
        for (offset, &range) in ranges.iter().enumerate() {
            let place = (row + offset) * heads + head;
            terms.log_sums[offset] = self.all.saved.log_sums[place];
            terms.scaled_dots[offset] = scale * self.all.dots[place];
            [terms.starts[offset], terms.ends[offset]] = range;
        }
        let count = ranges.len();
        let first = terms.starts[..count].iter().max().copied().unwrap_or(0);
        terms.everyone = first..terms.ends[..count].iter().min().copied().unwrap_or(0);
        terms
    }
}

/// Puts the gradient of one head's part of some rows in its place.
fn write<T: Element>(
    to: &Output<'_, T>,
    rows: Range<usize>,
    column: usize,
    dim: usize,
    values: &[f32],
    accumulate: bool,
) {
    for (row, values) in rows.zip(values.chunks_exact(dim)) {
        // SAFETY: the calling task alone has these columns of these rows.
        let out = unsafe { to.part(row, column, dim) };
        if accumulate {
            for (out, value) in out.iter_mut().zip(values) {
                *out = T::narrow(out.widen() + value);
            }
        } else {
            convert(values, out);
        }
    }
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
        let terms = self.terms;
        for (score, log_sum) in values.iter_mut().zip(&terms.log_sums) {
            *score = exp2_for::<T>(m, m.multiply_add(*score, terms.binary_scale, -log_sum));
        }
        self.keep_seen(row, column, values);
    }
}

impl<T: Element> Weigh<'_, T> {
    /// Stores the weights of a key, 0 for queries that do not see it.
    #[inline(always)]
    fn keep_seen(&self, row: usize, column: usize, values: &mut [f32]) {
        let (terms, key) = (self.terms, (self.first_key + row) as u32);
        if !terms.everyone.contains(&key) {
            for ((weight, start), end) in values.iter_mut().zip(&terms.starts).zip(&terms.ends) {
                *weight = if (*start <= key) & (key < *end) { *weight } else { 0.0 };
            }
        }
        // SAFETY: the part that this call is for.
        T::narrow_sums(values, unsafe { self.weights.part(row, column, values.len()) });
    }
}

/// The same with a bias.
struct WeighBiased<'a, T> {
    plain: Weigh<'a, T>,
    bias: BlockBias<'a>,
}

impl<T: Element> Epilogue for WeighBiased<'_, T> {
    #[inline(always)]
    fn apply(&self, m: impl MultiplyAdd, row: usize, column: usize, values: &mut [f32]) {
        let terms = self.plain.terms;
        let bias = self.bias.of(row, column, values.len());
        for ((score, log_sum), bias) in values.iter_mut().zip(&terms.log_sums).zip(bias) {
            *score = exp2_for::<T>(m, m.multiply_add(*score, terms.binary_scale, bias - log_sum));
        }
        self.plain.keep_seen(row, column, values);
    }
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
}

vectorised! {
    /// As [`Slope`], with weights of which some are dropped: `scale dS = P (scale F dP - scale dot)` for the factors `F`, and
    /// then the weights `P F`.
    fn dropped_slopes[T: Element](products: &[f32], factors: &[f32], terms: &Terms, weights: &mut [T], gradients: &mut [T]) {
        let rows = weights.chunks_exact_mut(QUERY_BLOCK).zip(gradients.chunks_exact_mut(QUERY_BLOCK));
        let inputs = products.chunks_exact(QUERY_BLOCK).zip(factors.chunks_exact(QUERY_BLOCK));
        for ((weights, gradients), (products, factors)) in rows.zip(inputs) {
            for query in 0..QUERY_BLOCK {
                let weight = weights[query].widen();
                let slope = terms.scale * factors[query] * products[query] - terms.scaled_dots[query];
                gradients[query] = T::narrow(weight * slope);
                weights[query] = T::narrow(weight * factors[query]);
            }
        }
    }
}
