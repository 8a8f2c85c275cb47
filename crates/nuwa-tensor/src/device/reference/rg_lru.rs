use super::of;
use crate::device::RgLruCall;

/// What one feature of one row is made of.
struct Unit {
    x: f64,
    input: f64,
    recurrent: f64,
    /// `log a`.
    log: f64,
    /// The square of the factor of the input.
    rest: f64,
    /// Whether nothing stands before it.
    begins: bool,
    before: f64,
    after: f64,
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The units of a feature along a run.
fn units(call: RgLruCall<'_>, run: usize, feature: usize, decay: f64) -> Vec<Unit> {
    let width = call.decay.width();
    let mut state = call.state.map_or(0.0, |state| f64::from(of(state)[run * width + feature]));
    let unit = |(at, row): (usize, usize)| {
        let [x, input, recurrent] = call.inputs.map(|rows| f64::from(of(rows)[row * width + feature]));
        let (input, recurrent) = (sigmoid(input), sigmoid(recurrent));
        let log = -8.0 * recurrent * decay.exp().ln_1p();
        let (begins, before) = (call.runs.is_fresh(run) && at == 0, state);
        let rest = -(2.0 * log).exp_m1();
        state = if begins { input * x } else { log.exp() * state + rest.sqrt() * input * x };
        Unit { x, input, recurrent, log, rest, begins, before, after: state }
    };
    call.runs.range(run).enumerate().map(unit).collect()
}

/// The states of all rows, and those after each run.
pub fn forward(call: RgLruCall<'_>) -> (Vec<f64>, Vec<f64>) {
    let width = call.decay.width();
    let mut y = vec![0.0; call.runs.rows() * width];
    let mut last = vec![0.0; call.runs.count() * width];
    for (feature, decay) in call.decay.to_host().into_iter().enumerate() {
        for run in 0..call.runs.count() {
            let place = run * width + feature;
            last[place] = call.state.map_or(0.0, |state| f64::from(of(state)[place]));
            let units = units(call, run, feature, f64::from(decay));
            for (row, unit) in call.runs.range(run).zip(units) {
                y[row * width + feature] = unit.after;
                last[place] = unit.after;
            }
        }
    }
    (y, last)
}

/// The gradients of the three inputs, and of the decay.
pub fn backward(call: RgLruCall<'_>, dy: &[f32]) -> ([Vec<f64>; 3], Vec<f64>) {
    let width = call.decay.width();
    let mut slopes = [(); 3].map(|()| vec![0.0; dy.len()]);
    let mut d_decay = vec![0.0; width];
    for (feature, decay) in call.decay.to_host().into_iter().map(f64::from).enumerate() {
        for run in 0..call.runs.count() {
            let units = units(call, run, feature, decay);
            let mut later = 0.0;
            for (row, unit) in call.runs.range(run).zip(&units).rev() {
                let place = row * width + feature;
                let (slope, a) = (f64::from(dy[place]) + later, unit.log.exp());
                let factor = if unit.begins { 1.0 } else { unit.rest.sqrt() };
                let bounded = (4.0 * unit.rest).max(1e-6).sqrt();
                let of_root = slope * unit.input * unit.x / bounded;
                let d_log = if unit.begins { 0.0 } else { slope * unit.before * a - 2.0 * a * a * of_root };
                later = if unit.begins { 0.0 } else { slope * a };
                let d_input = slope * factor * unit.x * unit.input * (1.0 - unit.input);
                let d_recurrent =
                    d_log * -8.0 * decay.exp().ln_1p() * unit.recurrent * (1.0 - unit.recurrent);
                slopes[0][place] = slope * factor * unit.input;
                slopes[1][place] = d_input;
                slopes[2][place] = d_recurrent;
                d_decay[feature] += d_log * -8.0 * unit.recurrent * sigmoid(decay);
            }
        }
    }
    (slopes, d_decay)
}
