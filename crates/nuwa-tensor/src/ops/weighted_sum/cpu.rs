/// In f64 and in order, so that the sum does not depend on threads.
pub fn forward(x: &[f32], weights: &[f32]) -> f32 {
    x.iter().zip(weights).map(|(&x, &weight)| f64::from(x) * f64::from(weight)).sum::<f64>() as f32
}

pub fn backward(dy: f32, weights: &[f32], dx: &mut [f32], accumulate: bool) {
    for (dx, weight) in dx.iter_mut().zip(weights) {
        *dx = if accumulate { *dx + dy * weight } else { dy * weight };
    }
}
