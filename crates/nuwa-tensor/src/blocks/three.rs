//! Q3_K: 16 blocks of 16 numbers `d scale code`, with scale of 6 bits (32 for 0) and codes of 3 (4 for 0).
//!
//! Bytes: third bits of the codes 32, other bits 64, scales 12, d. Number `i` has its third bit at bit `i / 32` of byte `i % 32`; the
//! others lie as in Q2_K. Of scale `j` the low 4 bits are half `j / 8` of byte `j % 8`, the high 2 are bits `2 (j / 4)` of byte
//! `8 + j % 4`.

use super::fit::{self, nearest};
use super::two::{put_two_bits, two_bits};
use super::{LARGE, Numbers, half_at, put_half};

const WIDTH: usize = 16;
const BLOCKS: usize = LARGE / WIDTH;
const CODES: usize = 32;
const SCALES: usize = 96;
const SCALE: usize = 108;

fn scales(bytes: &[u8]) -> [i32; BLOCKS] {
    std::array::from_fn(|j| {
        let low = bytes[j % 8] >> (4 * (j / 8)) & 15;
        let high = bytes[8 + j % 4] >> (2 * (j / 4)) & 3;
        i32::from(low | high << 4) - 32
    })
}

/// `scales` are 32 higher.
fn put_scales(scales: &[u8; BLOCKS], bytes: &mut [u8]) {
    for (j, scale) in scales.iter().enumerate() {
        bytes[j % 8] |= (scale & 15) << (4 * (j / 8));
        bytes[8 + j % 4] |= (scale >> 4) << (2 * (j / 4));
    }
}

pub fn read(block: &[u8], out: &mut [f32]) {
    let scale = half_at(block, SCALE);
    let scales = scales(&block[SCALES..]);
    let codes = two_bits(&block[CODES..]);
    for (i, out) in out.iter_mut().enumerate() {
        let high = block[i % 32] >> (i / 32) & 1;
        let code = i32::from(codes[i] | high << 2) - 4;
        *out = scale * scales[i / WIDTH] as f32 * code as f32;
    }
}

pub fn write(numbers: &Numbers<'_>, block: &mut [u8]) {
    let values = numbers.values;
    let mut codes = [0; LARGE];
    let (scale, own) = match numbers.importance {
        Some(importance) => with_importance(values, importance, &mut codes),
        None => without_importance(values, &mut codes),
    };
    let scale = put_half(block, SCALE, scale);
    if let Some(own) = own {
        put_scales(&own, &mut block[SCALES..]);
    }
    let scales = scales(&block[SCALES..]);
    for ((codes, values), own) in codes.chunks_exact_mut(WIDTH).zip(values.chunks_exact(WIDTH)).zip(scales) {
        let scale = scale * own as f32;
        if scale != 0.0 {
            for (code, value) in codes.iter_mut().zip(values) {
                *code = (nearest(value / scale).clamp(-4, 3) + 4) as u8;
            }
        }
    }
    for (i, code) in codes.iter().enumerate() {
        block[i % 32] |= (code >> 2 & 1) << (i / 32);
    }
    put_two_bits(&codes, &mut block[CODES..]);
}

/// Scale and those of the blocks, which are absent where all numbers are 0.
type Scales = (f32, Option<[u8; BLOCKS]>);

fn without_importance(values: &[f32], codes: &mut [u8; LARGE]) -> Scales {
    let mut fitted = [0.0; BLOCKS];
    let parts = values.chunks_exact(WIDTH).zip(codes.chunks_exact_mut(WIDTH));
    for (fitted, (values, codes)) in fitted.iter_mut().zip(parts) {
        *fitted = fit::stepwise(values, 4, codes);
    }
    let largest = fit::largest(&fitted);
    if largest == 0.0 {
        return (0.0, None);
    }
    let inverse = -32.0 / largest;
    let own = fitted.map(|scale| (i32::from(nearest(inverse * scale) as i8).clamp(-32, 31) + 32) as u8);
    (1.0 / inverse, Some(own))
}

fn with_importance(values: &[f32], importance: &[f32], codes: &mut [u8; LARGE]) -> Scales {
    let spread = 2.0 * fit::squares(values) / LARGE as f32;
    let (mut fitted, mut sums) = ([0.0; BLOCKS], [0.0; BLOCKS]);
    for (i, codes) in codes.chunks_exact_mut(WIDTH).enumerate() {
        let own = WIDTH * i..WIDTH * (i + 1);
        let mut weights = [0.0; WIDTH];
        fit::weigh(&values[own.clone()], &importance[own.clone()], spread, &mut weights);
        sums[i] = weights.iter().fold(0.0, |sum, weight| sum + weight);
        fitted[i] = fit::symmetric(&values[own], 4, Some(&weights), codes);
    }
    let mut own = [0; BLOCKS];
    let scale = fit::symmetric(&fitted, 32, Some(&sums), &mut own);
    (scale, Some(own))
}
