use crate::calls::Runs;
use crate::device::cpu::product::Output;
use crate::element::Element;
use crate::parallel::each;
use crate::simd::{MultiplyAdd, exp, sigmoid, vectorised};

/// Columns of a task, whose states stay in registers or the first-level cache.
const COLUMNS: usize = 64;

/// The share of decay at a gate that is fully open: `log a = -8 r softplus(L)`.
const DECAY: f32 = -8.0;

/// The square of the largest slope of the root, over 4: `1 / (2 sqrt(z))` is at most 1000.
const LEAST_OF_FOUR: f32 = 1e-6;

/// What the learned decay of each feature comes to: `-8 softplus(L)`.
pub fn rates(decay: &[f32]) -> Vec<f32> {
    let softplus = |x: f32| f64::from(x).max(0.0) + (-f64::from(x).abs()).exp().ln_1p();
    decay.iter().map(|&x| (f64::from(DECAY) * softplus(x)) as f32).collect()
}

/// The slope of each of [`rates`] in what is learned: `-8 sigmoid(L)`.
pub fn slopes_of_rates(decay: &[f32]) -> Vec<f32> {
    decay.iter().map(|&x| (f64::from(DECAY) / (1.0 + (-f64::from(x)).exp())) as f32).collect()
}

/// The rows and their gates before the sigmoid.
#[derive(Clone, Copy)]
pub struct ScanInputs<'a, T> {
    pub x: &'a [T],
    pub input: &'a [T],
    pub recurrent: &'a [T],
}

impl<'a, T> ScanInputs<'a, T> {
    /// Those of `count` columns from `start` on, an element of the first of them.
    #[inline(always)]
    fn at(self, start: usize, count: usize) -> [&'a [T]; 3] {
        [self.x, self.input, self.recurrent].map(|rows| &rows[start..][..count])
    }
}

/// What a recurrence is over.
#[derive(Clone, Copy)]
pub struct Scan<'a> {
    pub runs: &'a Runs,
    /// Those of [`rates`].
    pub rates: &'a [f32],
    pub state: Option<&'a [f32]>,
}

/// Some columns of a run.
#[derive(Clone, Copy)]
struct Task {
    run: usize,
    first: usize,
    rows: usize,
    is_fresh: bool,
    column: usize,
    count: usize,
}

impl Scan<'_> {
    fn width(&self) -> usize {
        self.rates.len()
    }

    /// The columns of each run, as many at a time as a task takes; `work` is called for each from any thread.
    fn tasks(&self, work: impl Fn(Task) + Sync) {
        let blocks = self.width().div_ceil(COLUMNS);
        each(self.runs.count() * blocks, &|index| {
            let (run, column) = (index / blocks, index % blocks * COLUMNS);
            let rows = self.runs.range(run);
            work(Task {
                run,
                first: rows.start,
                rows: rows.len(),
                is_fresh: self.runs.is_fresh(run),
                column,
                count: COLUMNS.min(self.width() - column),
            });
        });
    }

    /// The states before a run.
    fn begin(&self, task: Task) -> [f32; COLUMNS] {
        let mut state = [0.0; COLUMNS];
        if let Some(given) = self.state {
            let own = &given[task.run * self.width() + task.column..][..task.count];
            state[..task.count].copy_from_slice(own);
        }
        state
    }

    /// The states of all rows, and those after the last row of each run.
    pub fn forward<T: Element>(&self, inputs: ScanInputs<'_, T>, y: &mut [T], last: &mut [f32]) {
        let (y, last) = (Output::new(y, self.width()), Output::new(last, self.width()));
        self.tasks(|task| {
            let mut state = self.begin(task);
            run_forward(inputs, self.rates, task, &mut state, &y);
            // SAFETY: no other task has these columns of this run.
            let last = unsafe { last.part(task.run, task.column, task.count) };
            last.copy_from_slice(&state[..task.count]);
        });
    }

    /// The gradients of the inputs, and of each run that of the rates, `[runs, width]`; `y` is what forward gave.
    pub fn backward<T: Element>(
        &self,
        inputs: ScanInputs<'_, T>,
        [y, dy]: [&[T]; 2],
        slopes: [&mut [T]; 3],
        of_rates: &mut [f32],
    ) {
        let slopes = slopes.map(|slopes| Output::new(slopes, self.width()));
        let of_rates = Output::new(of_rates, self.width());
        self.tasks(|task| {
            let state = self.begin(task);
            // SAFETY: no other task has these columns of this run.
            let sums = unsafe { of_rates.part(task.run, task.column, task.count) };
            sums.fill(0.0);
            run_backward(inputs, self.rates, task, &state, [y, dy], &slopes, sums);
        });
    }
}

