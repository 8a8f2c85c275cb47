use super::{Affine, HeadCall, affine, give_parameter, of};
use crate::calls::Loss;

/// The loss of each row and, where weights for it are given, the gradient of the hidden rows; those of the head are added up.
pub fn losses(call: &HeadCall<'_>, found: &mut Loss) -> Option<Vec<f64>> {
    let (vocabulary, smoothing, z_loss) = (call.weight.rows(), f64::from(call.smoothing), f64::from(call.z));
    let (precision, x, weight, bias) = (call.precision, call.hidden, call.weight, call.bias);
    let mut logits = affine(Affine { precision, x, weight, bias, is_tracked: false, batch_invariant: false });
    for (row, logits) in logits.chunks_exact_mut(vocabulary).enumerate() {
        let target = call.targets[row] as usize;
        let cap = call.softcap.map(f64::from);
        if let Some(cap) = cap {
            logits.iter_mut().for_each(|z| *z = cap * (*z / cap).tanh());
        }
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_total = largest + logits.iter().map(|z| (z - largest).exp()).sum::<f64>().ln();
        let mean = logits.iter().sum::<f64>() / vocabulary as f64;
        found.hits[row] = logits[target] >= largest;
        let smoothed = (1.0 - smoothing) * (log_total - logits[target]) + smoothing * (log_total - mean);
        found.rows[row] = (smoothed + z_loss * log_total.powi(2)) as f32;
        let larger = 1.0 + 2.0 * z_loss * log_total;
        let weight = call.gradients.map_or(0.0, |weights| f64::from(weights[row]));
        for (id, z) in logits.iter_mut().enumerate() {
            let wanted = if id == target { 1.0 - smoothing } else { 0.0 } + smoothing / vocabulary as f64;
            let slope = cap.map_or(1.0, |cap| 1.0 - (*z / cap).powi(2));
            *z = weight * (larger * (*z - log_total).exp() - wanted) * slope;
        }
    }
    call.gradients.is_some().then(|| backward(call, &logits))
}

/// `dh = g W`, `dW = g^T h`, `db = sum over rows of g`.
fn backward(call: &HeadCall<'_>, gradients: &[f64]) -> Vec<f64> {
    let (hidden, weight, width) = (of(call.hidden), call.weight.to_host(), call.weight.width());
    let vocabulary = call.weight.rows();
    let mut d_hidden = vec![0.0; hidden.len()];
    let (mut d_weight, mut d_bias) = (vec![0.0; weight.len()], vec![0.0; vocabulary]);
    for (row, gradients) in gradients.chunks_exact(vocabulary).enumerate() {
        for (id, g) in gradients.iter().enumerate() {
            d_bias[id] += g;
            for column in 0..width {
                d_hidden[row * width + column] += g * f64::from(weight[id * width + column]);
                d_weight[id * width + column] += g * f64::from(hidden[row * width + column]);
            }
        }
    }
    give_parameter(call.weight, &d_weight);
    call.bias.into_iter().for_each(|bias| give_parameter(bias, &d_bias));
    d_hidden
}
