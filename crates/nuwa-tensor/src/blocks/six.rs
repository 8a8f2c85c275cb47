//! Q6_K: 16 blocks of 16 numbers `d scale code`, with scale of 8 bits and codes of 6 (32 for 0).
//!
//! Bytes: low 4 bits of the codes 128, high 2 bits 64, scales 16, d. Of each 128 numbers, 64 bytes hold the low bits, number `i` in half
//! `i / 64` of byte `i % 64`, and 32 bytes the high ones, number `i` at bits `2 (i / 32)` of byte `i % 32`.

use super::fit::{self, nearest};
use super::{LARGE, Numbers, half_at, put_half};

const WIDTH: usize = 16;
const BLOCKS: usize = LARGE / WIDTH;
const HIGH: usize = 128;
const SCALES: usize = 192;
const SCALE: usize = 208;

/// Where the bits of a code are: byte and shift of the low ones, of the high ones.
fn places(i: usize) -> [(usize, usize); 2] {
    let (part, own) = (i / 128, i % 128);
    [(64 * part + own % 64, 4 * (own / 64)), (HIGH + 32 * part + own % 32, 2 * (own / 32))]
}

pub fn read(block: &[u8], out: &mut [f32]) {
    let scale = half_at(block, SCALE);
    for (i, out) in out.iter_mut().enumerate() {
        let [low, high] = places(i).map(|(byte, shift)| block[byte] >> shift);
        let code = i32::from((low & 15) | (high & 3) << 4) - 32;
        *out = scale * f32::from(block[SCALES + i / WIDTH] as i8) * code as f32;
    }
}

pub fn write(numbers: &Numbers<'_>, block: &mut [u8]) {
    let values = numbers.values;
    let (mut codes, mut fitted) = ([0; LARGE], [0.0; BLOCKS]);
    for (i, (codes, values)) in codes.chunks_exact_mut(WIDTH).zip(values.chunks_exact(WIDTH)).enumerate() {
        let weights = numbers.importance.map(|importance| &importance[WIDTH * i..WIDTH * (i + 1)]);
        fitted[i] = fit::symmetric(values, 32, weights, codes);
    }
    let largest = fit::largest(&fitted);
    if largest.abs() < fit::NOTHING {
        return;
    }
    let inverse = -128.0 / largest;
    let scale = put_half(block, SCALE, 1.0 / inverse);
    for (byte, own) in block[SCALES..SCALE].iter_mut().zip(fitted) {
        *byte = nearest(inverse * own).min(127) as i8 as u8;
    }
    for (i, (codes, values)) in codes.chunks_exact_mut(WIDTH).zip(values.chunks_exact(WIDTH)).enumerate() {
        let scale = scale * f32::from(block[SCALES + i] as i8);
        if scale != 0.0 {
            for (code, value) in codes.iter_mut().zip(values) {
                *code = (nearest(value / scale).clamp(-32, 31) + 32) as u8;
            }
        }
    }
    for (i, code) in codes.iter().enumerate() {
        let [(low, low_shift), (high, high_shift)] = places(i);
        block[low] |= (code & 15) << low_shift;
        block[high] |= (code >> 4) << high_shift;
    }
}
