use std::cell::RefCell;

use rayon::prelude::*;

use super::HeadLayout;
use crate::ops::parallel::{chunks_mut, rows_mut};
use crate::ops::product::{Matrix, product_serial};
use crate::simd::{exp, maximum, sum, vectorised};

/// Queries whose scores exist at one time.
const QUERY_BLOCK: usize = 64;

/// Keys whose scores exist at one time: with [`QUERY_BLOCK`] a block of 64 KiB, half a level-2 cache with its gradient.
const KEY_BLOCK: usize = 256;

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Lends `f` a block of this thread that is at least `length` long.
fn with_scratch<T>(length: usize, f: impl FnOnce(&mut [f32]) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < length {
            scratch.resize(length, 0.0);
        }
        f(&mut scratch[..length])
    })
}

/// Where the keys and values of one sequence lie.
#[derive(Clone, Copy)]
struct Memory<'a> {
    keys: &'a [f32],
    values: &'a [f32],
    stride: usize,
}

impl<'a> Memory<'a> {
    fn of_packed(sequence: &'a [f32], heads: HeadLayout) -> Self {
        let keys = &sequence[heads.query_width()..];
        Self { keys, values: &keys[heads.key_width()..], stride: heads.width() }
    }

    fn key_block(&self, head: usize, dim: usize, first: usize, count: usize) -> Matrix<'a> {
        Matrix::strided(&self.keys[first * self.stride + head * dim..], count, dim, self.stride)
    }

    fn value_block(&self, head: usize, dim: usize, first: usize, count: usize) -> Matrix<'a> {
        Matrix::strided(&self.values[first * self.stride + head * dim..], count, dim, self.stride)
    }
}

/// The blocks of keys that any of these queries sees.
fn key_blocks(ranges: &[[u32; 2]]) -> impl Iterator<Item = (usize, usize)> + use<> {
    let first = ranges.iter().map(|range| range[0]).min().unwrap_or(0) as usize;
    let end = ranges.iter().map(|range| range[1]).max().unwrap_or(0) as usize;
    (first..end).step_by(KEY_BLOCK).map(move |start| (start, KEY_BLOCK.min(end - start)))
}

/// The part of a block of keys that one query sees, as indices into the block.
#[inline(always)]
fn seen(range: [u32; 2], first: usize, count: usize) -> (usize, usize) {
    let start = (range[0] as usize).saturating_sub(first).min(count);
    let end = (range[1] as usize).saturating_sub(first).min(count);
    (start, end.max(start))
}

pub fn forward(
    qkv: &[f32],
    heads: HeadLayout,
    length: usize,
    ranges: &[[u32; 2]],
    y: &mut [f32],
    log_sums: &mut [f32],
) {
    let (width, out) = (heads.width(), heads.query_width());
    if length == 0 {
        return;
    }
    let blocks: Vec<(usize, usize)> = (0..ranges.len() / length)
        .flat_map(|sequence| {
            (0..length)
                .step_by(QUERY_BLOCK)
                .map(move |start| (sequence * length + start, QUERY_BLOCK.min(length - start)))
        })
        .collect();
    let outputs = split_rows(y, blocks.iter().map(|block| block.1 * out));
    let sums = split_rows(log_sums, blocks.iter().map(|block| block.1 * heads.heads));
    blocks.par_iter().zip(outputs).zip(sums).for_each(|((&(row, count), y), log_sums)| {
        let sequence = row / length * length;
        let memory = Memory::of_packed(&qkv[sequence * width..(sequence + length) * width], heads);
        let queries = &qkv[row * width..(row + count) * width];
        attend(queries, width, memory, heads, &ranges[row..row + count], y, log_sums);
    });
}

/// Cuts a slice into pieces of the given lengths.
fn split_rows(mut rest: &mut [f32], lengths: impl Iterator<Item = usize>) -> Vec<&mut [f32]> {
    lengths
        .map(|length| {
            let (piece, tail) = std::mem::take(&mut rest).split_at_mut(length);
            rest = tail;
            piece
        })
        .collect()
}

pub fn forward_cached(
    qkv: &[f32],
    keys: &[f32],
    values: &[f32],
    heads: HeadLayout,
    ranges: &[[u32; 2]],
    y: &mut [f32],
) {
    let memory = Memory { keys, values, stride: heads.key_width() };
    let width = heads.width();
    chunks_mut(y, heads.query_width(), QUERY_BLOCK, |first, y| {
        let count = y.len() / heads.query_width();
        let mut log_sums = vec![0.0; count * heads.heads];
        let queries = &qkv[first * width..(first + count) * width];
        attend(queries, width, memory, heads, &ranges[first..first + count], y, &mut log_sums);
    });
}

