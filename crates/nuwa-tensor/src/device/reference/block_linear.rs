use super::of;
use crate::device::BlockCall;

/// Calls `visit` with the place of an output, of an input and of the element of the matrix between them, for all of them.
fn pairs(call: BlockCall<'_>, mut visit: impl FnMut(usize, usize, usize)) {
    let (width, size) = (call.bias.width(), call.weight.width());
    for row in 0..of(call.x).len() / width {
        for column in 0..width {
            let group = column / size;
            for input in 0..size {
                let element = (group * size + input) * size + column % size;
                visit(row * width + column, row * width + group * size + input, element);
            }
        }
    }
}

/// `x W + b` by groups.
pub fn forward(call: BlockCall<'_>) -> Vec<f64> {
    let (weight, bias, x) = (call.weight.to_host(), call.bias.to_host(), of(call.x));
    let mut y: Vec<f64> = bias.iter().cycle().take(x.len()).map(|b| f64::from(*b)).collect();
    pairs(call, |out, input, element| y[out] += f64::from(x[input]) * f64::from(weight[element]));
    y
}

/// The gradients of the rows, of the matrices and of the bias.
pub fn backward(call: BlockCall<'_>, dy: &[f32]) -> [Vec<f64>; 3] {
    let (weight, x) = (call.weight.to_host(), of(call.x));
    let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; weight.len()]);
    let mut db = vec![0.0; call.bias.width()];
    pairs(call, |out, input, element| {
        dx[input] += f64::from(dy[out]) * f64::from(weight[element]);
        dw[element] += f64::from(dy[out]) * f64::from(x[input]);
    });
    dy.iter().zip((0..db.len()).cycle()).for_each(|(dy, column)| db[column] += f64::from(*dy));
    [dx, dw, db]
}
