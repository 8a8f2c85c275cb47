use super::of;
use crate::device::ConvCall;

/// The row that place `at` of a run holds, counted from its first row: what stands before is of the state, or 0.
fn row(call: ConvCall<'_>, run: usize, at: isize) -> Vec<f64> {
    let (width, kept) = (call.bias.width(), call.weight.width() - 1);
    let wide = |values: &[f32]| values.iter().map(|x| f64::from(*x)).collect();
    if at >= 0 {
        return wide(&of(call.x)[(call.runs.range(run).start + at as usize) * width..][..width]);
    }
    let before = |state| {
        let index = run * kept + (kept as isize + at) as usize;
        wide(&of(state)[index * width..][..width])
    };
    call.state.map_or_else(|| vec![0.0; width], before)
}

/// The rows, and the last ones of each run.
pub fn forward(call: ConvCall<'_>) -> (Vec<f64>, Vec<f64>) {
    let (weight, bias, taps) = (call.weight.to_host(), call.bias.to_host(), call.weight.width());
    let (mut y, mut last) = (Vec::new(), Vec::new());
    for run in 0..call.runs.count() {
        let length = call.runs.range(run).len();
        for at in 0..length {
            let mut sum: Vec<f64> = bias.iter().map(|b| f64::from(*b)).collect();
            for tap in 0..taps {
                let x = row(call, run, (at + tap) as isize - (taps - 1) as isize);
                for (feature, x) in x.iter().enumerate() {
                    sum[feature] += x * f64::from(weight[feature * taps + tap]);
                }
            }
            y.extend(sum);
        }
        (0..taps - 1).for_each(|index| {
            last.extend(row(call, run, (length + index) as isize - (taps - 1) as isize));
        });
    }
    (y, last)
}

/// The gradients of the rows, of the taps and of the bias.
pub fn backward(call: ConvCall<'_>, dy: &[f32]) -> [Vec<f64>; 3] {
    let (weight, width, taps) = (call.weight.to_host(), call.bias.width(), call.weight.width());
    let mut dx = vec![0.0; dy.len()];
    let (mut dw, mut db) = (vec![0.0; weight.len()], vec![0.0; width]);
    for run in 0..call.runs.count() {
        let rows = call.runs.range(run);
        for at in 0..rows.len() {
            for feature in 0..width {
                let slope = f64::from(dy[(rows.start + at) * width + feature]);
                db[feature] += slope;
                for tap in 0..taps {
                    let place = (at + tap) as isize - (taps - 1) as isize;
                    dw[feature * taps + tap] += slope * row(call, run, place)[feature];
                    if place >= 0 {
                        let other = (rows.start + place as usize) * width + feature;
                        dx[other] += slope * f64::from(weight[feature * taps + tap]);
                    }
                }
            }
        }
    }
    [dx, dw, db]
}
