//! Recurrent cells: step by step, each step one product for all runs that have not ended. Rows are kept in the order of
//! [`Steps`], in which those of a step lie together, and so do those of the step before that they follow.

use std::sync::Arc;

use super::kernels::cell::{Cell, KEPT};
use super::kernels::linear::{self, Context, Held};
use super::kernels::sums::sum_rows;
use super::product::{
    Matrix, PackedMatrix, Store, product, product_of_each_row, product_over_rows, product_packed,
};
use crate::calls::Steps;
use crate::device::{
    Buffer, Pool, RecurrentCall, RecurrentRows, Slot, Storage, Stored, with_slot, with_values,
};
use crate::element::{Element, convert};
use crate::parallel::{CHUNK_ELEMENTS, chunks, each_part, rows_mut};
use crate::simd::vectorised;
use crate::{DType, Precision};

/// The outputs, the last states, and for backward what is kept of each row, its carry and its output.
pub fn forward<C: Cell, T: Stored>(pool: &Arc<Pool>, call: RecurrentCall<'_>) -> RecurrentRows {
    with_values!(call.gates, gates => forward_of::<C, _, T>(pool, call, gates))
}

fn forward_of<C: Cell, X: Stored, T: Stored>(
    pool: &Arc<Pool>,
    call: RecurrentCall<'_>,
    gates: &[X],
) -> RecurrentRows {
    let (steps, width, rows) = (call.runs.steps(), call.weight.width(), call.runs.rows());
    let context = Context { pool, precision: call.precision };
    // In f32 each step would pack the matrix anew.
    let packs_once = call.batch_invariant || call.precision == Precision::F32;
    let held = Held::new(context, call.weight, call.is_tracked, packs_once);
    let bias = call.bias.values();
    let start = Start::<T>::new(pool, call, &steps);
    let mut kept = pool.take::<T>(rows * KEPT * width);
    let mut carry = pool.take::<f32>(rows * width);
    let mut hidden = pool.take::<T>(rows * width);
    let mut own = pool.take::<f32>(steps.widest() * C::GATES * width);
    for step in 0..steps.count() {
        let (first, count) = (steps.step(step).start, steps.step(step).len());
        let own = &mut own[..count * C::GATES * width];
        let (old_hidden, new_hidden) = hidden.split_at_mut(first * width);
        let (old_carry, new_carry) = carry.split_at_mut(first * width);
        if step == 0 && call.state.is_none() {
            own.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(&bias));
        } else {
            let before = before(&steps, step, old_hidden, &start.hidden, width);
            let store = Store::plain(own, C::GATES * width).with_bias(Some(&bias));
            linear::forward(context, before, held.weight(), &store);
        }
        let before = before(&steps, step, old_carry, &start.carry, width);
        let input = StepInput { gates, own, before, rows: &steps.rows[steps.step(step)], width };
        let kept = &mut kept[first * KEPT * width..][..count * KEPT * width];
        input.run::<C, T>(kept, &mut new_carry[..count * width], &mut new_hidden[..count * width]);
    }
    let mut y = pool.take::<T>(rows * width);
    rows_mut(&mut y, width, |first, y| gather(&hidden, &steps.places[first..], y, width));
    let last = last_states(pool, call, &steps, &hidden, &carry);
    RecurrentRows { rows: y.into(), last, saved: [kept.into(), carry.into(), hidden.into()] }
}

/// Of rows that lie in the order, those that the rows of a step follow; before the first step those of the start.
fn before<'a, T>(steps: &Steps, step: usize, rows: &'a [T], start: &'a [T], width: usize) -> &'a [T] {
    match steps.before(step) {
        Some(places) => &rows[places.start * width..places.end * width],
        None => &start[..steps.step(step).len() * width],
    }
}

/// What runs begin from, in the order.
struct Start<T: Stored> {
    hidden: Buffer<T>,
    carry: Buffer<f32>,
}

impl<T: Stored> Start<T> {
    fn new(pool: &Arc<Pool>, call: RecurrentCall<'_>, steps: &Steps) -> Self {
        let (width, states) = (call.weight.width(), call.cell.states());
        let mut hidden = pool.take_zeroed::<T>(steps.order.len() * width);
        let mut carry = pool.take_zeroed::<f32>(steps.order.len() * width);
        if let Some(state) = call.state {
            let state = <f32 as Stored>::of(state);
            let rows = hidden.chunks_exact_mut(width).zip(carry.chunks_exact_mut(width));
            for ((hidden, carry), &run) in rows.zip(&steps.order) {
                let own = &state[run as usize * states * width..][..states * width];
                convert(&own[..width], hidden);
                carry.copy_from_slice(&own[(states - 1) * width..]);
            }
        }
        Self { hidden, carry }
    }
}

