use std::sync::Arc;

use super::cell::tanh;
use super::linear::{self, Context, Held, Weight};
use crate::calls::Loss;
use crate::device::cpu::product::{Matrix, Store, product, product_over_rows, product_packed};
use crate::device::{Buffer, HeadCall, Pool, Storage, Stored};
use crate::element::{Bf16, Element, bits};
use crate::parallel::{chunks, each_part_in, rows_mut};
use crate::simd::{LANES, MultiplyAdd, exp, exp_for, maximum, sum, sum_of_lanes, vectorised};
use crate::{Parameter, Precision};

/// Elements that are narrowed at a time.
const BLOCK: usize = 4 * LANES;

/// Logits that exist at one time, and bounds of the rows that they belong to: few enough to fit the memory, and enough to
/// make packing the head worth while.
const CHUNK_LOGITS: usize = 1 << 25;
const CHUNK_ROWS: [usize; 2] = [256, 512];

/// Losses and, where they are wanted, gradients, chunk by chunk; gives the gradient of the hidden rows.
pub fn head_loss<H: Stored>(pool: &Arc<Pool>, call: &HeadCall<'_>, found: &mut Loss) -> Option<Storage> {
    let (head, hidden, all) = (call.weight, H::of(call.hidden), found.rows.len());
    let (width, vocabulary, context) =
        (head.width(), head.rows(), Context { pool, precision: call.precision });
    let step = (CHUNK_LOGITS / vocabulary).clamp(CHUNK_ROWS[0], CHUNK_ROWS[1]);
    let mut logits = Logits::new(pool, step.min(all), vocabulary, call.precision);
    let mut d_hidden = call.gradients.map(|_| pool.take::<H>(hidden.len()));
    let held = Held::new(context, head, call.gradients.is_some(), false);
    let (weight, bias) = (held.weight(), call.bias.map(Parameter::values));
    for first in (0..all).step_by(step) {
        let span = first..(first + step).min(all);
        let elements = span.start * width..span.end * width;
        let h = &hidden[elements.clone()];
        logits.fill(context, h, weight, bias.as_deref());
        let rows = Rows {
            targets: &call.targets[span.clone()],
            gradients: call.gradients.map(|weights| &weights[span.clone()]),
            smoothing: call.smoothing,
            softcap: call.softcap,
            z: call.z,
        };
        logits.losses(&rows, &mut found.rows[span.clone()], &mut found.hits[span.clone()]);
        if let Some(d_hidden) = &mut d_hidden {
            logits.hidden_gradient(context, weight, &mut d_hidden[elements]);
            head.accumulate(|dw| logits.head_gradient(context, h, dw, width));
            if let Some(bias) = call.bias {
                bias.accumulate(|db| logits.bias_gradient(span.len(), db));
            }
        }
    }
    d_hidden.map(Storage::from)
}

/// What some rows are asked.
pub struct Rows<'a> {
    pub targets: &'a [u32],
    /// The weights of their gradients, where these are wanted.
    pub gradients: Option<&'a [f32]>,
    /// The share of each target that is spread over all ids.
    pub smoothing: f32,
    /// The cap of logits, where they have one.
    pub softcap: Option<f32>,
    /// What the square of the logarithm of the sum of exponentials counts.
    pub z: f32,
}

/// Logits of some rows, which become their gradients in place: of `f32`, or of bf16 in the first half of each row.
pub struct Logits {
    values: Buffer<f32>,
    vocabulary: usize,
    stride: usize,
    precision: Precision,
}

impl Logits {
    pub fn new(pool: &Arc<Pool>, rows: usize, vocabulary: usize, precision: Precision) -> Self {
        // Whole vectors, so that rows of bf16 have an even number of elements and no two rows share a cache line.
        // An odd number of vectors, for rows a power of two apart would fight for the same places in a cache.
        let stride = LANES * (vocabulary.div_ceil(LANES) | 1);
        Self { values: pool.take(rows * stride), vocabulary, stride, precision }
    }

    /// `hidden head^T + bias`.
    pub fn fill<H: Element>(
        &mut self,
        context: Context<'_>,
        hidden: &[H],
        head: Weight<'_>,
        bias: Option<&[f32]>,
    ) {
        let store = Store::plain(&mut self.values, self.stride).with_bias(bias);
        linear::forward(context, hidden, head, &store);
    }