/// All heads of one block of queries.
fn attend(
    queries: &[f32],
    stride: usize,
    memory: Memory<'_>,
    heads: HeadLayout,
    ranges: &[[u32; 2]],
    y: &mut [f32],
    log_sums: &mut [f32],
) {
    let dim = heads.head_dim;
    let count = ranges.len();
    let scale = 1.0 / (dim as f32).sqrt();
    y.fill(0.0);
    with_scratch(QUERY_BLOCK * KEY_BLOCK, |scores| {
        for head in 0..heads.heads {
            let shared = head / heads.group();
            let queries = Matrix::strided(&queries[head * dim..], count, dim, stride);
            let mut running = [[f32::NEG_INFINITY, 0.0]; QUERY_BLOCK];
            for (first, keys) in key_blocks(ranges) {
                let scores = &mut scores[..count * keys];
                product_serial(
                    scale,
                    queries,
                    memory.key_block(shared, dim, first, keys).transposed(),
                    scores,
                    keys,
                    false,
                );
                let y = &mut y[head * dim..];
                softmax_block(scores, keys, first, ranges, &mut running, y, dim, heads.query_width());
                let values = memory.value_block(shared, dim, first, keys);
                product_serial(1.0, Matrix::new(scores, count, keys), values, y, heads.query_width(), true);
            }
            for (row, [largest, total]) in running[..count].iter().enumerate() {
                let inverse = if *total > 0.0 { 1.0 / total } else { 0.0 };
                y[row * heads.query_width() + head * dim..][..dim]
                    .iter_mut()
                    .for_each(|value| *value *= inverse);
                // A query that sees nothing gives 0, and weights of e^(score - infinity) = 0 on the way back.
                log_sums[row * heads.heads + head] =
                    if *total > 0.0 { largest + total.ln() } else { f32::INFINITY };
            }
        }
    });
}

vectorised! {
    /// Turns scores into weights relative to the running maximum, and rescales what was summed before.
    fn softmax_block(
        scores: &mut [f32],
        keys: usize,
        first: usize,
        ranges: &[[u32; 2]],
        running: &mut [[f32; 2]; QUERY_BLOCK],
        y: &mut [f32],
        dim: usize,
        stride: usize,
    ) {
        for (row, (scores, &range)) in scores.chunks_exact_mut(keys).zip(ranges).enumerate() {
            let (start, end) = seen(range, first, keys);
            scores[..start].fill(0.0);
            scores[end..].fill(0.0);
            let scores = &mut scores[start..end];
            if scores.is_empty() {
                continue;
            }
            let [old, total] = running[row];
            let largest = maximum(scores).max(old);
            for score in scores.iter_mut() {
                *score = exp(*score - largest);
            }
            let correction = exp(old - largest);
            running[row] = [largest, total * correction + sum(scores.len(), |i| scores[i])];
            if total > 0.0 && correction != 1.0 {
                y[row * stride..][..dim].iter_mut().for_each(|value| *value *= correction);
            }
        }
    }
}

/// What forward left for backward.
#[derive(Clone, Copy)]
pub struct Saved<'a> {
    pub qkv: &'a [f32],
    pub output: &'a [f32],
    pub log_sums: &'a [f32],
}

/// The gradient of packed rows, in blocks by (sequence, key-value head): `[queries of the group | keys | values]`, each
/// `[length, head_dim]`, so that each block is written by one thread. [`rows_from_heads`] puts them in place.
pub fn backward(
    saved: &Saved<'_>,
    dy: &[f32],
    heads: HeadLayout,
    length: usize,
    ranges: &[[u32; 2]],
    by_head: &mut [f32],
) {
    let block = length * (heads.group() + 2) * heads.head_dim;
    if block == 0 {
        return;
    }
    by_head.par_chunks_mut(block).enumerate().for_each(|(index, block)| {
        let (sequence, shared) = (index / heads.kv_heads, index % heads.kv_heads);
        let (d_queries, rest) = block.split_at_mut(length * heads.group() * heads.head_dim);
        let (d_keys, d_values) = rest.split_at_mut(length * heads.head_dim);
        for member in 0..heads.group() {
            let d_queries = &mut d_queries[member * length * heads.head_dim..][..length * heads.head_dim];
            let head = shared * heads.group() + member;
            let task =
                HeadTask { saved, dy, heads, ranges, first_row: sequence * length, length, head, shared };
            task.run(d_queries, d_keys, d_values);
        }
    });
}

/// The backward pass of one query head of one sequence.
struct HeadTask<'a> {
    saved: &'a Saved<'a>,
    dy: &'a [f32],
    heads: HeadLayout,
    ranges: &'a [[u32; 2]],
    first_row: usize,
    length: usize,
    head: usize,
    shared: usize,
}