/// The rows of one step.
struct StepInput<'a, X> {
    /// Of all rows.
    gates: &'a [X],
    own: &'a [f32],
    /// The carries that they follow.
    before: &'a [f32],
    /// The row at each place.
    rows: &'a [u32],
    width: usize,
}

impl<X: Element> StepInput<'_, X> {
    fn run<C: Cell, T: Stored>(&self, kept: &mut [T], carry: &mut [f32], hidden: &mut [T]) {
        let (width, gates) = (self.width, C::GATES * self.width);
        let count = (CHUNK_ELEMENTS / (KEPT * width)).max(1);
        let states = (chunks(carry, count * width), chunks(hidden, count * width));
        each_part((chunks(kept, count * KEPT * width), states), |chunk, (kept, (carry, hidden))| {
            let rows = kept.chunks_exact_mut(KEPT * width).zip(carry.chunks_exact_mut(width));
            let rows = rows.zip(hidden.chunks_exact_mut(width));
            for (place, ((kept, carry), hidden)) in (chunk * count..).zip(rows) {
                let x = &self.gates[self.rows[place] as usize * gates..][..gates];
                let own = &self.own[place * gates..][..gates];
                let before = &self.before[place * width..][..width];
                C::forward(x, own, before, kept, carry, hidden);
            }
        });
    }
}

vectorised! {
    /// The rows at some places.
    fn gather[T: Element](rows: &[T], places: &[u32], out: &mut [T], width: usize) {
        for (out, place) in out.chunks_exact_mut(width).zip(places) {
            out.copy_from_slice(&rows[*place as usize * width..][..width]);
        }
    }
}

/// The states after the last row of each run; of a run without rows that before it.
fn last_states<T: Stored>(
    pool: &Arc<Pool>,
    call: RecurrentCall<'_>,
    steps: &Steps,
    hidden: &[T],
    carry: &[f32],
) -> Storage {
    let (width, states) = (call.weight.width(), call.cell.states());
    let mut last = pool.take_zeroed::<f32>(call.runs.count() * states * width);
    for (run, last) in last.chunks_exact_mut(states * width).enumerate() {
        let rows = call.runs.range(run);
        if rows.is_empty() {
            if let Some(state) = call.state {
                last.copy_from_slice(&<f32 as Stored>::of(state)[run * states * width..][..states * width]);
            }
            continue;
        }
        let place = steps.places[rows.end - 1] as usize * width;
        convert(&hidden[place..][..width], &mut last[..width]);
        last[(states - 1) * width..].copy_from_slice(&carry[place..][..width]);
    }
    last.into()
}

/// The gradients of both parameters and of the gates.
pub fn backward<C: Cell, T: Stored>(
    pool: &Arc<Pool>,
    call: RecurrentCall<'_>,
    [mut kept, carry, hidden]: [Storage; 3],
    dy: &Storage,
    d_gates: Option<Slot<'_>>,
) {
    let (steps, width) = (call.runs.steps(), call.weight.width());
    let (kept, carry, hidden) = (T::of_mut(&mut kept), <f32 as Stored>::of(&carry), T::of(&hidden));
    let start = Start::<T>::new(pool, call, &steps);
    through_time::<C, T>(pool, call, (&steps, &start), kept, carry, T::of(dy));
    let kept = &*kept;
    call.bias.accumulate(|db| {
        sum_rows(pool, db, steps.rows.len(), |places, sum| add_rows::<T>(kept, places, width, C::FIRST, sum));
    });
    if !steps.rows.is_empty() {
        let before = followed(pool, &steps, hidden, &start.hidden, width);
        let before = Matrix::new(&before, steps.rows.len(), width);
        let own = own_gradients::<C, T>(kept, steps.rows.len(), width).transposed();
        call.weight
            .accumulate(|dw| product_over_rows(pool, call.precision, own, before, &Store::onto(dw, width)));
    }
    if let Some(d_gates) = d_gates {
        with_slot!(d_gates, |out, accumulate| rows_mut(out, C::GATES * width, |first, out| {
            for (row, out) in (first..).zip(out.chunks_exact_mut(C::GATES * width)) {
                let place = steps.places[row] as usize;
                C::input_gradient(&kept[place * KEPT * width..][..KEPT * width], out, accumulate);
            }
        }));
    }
}