    /// The loss of each row, and whether its target has the largest logit; with weights for gradients, each row of logits
    /// becomes `weight * (softmax - target)`.
    pub fn losses(&mut self, rows: &Rows<'_>, losses: &mut [f32], hits: &mut [bool]) {
        let (vocabulary, narrow) = (self.vocabulary, self.precision == Precision::Bf16);
        let found = (chunks(losses, 1), chunks(hits, 1));
        let logits = (chunks(&mut self.values, self.stride), found);
        each_part_in(logits, 8..=usize::MAX, |index, (logits, (loss, hit))| {
            let target = rows.targets[index] as usize;
            let weight = rows.gradients.map(|weights| weights[index]);
            (loss[0], hit[0]) = match weight {
                _ if rows.softcap.is_some() => capped_row(logits, vocabulary, target, weight, rows, narrow),
                _ if rows.smoothing > 0.0 || rows.z > 0.0 => {
                    smoothed_row(logits, vocabulary, target, weight, [rows.smoothing, rows.z], narrow)
                }
                None => loss_of_row(&logits[..vocabulary], target),
                Some(weight) if narrow => narrow_gradient_of_row(logits, vocabulary, target, weight),
                Some(weight) => gradient_of_row(&mut logits[..vocabulary], target, weight),
            };
        });
    }

    /// `d_hidden = g head`.
    pub fn hidden_gradient<H: Element>(&self, context: Context<'_>, head: Weight<'_>, d_hidden: &mut [H]) {
        let (rows, store) = (d_hidden.len() / head.width, Store::plain(d_hidden, head.width));
        match head.training() {
            (_, Some(packed)) => {
                let columns = self.vocabulary.next_multiple_of(2);
                let gradients = Matrix::strided(self.values.view::<Bf16>(), rows, columns, 2 * self.stride);
                product_packed(context.pool, gradients, &packed.back, &store);
            }
            (matrix, None) => product(context.pool, context.precision, self.wide(rows), matrix, &store),
        }
    }

    /// `dw += g^T hidden`.
    pub fn head_gradient<H: Element>(
        &self,
        context: Context<'_>,
        hidden: &[H],
        dw: &mut [f32],
        width: usize,
    ) {
        let rows = hidden.len() / width;
        let (hidden, add) = (Matrix::new(hidden, rows, width), Store::onto(dw, width));
        match self.precision {
            Precision::F32 => {
                product_over_rows(
                    context.pool,
                    context.precision,
                    self.wide(rows).transposed(),
                    hidden,
                    &add,
                );
            }
            Precision::Bf16 => {
                let gradients =
                    Matrix::strided(self.values.view::<Bf16>(), rows, self.vocabulary, 2 * self.stride);
                product_over_rows(context.pool, context.precision, gradients.transposed(), hidden, &add);
            }
        }
    }

    /// `db += sum over rows of g`, each column on one thread.
    pub fn bias_gradient(&self, rows: usize, db: &mut [f32]) {
        let stride = self.stride;
        rows_mut(db, 1, |first, db| match self.precision {
            Precision::F32 => add_columns(&self.values[first..], stride, rows, db),
            Precision::Bf16 => add_columns(&self.values.view::<Bf16>()[first..], 2 * stride, rows, db),
        });
    }

    fn wide(&self, rows: usize) -> Matrix<'_, f32> {
        Matrix::strided(&self.values, rows, self.vocabulary, self.stride)
    }
}

vectorised! {
    pub fn log_sum_exp with m (row: &[f32]) -> f32 {
        let largest = maximum(row);
        largest + sum(row, |logit| exp(m, logit - largest)).ln()
    }
}

vectorised! {
    fn loss_of_row with m (row: &[f32], target: usize) -> (f32, bool) {
        let largest = maximum(row);
        let total = sum(row, |logit| exp(m, logit - largest));
        (largest + total.ln() - row[target], row[target] >= largest)
    }
}

vectorised! {
    fn gradient_of_row with m (row: &mut [f32], target: usize, weight: f32) -> (f32, bool) {
        let largest = maximum(row);
        let right = row[target];
        let total = exponentials::<f32>(m, row, largest);
        let scale = weight / total;
        for value in row.iter_mut() {
            *value *= scale;
        }
        row[target] -= weight;
        (largest + total.ln() - right, right >= largest)
    }
}