/// `a` and `1 - a^2` of a gate and its rate: near `a = 1` by a series, for the difference would lose its digits.
#[inline(always)]
fn decay(m: impl MultiplyAdd, gate: f32, rate: f32) -> [f32; 2] {
    const SERIES: [f32; 6] = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0];
    let log = gate * rate;
    let a = exp(m, log);
    let twice = 2.0 * log;
    let mut sum = SERIES[0];
    for coefficient in &SERIES[1..] {
        sum = m.multiply_add(sum, twice, *coefficient);
    }
    let near = -twice * sum;
    let far = m.multiply_add(-a, a, 1.0);
    [a, if twice > -0.25 { near } else { far }]
}

vectorised! {
    fn run_forward with m [T: Element](
        inputs: ScanInputs<'_, T>,
        rates: &[f32],
        task: Task,
        state: &mut [f32; COLUMNS],
        y: &Output<'_, T>,
    ) {
        let (width, Task { first, rows, column, count, .. }) = (rates.len(), task);
        let (rates, state) = (&rates[column..][..count], &mut state[..count]);
        for row in first..first + rows {
            let [x, input, recurrent] = inputs.at(row * width + column, count);
            // SAFETY: no other task has these columns of this run.
            let y = unsafe { y.part(row, column, count) };
            let is_begun = task.is_fresh && row == first;
            for at in 0..count {
                let gated = sigmoid::<T>(m, input[at].widen()) * x[at].widen();
                let [a, rest] = decay(m, sigmoid::<f32>(m, recurrent[at].widen()), rates[at]);
                let next = m.multiply_add(a, state[at], rest.sqrt() * gated);
                state[at] = if is_begun { gated } else { next };
                y[at] = T::narrow(state[at]);
            }
        }
    }
}

vectorised! {
    fn run_backward with m [T: Element](
        inputs: ScanInputs<'_, T>,
        rates: &[f32],
        task: Task,
        state: &[f32; COLUMNS],
        outputs: [&[T]; 2],
        slopes: &[Output<'_, T>; 3],
        of_rates: &mut [f32],
    ) {
        let (width, Task { first, rows, column, count, .. }) = (rates.len(), task);
        let (rates, of_rates) = (&rates[column..][..count], &mut of_rates[..count]);
        let mut later = [0.0; COLUMNS];
        for row in (first..first + rows).rev() {
            let start = row * width + column;
            let [x, input, recurrent] = inputs.at(start, count);
            let dy = &outputs[1][start..][..count];
            let mut before = *state;
            if row > first {
                let y = &outputs[0][start - width..][..count];
                before.iter_mut().zip(y).for_each(|(before, y)| *before = y.widen());
            }
            // SAFETY: no other task has these columns of this run.
            let [d_x, d_input, d_recurrent] = slopes.each_ref().map(|slopes| unsafe { slopes.part(row, column, count) });
            let is_begun = task.is_fresh && row == first;
            for at in 0..count {
                let i = sigmoid::<T>(m, input[at].widen());
                let r = sigmoid::<f32>(m, recurrent[at].widen());
                let [a, rest] = decay(m, r, rates[at]);
                let slope = dy[at].widen() + later[at];
                let factor = if is_begun { 1.0 } else { rest.sqrt() };
                let bounded = (4.0 * rest).max(LEAST_OF_FOUR).sqrt();
                let of_root = slope * i * x[at].widen() / bounded;
                let d_log = m.multiply_add(slope * before[at], a, -2.0 * a * a * of_root);
                let d_log = if is_begun { 0.0 } else { d_log };
                later[at] = slope * a;
                d_x[at] = T::narrow(slope * factor * i);
                d_input[at] = T::narrow(slope * factor * x[at].widen() * i * (1.0 - i));
                d_recurrent[at] = T::narrow(d_log * rates[at] * r * (1.0 - r));
                of_rates[at] = m.multiply_add(d_log, r, of_rates[at]);
            }
        }
    }
}
