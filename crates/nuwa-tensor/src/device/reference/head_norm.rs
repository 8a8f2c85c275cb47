use super::{norm_backward, root_mean_square};
use crate::device::HeadNormCall;

/// Queries and keys of each row in groups as wide as their weight.
pub fn forward(call: HeadNormCall<'_>, x: &[f32]) -> Vec<f64> {
    let mut y: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
    for (weight, columns) in call.weights.iter().zip(call.heads.query_and_key_columns()) {
        let weight = weight.to_host();
        let rows = y.chunks_exact_mut(call.heads.width()).zip(x.chunks_exact(call.heads.width()));
        for (y, x) in rows {
            let groups = y[columns.clone()].chunks_exact_mut(weight.len());
            for (y, x) in groups.zip(x[columns.clone()].chunks_exact(weight.len())) {
                let scale = root_mean_square(x, call.epsilon);
                y.iter_mut().zip(&weight).for_each(|(y, w)| *y *= scale * f64::from(*w));
            }
        }
    }
    y
}

/// The gradients of the rows, of the weight of queries, and of that of keys.
pub fn backward(call: HeadNormCall<'_>, x: &[f32], dy: &[f32]) -> [Vec<f64>; 3] {
    let width = call.heads.width();
    let mut d_input: Vec<f64> = dy.iter().map(|dy| f64::from(*dy)).collect();
    let d_weights = [0, 1].map(|index| {
        let (weight, columns) = (call.weights[index], call.heads.query_and_key_columns()[index].clone());
        let part = |rows: &[f32]| -> Vec<f32> {
            rows.chunks_exact(width).flat_map(|row| &row[columns.clone()]).copied().collect()
        };
        let moments = |x: &[f32]| [0.0, root_mean_square(x, call.epsilon)];
        let [dx, dw, _] = norm_backward([&part(x), &part(dy)], &weight.to_host(), moments, false);
        for (row, dx) in d_input.chunks_exact_mut(width).zip(dx.chunks_exact(columns.len())) {
            row[columns.clone()].copy_from_slice(dx);
        }
        dw
    });
    let [d_queries, d_keys] = d_weights;
    [d_input, d_queries, d_keys]
}