/// Replaces each value by `e^(value - largest)` and gives their sum.
#[inline(always)]
fn exponentials<T: Element>(m: impl MultiplyAdd, row: &mut [f32], largest: f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (blocks, rest) = row.as_chunks_mut::<LANES>();
    for block in blocks {
        for (lane, value) in lanes.iter_mut().zip(block) {
            *value = exp_for::<T>(m, *value - largest);
            *lane += *value;
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *value = exp_for::<T>(m, *value - largest);
        *lane += *value;
    }
    sum_of_lanes(lanes)
}

vectorised! {
    /// As [`gradient_of_row`], with the gradient as bf16 in the first half of the row. What follows it up to a whole
    /// vector becomes 0.
    fn narrow_gradient_of_row with m (row: &mut [f32], vocabulary: usize, target: usize, weight: f32) -> (f32, bool) {
        let largest = maximum(&row[..vocabulary]);
        let right = row[target];
        let total = exponentials::<Bf16>(m, &mut row[..vocabulary], largest);
        let scale = weight / total;
        row[vocabulary..].fill(0.0);
        row[target] -= total;
        narrow_in_place(row, scale);
        (largest + total.ln() - right, right >= largest)
    }
}

vectorised! {
    /// Makes `scale row` bf16, in the first half of the row.
    fn narrow_in_place(row: &mut [f32], scale: f32) {
        // Two words of bf16 go where one of f32 was, so that writing never overtakes reading.
        for start in (0..row.len()).step_by(BLOCK) {
            let length = BLOCK.min(row.len() - start);
            let (mut wide, mut narrow) = ([0.0; BLOCK], [Bf16::default(); BLOCK]);
            for (wide, value) in wide.iter_mut().zip(&row[start..start + length]) {
                *wide = value * scale;
            }
            Bf16::narrow_row(&wide, &mut narrow);
            let words = row[start / 2..][..length / 2].iter_mut();
            for (word, [low, high]) in words.zip(narrow.as_chunks::<2>().0) {
                *word = f32::from_bits(bits(*low) | bits(*high) << 16);
            }
        }
    }
}

vectorised! {
    /// With smoothed targets and a z-loss; with a weight, each logit becomes `weight` times its slope.
    fn smoothed_row with m (
        row: &mut [f32],
        vocabulary: usize,
        target: usize,
        weight: Option<f32>,
        shares: [f32; 2],
        narrow: bool,
    ) -> (f32, bool) {
        let [smoothing, z] = shares;
        let (logits, rest) = row.split_at_mut(vocabulary);
        let (largest, right) = (maximum(logits), logits[target]);
        let log_total = largest + sum(logits, |logit| exp(m, logit - largest)).ln();
        let spread = smoothing / vocabulary as f32;
        let smoothed = log_total - (1.0 - smoothing) * right - spread * sum(logits, |logit| logit);
        // Without a z-loss these are the same bits.
        let loss = smoothed + z * log_total * log_total;
        let slope = 1.0 + 2.0 * z * log_total;
        if let Some(weight) = weight {
            for value in logits.iter_mut() {
                *value = weight * (slope * exp(m, *value - log_total) - spread);
            }
            logits[target] -= weight * (1.0 - smoothing);
            if narrow {
                rest.fill(0.0);
                narrow_in_place(row, 1.0);
            }
        }
        (loss, right >= largest)
    }
}

vectorised! {
    /// As [`smoothed_row`] of logits `cap tanh(z / cap)`.
    fn capped_row with m (
        row: &mut [f32],
        vocabulary: usize,
        target: usize,
        weight: Option<f32>,
        rows: &Rows<'_>,
        narrow: bool,
    ) -> (f32, bool) {
        let (cap, smoothing, z) = (rows.softcap.unwrap_or(f32::MAX), rows.smoothing, rows.z);
        let (logits, rest) = row.split_at_mut(vocabulary);
        for logit in logits.iter_mut() {
            *logit = cap * tanh::<f32>(m, *logit / cap);
        }
        let (largest, right) = (maximum(logits), logits[target]);
        let log_total = largest + sum(logits, |logit| exp(m, logit - largest)).ln();
        let spread = smoothing / vocabulary as f32;
        let smoothed = log_total - (1.0 - smoothing) * right - spread * sum(logits, |logit| logit);
        let (loss, larger) = (smoothed + z * log_total * log_total, 1.0 + 2.0 * z * log_total);
        if let Some(weight) = weight {
            let slope = |logit: f32| m.multiply_add(-logit / cap, logit / cap, 1.0);
            let of_target = weight * (1.0 - smoothing) * slope(right);
            for value in logits.iter_mut() {
                *value = weight * (larger * exp(m, *value - log_total) - spread) * slope(*value);
            }
            logits[target] -= of_target;
            if narrow {
                rest.fill(0.0);
                narrow_in_place(row, 1.0);
            }
        }
        (loss, right >= largest)
    }
}

vectorised! {
    fn add_columns[T: Element](gradients: &[T], stride: usize, rows: usize, db: &mut [f32]) {
        for row in gradients.chunks(stride).take(rows) {
            for (sum, value) in db.iter_mut().zip(row) {
                *sum += value.widen();
            }
        }
    }
}