/// The gradients of the gates of the recurrent product, of the first `rows` rows of what is kept.
fn own_gradients<C: Cell, T: Element>(kept: &[T], rows: usize, width: usize) -> Matrix<'_, T> {
    Matrix::strided(&kept[C::FIRST * width..], rows, C::GATES * width, KEPT * width)
}

/// Makes of what is kept the gradients of the gates, from the last step to the first.
fn through_time<C: Cell, T: Stored>(
    pool: &Arc<Pool>,
    call: RecurrentCall<'_>,
    (steps, start): (&Steps, &Start<T>),
    kept: &mut [T],
    carry: &[f32],
    dy: &[T],
) {
    let width = call.weight.width();
    let context = Context { pool, precision: call.precision };
    let weight = BackWeight::new(context, call);
    // Runs that have ended before a step have gradients of 0 there.
    let mut d_hidden = pool.take_zeroed::<f32>(steps.widest() * width);
    let mut d_carry = pool.take_zeroed::<f32>(steps.widest() * width);
    for step in (0..steps.count()).rev() {
        let (first, count) = (steps.step(step).start, steps.step(step).len());
        let kept = &mut kept[first * KEPT * width..][..count * KEPT * width];
        let before = before(steps, step, carry, &start.carry, width);
        let own_carry = &carry[first * width..][..count * width];
        let rows = &steps.rows[steps.step(step)];
        let chunk = (CHUNK_ELEMENTS / (KEPT * width)).max(1);
        let d_carry = &mut d_carry[..count * width];
        let parts = (chunks(kept, chunk * KEPT * width), chunks(d_carry, chunk * width));
        each_part(parts, |index, (kept, d_carry)| {
            let each = kept.chunks_exact_mut(KEPT * width).zip(d_carry.chunks_exact_mut(width));
            for (place, (kept, d_carry)) in (index * chunk..).zip(each) {
                let dy = &dy[rows[place] as usize * width..][..width];
                let [d_hidden, before, own] =
                    [&d_hidden[..], before, own_carry].map(|rows| &rows[place * width..][..width]);
                C::backward(dy, d_hidden, [before, own], kept, d_carry);
            }
        });
        if step > 0 {
            let own = own_gradients::<C, T>(kept, count, width);
            weight.multiply(context, own, &mut d_hidden[..count * width]);
        }
    }
}

/// `W_hh` for products `dU W_hh`.
enum BackWeight<'a> {
    Packed(PackedMatrix),
    Held(Held<'a>),
}

impl<'a> BackWeight<'a> {
    fn new(context: Context<'_>, call: RecurrentCall<'a>) -> Self {
        if context.precision == Precision::Bf16 {
            return Self::Held(Held::new(context, call.weight, true, false));
        }
        // Packed once for all steps.
        let (values, width, rows) = (call.weight.values(), call.weight.width(), call.weight.rows());
        let mut turned = vec![0.0; values.len()];
        for (row, values) in values.chunks_exact(width).enumerate() {
            values.iter().enumerate().for_each(|(column, value)| turned[column * rows + row] = *value);
        }
        Self::Packed(PackedMatrix::new(context.pool, &turned, rows, DType::F32))
    }

    fn multiply<T: Element>(&self, context: Context<'_>, gradients: Matrix<'_, T>, out: &mut [f32]) {
        match self {
            Self::Packed(packed) => {
                product_of_each_row(context.pool, gradients, packed, &Store::plain(out, packed.columns()));
            }
            Self::Held(held) => {
                let store = Store::plain(out, held.weight().width);
                match held.weight().training() {
                    (_, Some(packed)) => product_packed(context.pool, gradients, &packed.back, &store),
                    (matrix, None) => product(context.pool, context.precision, gradients, matrix, &store),
                }
            }
        }
    }
}

/// The outputs that the rows at all places follow.
fn followed<T: Stored>(
    pool: &Arc<Pool>,
    steps: &Steps,
    hidden: &[T],
    start: &[T],
    width: usize,
) -> Buffer<T> {
    let mut rows = pool.take::<T>(hidden.len());
    for step in 0..steps.count() {
        let places = steps.step(step);
        let before = before(steps, step, hidden, start, width);
        rows[places.start * width..places.end * width].copy_from_slice(before);
    }
    rows
}

vectorised! {
    /// Adds up the gradients of the gates of the recurrent product.
    fn add_rows[T: Element](kept: &[T], places: std::ops::Range<usize>, width: usize, first: usize, sum: &mut [f32]) {
        for kept in kept[places.start * KEPT * width..places.end * KEPT * width].chunks_exact(KEPT * width) {
            for (sum, value) in sum.iter_mut().zip(&kept[first * width..]) {
                *sum += value.widen();
            }
        }
    }
}
