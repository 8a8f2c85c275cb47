use rayon::prelude::*;

use crate::calls::Update;
use crate::device::cpu::product::{PACKED_ROWS, Packer};
use crate::parallel::{chunks, each_part};
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

/// A segment of one parameter in the flat blocks.
pub struct Segment<'a> {
    /// None for a parameter that is frozen: its gradient is cleared, nothing else.
    pub update: Option<Update>,
    /// Who packs the rows that begin with this one, where they are packed.
    pub packing: Option<(&'a Packer<'a>, usize)>,
    pub values: &'a mut [f32],
    pub gradients: &'a mut [f32],
    pub first: &'a mut [f32],
    pub second: &'a mut [f32],
}

impl<'a> Segment<'a> {
    /// Takes `length` elements off the front, and leaves the rest.
    pub fn take(&mut self, length: usize, update: Option<Update>) -> Segment<'a> {
        let front = |block: &mut &'a mut [f32]| {
            let (front, rest) = std::mem::take(block).split_at_mut(length);
            *block = rest;
            front
        };
        Segment {
            update,
            packing: None,
            values: front(&mut self.values),
            gradients: front(&mut self.gradients),
            first: front(&mut self.first),
            second: front(&mut self.second),
        }
    }

    /// Cuts it into pieces that a thread takes at a time: rows that are packed together, while they are in the cache.
    pub fn pieces(mut self, packer: Option<&'a Packer<'a>>) -> impl Iterator<Item = Segment<'a>> {
        let (update, mut row) = (self.update, 0);
        let chunk = packer.map_or(CHUNK, |packer| PACKED_ROWS * packer.width());
        std::iter::from_fn(move || {
            let length = chunk.min(self.values.len());
            let packing = packer.map(|packer| (packer, row));
            row += PACKED_ROWS;
            (length > 0).then(|| Segment { packing, ..self.take(length, update) })
        })
    }
}

/// Changes all weights by their gradients and clears these, in one pass.
pub fn update(mut pieces: Vec<Segment<'_>>) {
    each_part(chunks(&mut pieces, 1), |_, pieces| {
        let [piece] = pieces else { unreachable!("a part is one piece") };
        let Some(update) = &piece.update else { return piece.gradients.fill(0.0) };
        update_piece(update, piece.values, piece.gradients, piece.first, piece.second);
        if let Some((packer, first)) = piece.packing {
            // SAFETY: each piece has rows of its own.
            unsafe { packer.pack(first, piece.values) };
        }
    });
}

vectorised! {
    fn update_piece(update: &Update, values: &mut [f32], gradients: &mut [f32], first: &mut [f32], second: &mut [f32]) {
        let Update { betas: [b1, b2], epsilon, keep, rate, root_scale, clip } = *update;
        let means = first.iter_mut().zip(second.iter_mut());
        for ((value, gradient), (m, v)) in values.iter_mut().zip(gradients).zip(means) {
            let g = *gradient * clip;
            *m = b1 * *m + (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            *value = *value * keep - rate * *m / (v.sqrt() * root_scale + epsilon);
            *gradient = 0.0;
        }
    }
}
