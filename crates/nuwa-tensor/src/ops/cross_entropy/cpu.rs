use rayon::prelude::*;

use crate::ops::product::{Matrix, product};
use crate::simd::{exp, maximum, sum, vectorised};

pub fn logits(hidden: &[f32], head: &[f32], logits: &mut [f32], width: usize) {
    let (rows, vocabulary) = (hidden.len() / width, head.len() / width);
    product(
        1.0,
        Matrix::new(hidden, rows, width),
        Matrix::new(head, vocabulary, width).transposed(),
        logits,
        false,
    );
}

/// The loss of each row; with `gradients`, each row of logits becomes `weight * (softmax - onehot)`.
pub fn losses(logits: &mut [f32], targets: &[u32], weights: &[f32], losses: &mut [f32], gradients: bool) {
    let vocabulary = logits.len() / targets.len();
    let rows =
        logits.par_chunks_mut(vocabulary).zip(losses.par_iter_mut()).zip(targets.par_iter().zip(weights));
    rows.with_min_len(8).for_each(|((row, loss), (&target, &weight))| {
        *loss = loss_of_row(row, target as usize, weight, gradients);
    });
}

vectorised! {
    fn loss_of_row(row: &mut [f32], target: usize, weight: f32, gradients: bool) -> f32 {
        let largest = maximum(row);
        let right = row[target];
        if !gradients {
            let total = sum(row.len(), |i| exp(row[i] - largest));
            return largest + total.ln() - right;
        }
        for value in row.iter_mut() {
            *value = exp(*value - largest);
        }
        let total = sum(row.len(), |i| row[i]);
        let scale = weight / total;
        for value in row.iter_mut() {
            *value *= scale;
        }
        row[target] -= weight;
        largest + total.ln() - right
    }
}

pub fn hidden_gradient(gradients: &[f32], head: &[f32], d_hidden: &mut [f32], width: usize) {
    let (rows, vocabulary) = (d_hidden.len() / width, head.len() / width);
    product(
        1.0,
        Matrix::new(gradients, rows, vocabulary),
        Matrix::new(head, vocabulary, width),
        d_hidden,
        false,
    );
}

pub fn head_gradient(gradients: &[f32], hidden: &[f32], dw: &mut [f32], width: usize) {
    let (rows, vocabulary) = (hidden.len() / width, dw.len() / width);
    product(
        1.0,
        Matrix::new(gradients, rows, vocabulary).transposed(),
        Matrix::new(hidden, rows, width),
        dw,
        true,
    );
}
