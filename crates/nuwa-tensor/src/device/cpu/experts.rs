//! Experts: rows are gathered in the order of their experts, each expert multiplies its part, and the results are added up
//! row by row.

use std::ops::Range;
use std::sync::Arc;

use super::kernels::activation::{self, Curve, with_curve};
use super::kernels::linear::{self, Context, Held};
use super::product::Store;
use crate::calls::Assignment;
use crate::device::{Buffer, ExpertsCall, Pool, Slot, Storage, Stored, with_dtype, with_slot, with_values};
use crate::element::{Element, convert};
use crate::parallel::{CHUNK_ELEMENTS, chunks, each_part, rows_mut};
use crate::simd::{LANES, MultiplyAdd, sum_of_lanes, vectorised};

/// The rows, and `[gate | value]` of each choice, in order.
pub fn forward(pool: &Arc<Pool>, call: &ExpertsCall<'_>) -> (Storage, Storage) {
    with_dtype!(call.precision, T => with_values!(call.x, x => {
        let (y, gate_up) = forward_of::<_, T>(pool, call, x);
        (y.into(), gate_up.into())
    }))
}

fn forward_of<A: Stored, T: Stored>(
    pool: &Arc<Pool>,
    call: &ExpertsCall<'_>,
    x: &[A],
) -> (Buffer<f32>, Buffer<T>) {
    let sizes = Sizes::of(call);
    let Sizes { choices, width, inner } = sizes;
    let context = Context { pool, precision: call.precision };
    let held = |weight| Held::new(context, weight, call.is_tracked, call.batch_invariant);
    let sorted: Buffer<A> = gather(pool, call.assignment, x, width);
    let mut gate_up = pool.take::<T>(choices * 2 * inner);
    for (expert, places) in call.assignment.busy() {
        let (rows, out) = (part(&places, width), part(&places, 2 * inner));
        let store = Store::plain(&mut gate_up[out], 2 * inner);
        linear::forward(context, &sorted[rows], held(&call.experts[expert].gate_up).weight(), &store);
    }
    let mut hidden = pool.take::<T>(choices * inner);
    with_curve!(call.activation, curve => {
        activation::gated_forward(curve, &gate_up, &mut hidden, inner);
    });
    let mut results = pool.take::<f32>(choices * width);
    for (expert, places) in call.assignment.busy() {
        let (rows, out) = (part(&places, inner), part(&places, width));
        let store = Store::plain(&mut results[out], width);
        linear::forward(context, &hidden[rows], held(&call.experts[expert].down).weight(), &store);
    }
    let mut y = pool.take::<f32>(x.len());
    let weights = Stored::of(call.weights);
    rows_mut(&mut y, width, |first, y| add_weighted(call.assignment, &results, weights, first, y, width));
    (y, gate_up)
}

/// Sizes of a layer.
#[derive(Clone, Copy)]
struct Sizes {
    choices: usize,
    width: usize,
    inner: usize,
}

impl Sizes {
    fn of(call: &ExpertsCall<'_>) -> Self {
        let down = &call.experts[0].down;
        Self { choices: call.assignment.choices.len(), width: down.rows(), inner: down.width() }
    }
}

/// Elements of rows of `width` at these places.
fn part(places: &Range<usize>, width: usize) -> Range<usize> {
    places.start * width..places.end * width
}

/// The row of each place, one after the other.
fn gather<S: Stored, T: Stored>(
    pool: &Arc<Pool>,
    assignment: &Assignment,
    x: &[S],
    width: usize,
) -> Buffer<T> {
    let rows = assignment.rows();
    let mut sorted = pool.take::<T>(rows.len() * width);
    rows_mut(&mut sorted, width, |first, sorted| {
        for (out, &row) in sorted.chunks_exact_mut(width).zip(&rows[first..]) {
            convert(&x[row as usize * width..][..width], out);
        }
    });
    sorted
}

vectorised! {
    /// The results of each row's choices, times their weights.
    fn add_weighted(assignment: &Assignment, results: &[f32], weights: &[f32], first: usize, y: &mut [f32], width: usize) {
        let top_k = assignment.top_k;
        for (row, y) in (first..).zip(y.chunks_exact_mut(width)) {
            for choice in row * top_k..(row + 1) * top_k {
                let result = &results[assignment.places[choice] as usize * width..][..width];
                let weight = weights[choice];
                if choice == row * top_k {
                    y.iter_mut().zip(result).for_each(|(y, result)| *y = weight * result);
                } else {
                    y.iter_mut().zip(result).for_each(|(y, result)| *y += weight * result);
                }
            }
        }
    }
}

/// The gradient of the weights; those of the input and the matrices go where they belong.
pub fn backward(
    pool: &Arc<Pool>,
    call: &ExpertsCall<'_>,
    mut gate_up: Storage,
    dy: &Storage,
    dx: Option<Slot<'_>>,
) -> Storage {
    with_dtype!(call.precision, T => with_values!(call.x, x => {
        backward_of::<_, T>(pool, call, x, T::of_mut(&mut gate_up), Stored::of(dy), dx)
    }))
}

