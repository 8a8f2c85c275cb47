use rayon::prelude::*;

use super::AdamWSettings;
use crate::simd::{LANES, vectorised};

/// Elements a thread takes at a time.
const CHUNK: usize = 1 << 15;

/// The Euclidean norm of all gradients together, its sum in f64 chunk by chunk.
pub fn norm(gradients: &[f32]) -> f32 {
    let partials: Vec<f64> = gradients.par_chunks(CHUNK).map(sum_of_squares).collect();
    partials.iter().sum::<f64>().sqrt() as f32
}

vectorised! {
    fn sum_of_squares(values: &[f32]) -> f64 {
        let mut lanes = [0.0_f64; LANES];
        let (blocks, rest) = values.as_chunks::<LANES>();
        for block in blocks {
            for (lane, &value) in lanes.iter_mut().zip(block) {
                *lane += f64::from(value) * f64::from(value);
            }
        }
        for (lane, &value) in lanes.iter_mut().zip(rest) {
            *lane += f64::from(value) * f64::from(value);
        }
        lanes.iter().sum()
    }
}

/// The numbers that one parameter's update needs.
#[derive(Clone, Copy)]
pub struct Update {
    betas: [f32; 2],
    epsilon: f32,
    keep: f32,
    rate: f32,
    root_scale: f32,
    clip: f32,
}

impl Update {
    pub fn new(settings: &AdamWSettings, step: u64, learning_rate: f32, decay: f32, clip: f32) -> Self {
        let correction = |beta: f32| 1.0 - f64::from(beta).powi(step.min(1 << 30) as i32);
        let [first, second] = settings.betas.map(correction);
        Self {
            betas: settings.betas,
            epsilon: settings.epsilon,
            keep: 1.0 - learning_rate * decay,
            rate: (f64::from(learning_rate) / first) as f32,
            root_scale: (1.0 / second.sqrt()) as f32,
            clip,
        }
    }
}

pub fn update(update: &Update, values: &mut [f32], gradients: &[f32], first: &mut [f32], second: &mut [f32]) {
    values
        .par_chunks_mut(CHUNK)
        .zip(gradients.par_chunks(CHUNK))
        .zip(first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK)))
        .for_each(|((values, gradients), (first, second))| {
            update_chunk(update, values, gradients, first, second)
        });
}

vectorised! {
    fn update_chunk(update: &Update, values: &mut [f32], gradients: &[f32], first: &mut [f32], second: &mut [f32]) {
        let Update { betas: [b1, b2], epsilon, keep, rate, root_scale, clip } = *update;
        let means = first.iter_mut().zip(second.iter_mut());
        for ((value, gradient), (m, v)) in values.iter_mut().zip(gradients).zip(means) {
            let g = gradient * clip;
            *m = b1 * *m + (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            *value = *value * keep - rate * *m / (v.sqrt() * root_scale + epsilon);
        }
    }
}
