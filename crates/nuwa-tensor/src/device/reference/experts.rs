use std::ops::Range;

use super::quantised::as_read_by;
use super::{curve, give_parameter, of};
use crate::Parameter;
use crate::device::ExpertsCall;

/// A matrix in `f64`, row by row.
fn matrix(parameter: &Parameter) -> Vec<f64> {
    parameter.to_host().into_iter().map(f64::from).collect()
}

/// `W x`.
fn times(w: &[f64], x: &[f64]) -> Vec<f64> {
    w.chunks_exact(x.len()).map(|row| dot(row, x)).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Adds `W^T y`.
fn add_transposed(total: &mut [f64], w: &[f64], y: &[f64]) {
    for (row, y) in w.chunks_exact(total.len()).zip(y) {
        total.iter_mut().zip(row).for_each(|(total, w)| *total += w * y);
    }
}

/// Adds `y x^T`.
fn add_outer(total: &mut [f64], y: &[f64], x: &[f64]) {
    for (row, y) in total.chunks_exact_mut(x.len()).zip(y) {
        row.iter_mut().zip(x).for_each(|(total, x)| *total += y * x);
    }
}

/// One row of one expert.
struct Choice {
    number: usize,
    row: usize,
    x: Vec<f64>,
    weight: f64,
    /// `f` and `f'` of the gate.
    curves: Vec<[f64; 2]>,
    value: Vec<f64>,
}

impl Choice {
    fn new(call: &ExpertsCall<'_>, gate_up: &[f64], place: usize) -> Self {
        let number = call.assignment.choices[place] as usize;
        let row = number / call.assignment.top_k;
        let width = call.experts[0].down.rows();
        let x = of(call.x)[row * width..][..width].iter().map(|x| f64::from(*x)).collect();
        let x = as_read_by(&call.experts[0].gate_up, x);
        let both = times(gate_up, &x);
        let (gate, value) = both.split_at(both.len() / 2);
        let curves = gate.iter().map(|gate| curve(call.activation, *gate)).collect();
        Self { number, row, x, weight: f64::from(of(call.weights)[number]), curves, value: value.into() }
    }

    /// `f(gate) * value`.
    fn hidden(&self) -> Vec<f64> {
        self.curves.iter().zip(&self.value).map(|([f, _], value)| f * value).collect()
    }
}

pub fn forward(call: &ExpertsCall<'_>) -> Vec<f64> {
    let width = call.experts[0].down.rows();
    let mut y = vec![0.0; of(call.x).len()];
    for (expert, places) in call.assignment.busy() {
        let expert = &call.experts[expert];
        let (gate_up, down) = (matrix(&expert.gate_up), matrix(&expert.down));
        for place in places {
            let choice = Choice::new(call, &gate_up, place);
            let out = times(&down, &as_read_by(&expert.down, choice.hidden()));
            let y = &mut y[choice.row * width..][..width];
            y.iter_mut().zip(out).for_each(|(y, out)| *y += choice.weight * out);
        }
    }
    y
}

/// The gradients of the input, and of the weights of choices.
pub fn backward(call: &ExpertsCall<'_>, dy: &[f32]) -> [Vec<f64>; 2] {
    let mut dx = vec![0.0; dy.len()];
    let mut d_weights = vec![0.0; call.assignment.choices.len()];
    for (expert, places) in call.assignment.busy() {
        backward_expert(call, expert, places, dy, [&mut dx, &mut d_weights]);
    }
    [dx, d_weights]
}

fn backward_expert(
    call: &ExpertsCall<'_>,
    expert: usize,
    places: Range<usize>,
    dy: &[f32],
    [dx, d_weights]: [&mut [f64]; 2],
) {
    let expert = &call.experts[expert];
    let (gate_up, down, width) = (matrix(&expert.gate_up), matrix(&expert.down), expert.down.rows());
    let (mut d_gate_up, mut d_down) = (vec![0.0; gate_up.len()], vec![0.0; down.len()]);
    for place in places {
        let choice = Choice::new(call, &gate_up, place);
        let dy: Vec<f64> = dy[choice.row * width..][..width].iter().map(|dy| f64::from(*dy)).collect();
        let hidden = choice.hidden();
        d_weights[choice.number] = dot(&dy, &times(&down, &hidden));
        let d_out: Vec<f64> = dy.iter().map(|dy| choice.weight * dy).collect();
        add_outer(&mut d_down, &d_out, &hidden);
        let mut d_hidden = vec![0.0; hidden.len()];
        add_transposed(&mut d_hidden, &down, &d_out);
        let each = || d_hidden.iter().zip(&choice.curves).zip(&choice.value);
        let d_gate = each().map(|((d, [_, slope]), value)| d * slope * value);
        let d_value = each().map(|((d, [f, _]), _)| d * f);
        let d_both: Vec<f64> = d_gate.chain(d_value).collect();
        add_outer(&mut d_gate_up, &d_both, &choice.x);
        add_transposed(&mut dx[choice.row * width..][..width], &gate_up, &d_both);
    }
    give_parameter(&expert.gate_up, &d_gate_up);
    give_parameter(&expert.down, &d_down);
}