impl HeadTask<'_> {
    fn run(&self, d_queries: &mut [f32], d_keys: &mut [f32], d_values: &mut [f32]) {
        with_scratch(2 * QUERY_BLOCK * KEY_BLOCK, |scratch| {
            let (weights, d_scores) = scratch.split_at_mut(QUERY_BLOCK * KEY_BLOCK);
            for start in (0..self.length).step_by(QUERY_BLOCK) {
                let count = QUERY_BLOCK.min(self.length - start);
                self.query_block(start, count, weights, d_scores, d_queries, d_keys, d_values);
            }
        });
    }

    #[allow(clippy::too_many_arguments)]
    fn query_block(
        &self,
        start: usize,
        count: usize,
        weights: &mut [f32],
        d_scores: &mut [f32],
        d_queries: &mut [f32],
        d_keys: &mut [f32],
        d_values: &mut [f32],
    ) {
        let HeadLayout { head_dim: dim, heads, .. } = self.heads;
        let (width, out) = (self.heads.width(), self.heads.query_width());
        let row = self.first_row + start;
        let ranges = &self.ranges[row..row + count];
        let queries = Matrix::strided(&self.saved.qkv[row * width + self.head * dim..], count, dim, width);
        let dy = Matrix::strided(&self.dy[row * out + self.head * dim..], count, dim, out);
        let sequence = &self.saved.qkv[self.first_row * width..(self.first_row + self.length) * width];
        let memory = Memory::of_packed(sequence, self.heads);
        let scale = 1.0 / (dim as f32).sqrt();

        let mut row_terms = [[0.0; 2]; QUERY_BLOCK];
        for (offset, terms) in row_terms[..count].iter_mut().enumerate() {
            let place = (row + offset) * out + self.head * dim;
            let dot = sum(dim, |i| self.dy[place + i] * self.saved.output[place + i]);
            *terms = [self.saved.log_sums[(row + offset) * heads + self.head], dot];
        }
        for (first, keys) in key_blocks(ranges) {
            let (weights, d_scores) = (&mut weights[..count * keys], &mut d_scores[..count * keys]);
            let key_block = memory.key_block(self.shared, dim, first, keys);
            product_serial(scale, queries, key_block.transposed(), weights, keys, false);
            let value_block = memory.value_block(self.shared, dim, first, keys);
            product_serial(1.0, dy, value_block.transposed(), d_scores, keys, false);
            score_gradients(weights, d_scores, keys, first, ranges, &row_terms, scale);

            let (weights, d_scores) = (Matrix::new(weights, count, keys), Matrix::new(d_scores, count, keys));
            let span = first * dim..(first + keys) * dim;
            product_serial(1.0, weights.transposed(), dy, &mut d_values[span.clone()], dim, true);
            product_serial(1.0, d_scores.transposed(), queries, &mut d_keys[span], dim, true);
            product_serial(
                1.0,
                d_scores,
                key_block,
                &mut d_queries[start * dim..(start + count) * dim],
                dim,
                true,
            );
        }
    }
}

vectorised! {
    /// `weights` holds scores and becomes `P`; `d_scores` holds `dP` and becomes `dS * scale`.
    fn score_gradients(
        weights: &mut [f32],
        d_scores: &mut [f32],
        keys: usize,
        first: usize,
        ranges: &[[u32; 2]],
        row_terms: &[[f32; 2]; QUERY_BLOCK],
        scale: f32,
    ) {
        let rows = weights.chunks_exact_mut(keys).zip(d_scores.chunks_exact_mut(keys)).zip(ranges).zip(row_terms);
        for (((weights, d_scores), &range), &[log_sum, dot]) in rows {
            let (start, end) = seen(range, first, keys);
            for outside in [0..start, end..keys] {
                weights[outside.clone()].fill(0.0);
                d_scores[outside].fill(0.0);
            }
            for (weight, d_score) in weights[start..end].iter_mut().zip(&mut d_scores[start..end]) {
                *weight = exp(*weight - log_sum);
                *d_score = *weight * (*d_score - dot) * scale;
            }
        }
    }
}

/// Puts the blocks that [`backward`] made into packed rows.
pub fn rows_from_heads(by_head: &[f32], heads: HeadLayout, length: usize, dx: &mut [f32], accumulate: bool) {
    let HeadLayout { kv_heads, head_dim: dim, .. } = heads;
    let (width, group) = (heads.width(), heads.group());
    let block = length * (group + 2) * dim;
    rows_mut(dx, width, |first, rows| {
        for (offset, row) in rows.chunks_exact_mut(width).enumerate() {
            let (sequence, position) = ((first + offset) / length, (first + offset) % length);
            for (slot, target) in row.chunks_exact_mut(dim).enumerate() {
                // Which key-value head, and which of its parts: the group's queries, then keys, then values.
                let (shared, part) = match slot.checked_sub(heads.heads) {
                    None => (slot / group, slot % group),
                    Some(key) => (key % kv_heads, group + key / kv_heads),
                };
                let start = (sequence * kv_heads + shared) * block + (part * length + position) * dim;
                copy_or_add(&by_head[start..start + dim], target, accumulate);
            }
        }
    });
}

fn copy_or_add(source: &[f32], target: &mut [f32], accumulate: bool) {
    if !accumulate {
        return target.copy_from_slice(source);
    }
    for (total, value) in target.iter_mut().zip(source) {
        *total += value;
    }
}
