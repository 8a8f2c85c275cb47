use super::of;
use crate::device::BatchNormCall;

/// `[mean | biased variance]` of each column.
pub fn moments(x: &[f32], width: usize) -> Vec<f64> {
    let rows = (x.len() / width) as f64;
    let column = |index: usize| x.iter().skip(index).step_by(width).map(|x| f64::from(*x));
    let means: Vec<f64> = (0..width).map(|index| column(index).sum::<f64>() / rows).collect();
    let squares = |index: usize| column(index).map(|x| (x - means[index]).powi(2)).sum::<f64>();
    let variances: Vec<f64> = (0..width).map(|index| squares(index) / rows).collect();
    [means, variances].concat()
}

pub fn forward(call: BatchNormCall<'_>, x: &[f32]) -> Vec<f64> {
    let (weight, bias) = (call.weight.to_host(), call.bias.to_host());
    let each = x.iter().enumerate().map(|(index, x)| {
        let column = index % weight.len();
        normalised(call, column, *x) * f64::from(weight[column]) + f64::from(bias[column])
    });
    each.collect()
}

/// The gradients of the rows, of the weight and of the bias.
pub fn backward(call: BatchNormCall<'_>, x: &[f32], dy: &[f32]) -> [Vec<f64>; 3] {
    let weight = call.weight.to_host();
    let width = weight.len();
    let (mut dw, mut db) = (vec![0.0; width], vec![0.0; width]);
    for (index, (x, dy)) in x.iter().zip(dy).enumerate() {
        dw[index % width] += f64::from(*dy) * normalised(call, index % width, *x);
        db[index % width] += f64::from(*dy);
    }
    let share = if call.is_of_rows { width as f64 / x.len() as f64 } else { 0.0 };
    let d_input = x.iter().zip(dy).enumerate().map(|(index, (x, dy))| {
        let column = index % width;
        let through = share * (db[column] + normalised(call, column, *x) * dw[column]);
        f64::from(weight[column]) * scale(call, column) * (f64::from(*dy) - through)
    });
    [d_input.collect(), dw, db]
}

fn normalised(call: BatchNormCall<'_>, column: usize, x: f32) -> f64 {
    (f64::from(x) - f64::from(of(call.moments)[column])) * scale(call, column)
}

fn scale(call: BatchNormCall<'_>, column: usize) -> f64 {
    let variance = of(call.moments)[call.weight.width() + column];
    1.0 / (f64::from(variance) + f64::from(call.epsilon)).sqrt()
}
