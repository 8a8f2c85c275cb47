use crate::element::Element;

/// In f64 and in order, so that the sum does not depend on threads.
pub fn forward<X: Element>(x: &[X], weights: &[f32]) -> f32 {
    x.iter().zip(weights).map(|(&x, &weight)| f64::from(x.widen()) * f64::from(weight)).sum::<f64>() as f32
}

pub fn backward<X: Element>(dy: f32, weights: &[f32], dx: &mut [X], accumulate: bool) {
    for (dx, weight) in dx.iter_mut().zip(weights) {
        let before = if accumulate { dx.widen() } else { 0.0 };
        *dx = X::narrow(before + dy * weight);
    }
}
