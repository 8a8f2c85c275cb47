use std::sync::Arc;

use super::sums::sum_rows;
use crate::calls::Runs;
use crate::device::{Buffer, Pool};
use crate::element::{Element, convert};
use crate::parallel::rows_mut;
use crate::simd::vectorised;

/// The taps of a convolution, and where in their runs its rows stand.
pub struct Conv<'a> {
    runs: &'a Runs,
    width: usize,
    taps: usize,
    /// The taps one after the other, each of all features.
    weights: Vec<f32>,
    /// The run of each row.
    of_rows: Vec<u32>,
    /// The last rows before each run, where any is known.
    state: Option<&'a [f32]>,
}

/// A row that a row sees.
enum Seen {
    Row(usize),
    /// Of the state: the run, and which of its rows.
    State(usize, usize),
    Nothing,
}

impl<'a> Conv<'a> {
    /// `weight` holds the taps of each feature side by side.
    pub fn new(runs: &'a Runs, weight: &[f32], width: usize, state: Option<&'a [f32]>) -> Self {
        let taps = weight.len() / width.max(1);
        let mut weights = vec![0.0; weight.len()];
        for (feature, own) in weight.chunks_exact(taps.max(1)).enumerate() {
            own.iter().enumerate().for_each(|(tap, value)| weights[tap * width + feature] = *value);
        }
        Self { runs, width, taps, weights, of_rows: runs.of_rows(), state }
    }

    fn weights_of(&self, tap: usize) -> &[f32] {
        &self.weights[tap * self.width..][..self.width]
    }

    /// What stands `back` rows before place `at` of a run, which may be the one after its last row.
    fn seen(&self, run: usize, at: usize, back: usize) -> Seen {
        match at.checked_sub(back) {
            Some(place) => Seen::Row(self.runs.range(run).start + place),
            None if self.state.is_some() => Seen::State(run, self.taps - 1 + at - back),
            None => Seen::Nothing,
        }
    }

    fn state_row(&self, run: usize, row: usize) -> &[f32] {
        let all = self.state.unwrap_or_default();
        &all[(run * (self.taps - 1) + row) * self.width..][..self.width]
    }

    pub fn forward<T: Element>(&self, x: &[T], bias: &[f32], y: &mut [T]) {
        rows_mut(y, self.width, |first, rows| {
            let mut sum = vec![0.0; self.width];
            for (row, y) in (first..).zip(rows.chunks_exact_mut(self.width)) {
                let run = self.of_rows[row] as usize;
                let at = row - self.runs.range(run).start;
                sum.copy_from_slice(bias);
                for tap in 0..self.taps {
                    let weights = self.weights_of(tap);
                    match self.seen(run, at, self.taps - 1 - tap) {
                        Seen::Row(other) => add_times(&x[other * self.width..], weights, &mut sum),
                        Seen::State(run, other) => add_times(self.state_row(run, other), weights, &mut sum),
                        Seen::Nothing => {}
                    }
                }
                convert(&sum, y);
            }
        });
    }

    /// The last rows of each run, which those that follow see.
    pub fn last<T: Element>(&self, x: &[T], last: &mut [f32]) {
        let kept = self.taps - 1;
        for run in 0..self.runs.count() {
            let length = self.runs.range(run).len();
            for index in 0..kept {
                let out = &mut last[(run * kept + index) * self.width..][..self.width];
                match self.seen(run, length, kept - index) {
                    Seen::Row(row) => convert(&x[row * self.width..][..self.width], out),
                    Seen::State(run, row) => out.copy_from_slice(self.state_row(run, row)),
                    Seen::Nothing => out.fill(0.0),
                }
            }
        }
    }

    pub fn backward_input<D: Element, T: Element>(&self, dy: &[D], dx: &mut [T], accumulate: bool) {
        rows_mut(dx, self.width, |first, rows| {
            let mut sum = vec![0.0; self.width];
            for (row, dx) in (first..).zip(rows.chunks_exact_mut(self.width)) {
                let end = self.runs.range(self.of_rows[row] as usize).end;
                match accumulate {
                    true => convert(dx, &mut sum),
                    false => sum.fill(0.0),
                }
                for later in (row..end).take(self.taps) {
                    let weights = self.weights_of(self.taps - 1 - (later - row));
                    add_times(&dy[later * self.width..], weights, &mut sum);
                }
                convert(&sum, dx);
            }
        });
    }

    /// The sums over all rows of the gradients of each tap, of all features, and after them those of the bias.
    pub fn backward_parameters<D: Element, T: Element>(
        &self,
        pool: &Arc<Pool>,
        x: &[T],
        dy: &[D],
    ) -> Buffer<f32> {
        let mut sums = pool.take_zeroed::<f32>((self.taps + 1) * self.width);
        sum_rows(pool, &mut sums, self.of_rows.len(), |rows, sums| {
            let (of_taps, of_bias) = sums.split_at_mut(self.taps * self.width);
            for row in rows {
                let run = self.of_rows[row] as usize;
                let at = row - self.runs.range(run).start;
                let dy = &dy[row * self.width..][..self.width];
                add(dy, of_bias);
                for (tap, sum) in of_taps.chunks_exact_mut(self.width).enumerate() {
                    match self.seen(run, at, self.taps - 1 - tap) {
                        Seen::Row(other) => add_times(&x[other * self.width..], dy, sum),
                        Seen::State(run, other) => add_times(self.state_row(run, other), dy, sum),
                        Seen::Nothing => {}
                    }
                }
            }
        });
        sums
    }

    /// Adds such sums to the gradient of the taps, which lie side by side there.
    pub fn add_taps(&self, sums: &[f32], dw: &mut [f32]) {
        for (tap, sums) in sums.chunks_exact(self.width).take(self.taps).enumerate() {
            dw.iter_mut().skip(tap).step_by(self.taps).zip(sums).for_each(|(dw, sum)| *dw += sum);
        }
    }

    /// Adds such sums to the gradient of the bias.
    pub fn add_bias(&self, sums: &[f32], db: &mut [f32]) {
        add(&sums[self.taps * self.width..], db);
    }
}

vectorised! {
    fn add_times with m [A: Element, B: Element](a: &[A], b: &[B], sum: &mut [f32]) {
        for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
            *sum = m.multiply_add(a.widen(), b.widen(), *sum);
        }
    }
}

vectorised! {
    fn add[T: Element](values: &[T], sum: &mut [f32]) {
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += value.widen();
        }
    }
}