fn backward_of<A: Stored, T: Stored>(
    pool: &Arc<Pool>,
    call: &ExpertsCall<'_>,
    x: &[A],
    gate_up: &mut [T],
    dy: &[f32],
    dx: Option<Slot<'_>>,
) -> Storage {
    let Sizes { choices, width, inner } = Sizes::of(call);
    let context = Context { pool, precision: call.precision };
    let dy: Buffer<T> = gather(pool, call.assignment, dy, width);
    let mut hidden = pool.take::<T>(choices * inner);
    for (expert, places) in call.assignment.busy() {
        let held = Held::new(context, &call.experts[expert].down, true, false);
        let (rows, out) = (part(&places, width), part(&places, inner));
        linear::backward_input(context, &dy[rows], held.weight(), &mut hidden[out], false);
    }
    let d_weights = turn(pool, call, gate_up, &mut hidden, inner);
    let sorted: Buffer<A> = gather(pool, call.assignment, x, width);
    for (expert, places) in call.assignment.busy() {
        let [rows, half, both] = [width, inner, 2 * inner].map(|width| part(&places, width));
        let expert = &call.experts[expert];
        expert.down.accumulate(|dw| {
            linear::backward_weight(context, &dy[rows.clone()], &hidden[half], dw, inner);
        });
        expert.gate_up.accumulate(|dw| {
            linear::backward_weight(context, &gate_up[both], &sorted[rows], dw, width);
        });
    }
    if let Some(dx) = dx {
        let mut d_sorted = pool.take::<T>(choices * width);
        for (expert, places) in call.assignment.busy() {
            let held = Held::new(context, &call.experts[expert].gate_up, true, false);
            let (rows, out) = (part(&places, 2 * inner), part(&places, width));
            linear::backward_input(context, &gate_up[rows], held.weight(), &mut d_sorted[out], false);
        }
        with_slot!(dx, |dx, accumulate| rows_mut(dx, width, |first, dx| {
            add_choices(call.assignment, &d_sorted, first, dx, width, accumulate);
        }));
    }
    d_weights
}

/// Makes of `[gate | value]` its gradient, and of `hidden`, which is `dy D`, the hidden rows times their weights; gives the
/// gradient of the weights.
fn turn<T: Stored>(
    pool: &Arc<Pool>,
    call: &ExpertsCall<'_>,
    gate_up: &mut [T],
    hidden: &mut [T],
    inner: usize,
) -> Storage {
    let Assignment { choices, .. } = call.assignment;
    let weights = <f32 as Stored>::of(call.weights);
    let mut in_order = pool.take::<f32>(choices.len());
    let rows = (CHUNK_ELEMENTS / inner).max(1);
    let hidden_rows = (chunks(gate_up, rows * 2 * inner), chunks(hidden, rows * inner));
    each_part((hidden_rows, chunks(&mut in_order, rows)), |index, ((gate_up, hidden), slopes)| {
        let choices = &choices[index * rows..][..slopes.len()];
        with_curve!(call.activation, curve => {
            turn_rows(curve, gate_up, hidden, slopes, choices, weights, inner);
        });
    });
    let mut d_weights = pool.take::<f32>(choices.len());
    for (slope, &choice) in in_order.iter().zip(choices) {
        d_weights[choice as usize] = *slope;
    }
    d_weights.into()
}

vectorised! {
    fn turn_rows with m [C: Curve, T: Element](
        curve: C,
        gate_up: &mut [T],
        hidden: &mut [T],
        slopes: &mut [f32],
        choices: &[u32],
        weights: &[f32],
        inner: usize,
    ) {
        let rows = gate_up.chunks_exact_mut(2 * inner).zip(hidden.chunks_exact_mut(inner));
        for ((gate_up, hidden), (slope, &choice)) in rows.zip(slopes.iter_mut().zip(choices)) {
            let (gate, value) = gate_up.split_at_mut(inner);
            let weight = weights[choice as usize];
            let (gates, gate_rest) = gate.as_chunks_mut::<LANES>();
            let (values, value_rest) = value.as_chunks_mut::<LANES>();
            let (hiddens, hidden_rest) = hidden.as_chunks_mut::<LANES>();
            let mut lanes = [0.0; LANES];
            for ((gate, value), hidden) in gates.iter_mut().zip(values).zip(hiddens) {
                turn_block(m, curve, gate, value, hidden, weight, &mut lanes);
            }
            turn_block(m, curve, gate_rest, value_rest, hidden_rest, weight, &mut lanes);
            *slope = sum_of_lanes(lanes);
        }
    }
}

/// Up to [`LANES`] elements of a row.
#[inline(always)]
fn turn_block<C: Curve, T: Element>(
    m: impl MultiplyAdd,
    curve: C,
    gate: &mut [T],
    value: &mut [T],
    hidden: &mut [T],
    weight: f32,
    lanes: &mut [f32; LANES],
) {
    for (((gate, value), hidden), lane) in gate.iter_mut().zip(value).zip(hidden).zip(lanes) {
        let (f, slope) = curve.at::<T>(m, gate.widen());
        let (up, d_result) = (value.widen(), hidden.widen());
        let d_hidden = weight * d_result;
        *lane = m.multiply_add(f * up, d_result, *lane);
        *gate = T::narrow(d_hidden * up * slope);
        *value = T::narrow(d_hidden * f);
        *hidden = T::narrow(weight * f * up);
    }
}

vectorised! {
    /// The sums over each row's choices.
    fn add_choices[S: Element, T: Element](
        assignment: &Assignment,
        d_sorted: &[S],
        first: usize,
        dx: &mut [T],
        width: usize,
        accumulate: bool,
    ) {
        let mut sum = vec![0.0; width];
        for (row, dx) in (first..).zip(dx.chunks_exact_mut(width)) {
            let places = &assignment.places[row * assignment.top_k..][..assignment.top_k];
            sum.fill(0.0);
            for &place in places {
                let part = &d_sorted[place as usize * width..][..width];
                sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part.widen());
            }
            if accumulate {
                sum.iter_mut().zip(&*dx).for_each(|(sum, dx)| *sum += dx.widen());
            }
            convert(&sum, dx);
        }
    }
}
