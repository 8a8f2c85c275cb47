use super::of;
use crate::device::{RouteCall, RoutedRows, RouterSlopes};

/// The weights of choices; probabilities and logarithms of sums; the experts.
pub fn forward(call: RouteCall, logits: &[f32]) -> (Vec<f64>, [Vec<f64>; 2], Vec<u32>) {
    let (mut weights, mut probabilities, mut log_sums) = (Vec::new(), Vec::new(), Vec::new());
    let mut chosen = Vec::new();
    for logits in logits.chunks_exact(call.experts) {
        let log_sum = logits.iter().map(|z| f64::from(*z).exp()).sum::<f64>().ln();
        let p: Vec<f64> = logits.iter().map(|z| (f64::from(*z) - log_sum).exp()).collect();
        let mut order: Vec<usize> = (0..call.experts).collect();
        // Stable: of equal ones the lower index stays first.
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        let best = &order[..call.routing.top_k];
        let sum = if call.routing.renormalise { best.iter().map(|&e| p[e]).sum() } else { 1.0 };
        weights.extend(best.iter().map(|&e| p[e] / sum));
        chosen.extend(best.iter().map(|&e| e as u32));
        probabilities.extend(p);
        log_sums.push(log_sum);
    }
    (weights, [probabilities, log_sums], chosen)
}

/// The gradient of the logits.
pub fn backward(call: RouteCall, saved: &RoutedRows, dw: &[f32], slopes: &RouterSlopes) -> Vec<f64> {
    let (experts, top_k) = (call.experts, call.routing.top_k);
    let mut d_logits = Vec::new();
    for (row, p) in of(&saved.probabilities).chunks_exact(experts).enumerate() {
        let (chosen, dw) = (&saved.chosen[row * top_k..][..top_k], &dw[row * top_k..][..top_k]);
        let p: Vec<f64> = p.iter().map(|p| f64::from(*p)).collect();
        let mut dp = vec![0.0; experts];
        dp.iter_mut().zip(&slopes.probabilities).for_each(|(dp, slope)| *dp = f64::from(*slope));
        let sum: f64 = chosen.iter().map(|&e| p[e as usize]).sum();
        let both = || chosen.iter().map(|&e| e as usize).zip(dw.iter().map(|dw| f64::from(*dw)));
        let along: f64 = both().map(|(e, dw)| dw * p[e] / sum).sum();
        for (e, dw) in both() {
            dp[e] += if call.routing.renormalise { (dw - along) / sum } else { dw };
        }
        let mean: f64 = dp.iter().zip(&p).map(|(dp, p)| dp * p).sum();
        let size = 2.0 * f64::from(slopes.square) * f64::from(of(&saved.log_sums)[row]);
        d_logits.extend(dp.iter().zip(&p).map(|(dp, p)| p * (dp - mean + size)));
    }
    d_logits
}
