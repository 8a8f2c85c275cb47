//! Rows to experts: one pass over the logits, which are few.

use std::sync::Arc;

use crate::device::{Pool, RouteCall, RoutedRows, RouterSlopes, Slot, Storage, Stored, with_slot};
use crate::element::Element;
use crate::parallel::rows_mut;
use crate::simd::{exp, maximum, vectorised};

pub fn forward(pool: &Arc<Pool>, call: RouteCall, logits: &[f32]) -> (Storage, RoutedRows) {
    let RouteCall { experts, routing } = call;
    let rows = logits.len() / experts;
    let mut probabilities = pool.take::<f32>(logits.len());
    rows_mut(&mut probabilities, experts, |first, out| softmax(&logits[first * experts..], out, experts));
    let mut log_sums = pool.take::<f32>(rows);
    for (sum, (z, p)) in log_sums.iter_mut().zip(logits.chunks(experts).zip(probabilities.chunks(experts))) {
        *sum = log_sum(z, p);
    }
    let mut chosen = vec![0; rows * routing.top_k];
    rows_mut(&mut chosen, routing.top_k, |first, chosen| {
        let rows = logits[first * experts..].chunks_exact(experts);
        chosen.chunks_exact_mut(routing.top_k).zip(rows).for_each(|(chosen, logits)| choose(logits, chosen));
    });
    let mut weights = pool.take::<f32>(chosen.len());
    let each = weights.chunks_exact_mut(routing.top_k).zip(chosen.chunks_exact(routing.top_k));
    for ((weights, chosen), p) in each.zip(probabilities.chunks_exact(experts)) {
        weigh(call, weights, chosen, p);
    }
    (weights.into(), RoutedRows { chosen, probabilities: probabilities.into(), log_sums: log_sums.into() })
}

vectorised! {
    fn softmax with m (logits: &[f32], out: &mut [f32], experts: usize) {
        for (p, z) in out.chunks_exact_mut(experts).zip(logits.chunks_exact(experts)) {
            let largest = maximum(z);
            p.iter_mut().zip(z).for_each(|(p, z)| *p = exp(m, z - largest));
            let scale = 1.0 / p.iter().sum::<f32>();
            p.iter_mut().for_each(|p| *p *= scale);
        }
    }
}

/// `z_e - log p_e` of the most likely expert of a row.
fn log_sum(logits: &[f32], probabilities: &[f32]) -> f32 {
    let largest = maximum(logits);
    largest - maximum(probabilities).ln()
}

/// The experts of the largest logits, the largest first, of equal ones the first.
fn choose(logits: &[f32], chosen: &mut [u32]) {
    for count in 0..chosen.len() {
        let (before, next) = chosen.split_at_mut(count);
        let mut best = None;
        for (expert, &logit) in logits.iter().enumerate() {
            let is_better = best.is_none_or(|(_, other)| logit > other);
            if is_better && !before.contains(&(expert as u32)) {
                best = Some((expert as u32, logit));
            }
        }
        next[0] = best.map_or(0, |(expert, _)| expert);
    }
}

fn weigh(call: RouteCall, weights: &mut [f32], chosen: &[u32], p: &[f32]) {
    weights.iter_mut().zip(chosen).for_each(|(weight, &expert)| *weight = p[expert as usize]);
    if call.routing.renormalise {
        let sum: f32 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
    }
}

pub fn backward(call: RouteCall, saved: &RoutedRows, dw: &[f32], slopes: &RouterSlopes, dx: Slot<'_>) {
    let (experts, top_k) = (call.experts, call.routing.top_k);
    let (probabilities, log_sums) =
        (<f32 as Stored>::of(&saved.probabilities), <f32 as Stored>::of(&saved.log_sums));
    with_slot!(dx, |dx, accumulate| rows_mut(dx, experts, |first, dx| {
        let mut dp = vec![0.0; experts];
        for (row, dx) in (first..).zip(dx.chunks_exact_mut(experts)) {
            let p = &probabilities[row * experts..][..experts];
            let choices = row * top_k..(row + 1) * top_k;
            slopes_of_row(
                call,
                &mut dp,
                &slopes.probabilities,
                p,
                &saved.chosen[choices.clone()],
                &dw[choices],
            );
            let mean: f32 = dp.iter().zip(p).map(|(dp, p)| dp * p).sum();
            let shift = 2.0 * slopes.square * log_sums[row] - mean;
            give(dx, p.iter().zip(&dp).map(|(p, dp)| p * (dp + shift)), accumulate);
        }
    }));
}

/// The slope in each probability of a row.
fn slopes_of_row(call: RouteCall, dp: &mut [f32], balance: &[f32], p: &[f32], chosen: &[u32], dw: &[f32]) {
    match balance.is_empty() {
        true => dp.fill(0.0),
        false => dp.copy_from_slice(balance),
    }
    let each = || chosen.iter().map(|&expert| expert as usize).zip(dw);
    if !call.routing.renormalise {
        return each().for_each(|(expert, dw)| dp[expert] += dw);
    }
    let sum: f32 = each().map(|(expert, _)| p[expert]).sum();
    let along: f32 = each().map(|(expert, dw)| dw * p[expert]).sum::<f32>() / sum;
    each().for_each(|(expert, dw)| dp[expert] += (dw - along) / sum);
}

fn give<T: Element>(out: &mut [T], values: impl Iterator<Item = f32>, accumulate: bool) {
    for (out, value) in out.iter_mut().zip(values) {
        *out = T::narrow(if accumulate { out.widen() + value } else { value });
    }
}
