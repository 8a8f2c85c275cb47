use super::of;
use crate::calls::RecurrentCell;
use crate::device::RecurrentCall;

/// One step of one run: the gates, and the state before and after it.
struct Step {
    row: usize,
    /// Of the LSTM `[i | f | g | o]`, of the GRU `[r | z | n]`.
    gates: Vec<f64>,
    /// Of the GRU what `r` is multiplied by.
    of_new: Vec<f64>,
    before: State,
    after: State,
}

/// The output and what else is carried along: of the LSTM the cell, of the GRU the output again.
#[derive(Clone)]
struct State {
    hidden: Vec<f64>,
    carry: Vec<f64>,
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `W h + b`.
fn product(weight: &[f32], bias: &[f32], hidden: &[f64]) -> Vec<f64> {
    let rows = weight.chunks_exact(hidden.len()).zip(bias);
    rows.map(|(w, b)| f64::from(*b) + w.iter().zip(hidden).map(|(w, h)| f64::from(*w) * h).sum::<f64>())
        .collect()
}

/// The state from which a run begins.
fn begin(call: RecurrentCall<'_>, run: usize) -> State {
    let (width, states) = (call.weight.width(), call.cell.states());
    let Some(state) = call.state else {
        return State { hidden: vec![0.0; width], carry: vec![0.0; width] };
    };
    let own: Vec<f64> =
        of(state)[run * states * width..][..states * width].iter().map(|x| f64::from(*x)).collect();
    State { hidden: own[..width].to_vec(), carry: own[(states - 1) * width..].to_vec() }
}

/// The steps of a run, and the state after it.
fn steps(call: RecurrentCall<'_>, run: usize) -> (Vec<Step>, State) {
    let (weight, bias, width) = (call.weight.to_host(), call.bias.to_host(), call.weight.width());
    let mut state = begin(call, run);
    let mut steps = Vec::new();
    for row in call.runs.range(run) {
        let own = product(&weight, &bias, &state.hidden);
        let x = &of(call.gates)[row * own.len()..][..own.len()];
        let gate = |index: usize, at: usize| f64::from(x[index * width + at]) + own[index * width + at];
        let mut gates = vec![0.0; own.len()];
        let mut after = state.clone();
        for at in 0..width {
            match call.cell {
                RecurrentCell::Lstm => {
                    let [i, f, o] = [0, 1, 3].map(|index| sigmoid(gate(index, at)));
                    let g = gate(2, at).tanh();
                    after.carry[at] = f * state.carry[at] + i * g;
                    after.hidden[at] = o * after.carry[at].tanh();
                    [i, f, g, o]
                        .iter()
                        .enumerate()
                        .for_each(|(index, value)| gates[index * width + at] = *value);
                }
                RecurrentCell::Gru => {
                    let [r, z] = [0, 1].map(|index| sigmoid(gate(index, at)));
                    let n = (f64::from(x[2 * width + at]) + r * own[2 * width + at]).tanh();
                    after.hidden[at] = (1.0 - z) * n + z * state.hidden[at];
                    after.carry[at] = after.hidden[at];
                    [r, z, n]
                        .iter()
                        .enumerate()
                        .for_each(|(index, value)| gates[index * width + at] = *value);
                }
            }
        }
        let of_new = own[own.len() - width..].to_vec();
        steps.push(Step { row, gates, of_new, before: state, after: after.clone() });
        state = after;
    }
    (steps, state)
}

/// The outputs, and the states after each run.
pub fn forward(call: RecurrentCall<'_>) -> (Vec<f64>, Vec<f64>) {
    let (mut rows, mut last) = (Vec::new(), Vec::new());
    for run in 0..call.runs.count() {
        let (steps, state) = steps(call, run);
        steps.into_iter().for_each(|step| rows.extend(step.after.hidden));
        last.extend(state.hidden);
        if call.cell == RecurrentCell::Lstm {
            last.extend(state.carry);
        }
    }
    (rows, last)
}

/// The gradients of the gates, of the matrix and of the bias.
pub fn backward(call: RecurrentCall<'_>, dy: &[f32]) -> [Vec<f64>; 3] {
    let (width, all) = (call.weight.width(), call.weight.rows());
    let weight = call.weight.to_host();
    let mut slopes = vec![0.0; call.runs.rows() * all];
    let (mut dw, mut db) = (vec![0.0; weight.len()], vec![0.0; all]);
    for run in 0..call.runs.count() {
        let (mut d_hidden, mut d_carry) = (vec![0.0; width], vec![0.0; width]);
        for step in steps(call, run).0.iter().rev() {
            let mut own = vec![0.0; all];
            for at in 0..width {
                let slope = f64::from(dy[step.row * width + at]) + d_hidden[at];
                let (of_input, of_own, carried) = gate_slopes(call.cell, step, at, slope, d_carry[at]);
                for (index, (input, product)) in of_input.iter().zip(of_own).enumerate() {
                    slopes[step.row * all + index * width + at] = *input;
                    own[index * width + at] = product;
                }
                d_carry[at] = carried;
            }
            d_hidden = vec![0.0; width];
            for (row, slope) in own.iter().enumerate() {
                db[row] += slope;
                for at in 0..width {
                    dw[row * width + at] += slope * step.before.hidden[at];
                    d_hidden[at] += slope * f64::from(weight[row * width + at]);
                }
            }
        }
    }
    [slopes, dw, db]
}

/// The gradients of the gates of the input, of those of the product, and of the carry before, of one feature.
fn gate_slopes(
    cell: RecurrentCell,
    step: &Step,
    at: usize,
    slope: f64,
    d_carry: f64,
) -> (Vec<f64>, Vec<f64>, f64) {
    let width = step.of_new.len();
    let gate = |index: usize| step.gates[index * width + at];
    match cell {
        RecurrentCell::Lstm => {
            let [i, f, g, o] = [0, 1, 2, 3].map(gate);
            let squashed = step.after.carry[at].tanh();
            let d_cell = slope * o * (1.0 - squashed * squashed) + d_carry;
            let slopes = vec![
                d_cell * g * i * (1.0 - i),
                d_cell * step.before.carry[at] * f * (1.0 - f),
                d_cell * i * (1.0 - g * g),
                slope * squashed * o * (1.0 - o),
            ];
            (slopes.clone(), slopes, d_cell * f)
        }
        RecurrentCell::Gru => {
            let [r, z, n] = [0, 1, 2].map(gate);
            let slope = slope + d_carry;
            let d_new = slope * (1.0 - z) * (1.0 - n * n);
            let d_reset = d_new * step.of_new[at] * r * (1.0 - r);
            let d_update = slope * (step.before.hidden[at] - n) * z * (1.0 - z);
            (vec![d_reset, d_update, d_new], vec![d_reset, d_update, d_new * r], slope * z)
        }
    }
}
