//! Q2_K: 16 blocks of 16 numbers `d scale code - dmin least`, with scale and least of 4 bits and codes of 2.
//!
//! Bytes: scales 16 (low half scale, high half least), codes 64, d, dmin. Of each 128 numbers 32 bytes hold the codes: number `i` the
//! bits `2 (i / 32)` of byte `i % 32`.

use super::fit::{self, Search, nearest};
use super::{LARGE, Numbers, half_at, put_half};

const WIDTH: usize = 16;
const BLOCKS: usize = LARGE / WIDTH;
const CODES: usize = 16;
const SCALE: usize = 80;
const LEAST: usize = 82;

/// Codes of 2 bits as they lie in 64 bytes.
pub fn two_bits(bytes: &[u8]) -> [u8; LARGE] {
    std::array::from_fn(|i| bytes[32 * (i / 128) + i % 32] >> (2 * (i % 128 / 32)) & 3)
}

pub fn put_two_bits(codes: &[u8; LARGE], bytes: &mut [u8]) {
    for (i, code) in codes.iter().enumerate() {
        bytes[32 * (i / 128) + i % 32] |= (code & 3) << (2 * (i % 128 / 32));
    }
}

pub fn read(block: &[u8], out: &mut [f32]) {
    let (scale, least) = (half_at(block, SCALE), half_at(block, LEAST));
    let codes = two_bits(&block[CODES..]);
    for ((out, codes), own) in out.chunks_exact_mut(WIDTH).zip(codes.chunks_exact(WIDTH)).zip(block) {
        let (scale, least) = (scale * f32::from(own & 15), least * f32::from(own >> 4));
        out.iter_mut().zip(codes).for_each(|(out, &code)| *out = scale * f32::from(code) - least);
    }
}

pub fn write(numbers: &Numbers<'_>, block: &mut [u8]) {
    let values = numbers.values;
    let mut codes = [0; LARGE];
    match numbers.importance {
        Some(importance) => with_importance(values, importance, &mut codes, block),
        None => without_importance(values, &mut codes, block),
    }
    let (scale, least) = (half_at(block, SCALE), half_at(block, LEAST));
    for (i, (codes, values)) in codes.chunks_exact_mut(WIDTH).zip(values.chunks_exact(WIDTH)).enumerate() {
        let (scale, least) = (scale * f32::from(block[i] & 15), least * f32::from(block[i] >> 4));
        if scale != 0.0 {
            for (code, value) in codes.iter_mut().zip(values) {
                *code = nearest((value + least) / scale).clamp(0, 3) as u8;
            }
        }
    }
    put_two_bits(&codes, &mut block[CODES..]);
}

fn without_importance(values: &[f32], codes: &mut [u8; LARGE], block: &mut [u8]) {
    const SEARCH: Search = Search { first: -0.5, step: 0.1, count: 15, absolute: true };
    let mut fitted = [[0.0; 2]; BLOCKS];
    let parts = values.chunks_exact(WIDTH).zip(codes.chunks_exact_mut(WIDTH));
    for (fitted, (values, codes)) in fitted.iter_mut().zip(parts) {
        let weights: [f32; WIDTH] = std::array::from_fn(|i| values[i].abs());
        *fitted = fit::affine(values, &weights, 3, &SEARCH, codes);
    }
    for (kind, at) in [SCALE, LEAST].into_iter().enumerate() {
        let most = fitted.iter().fold(0.0, |most: f32, own| if own[kind] > most { own[kind] } else { most });
        if most > 0.0 {
            let inverse = 15.0 / most;
            for (byte, own) in block.iter_mut().zip(fitted) {
                *byte |= (nearest(inverse * own[kind]) << (4 * kind)) as u8;
            }
        }
        put_half(block, at, if most > 0.0 { most / 15.0 } else { 0.0 });
    }
}

fn with_importance(values: &[f32], importance: &[f32], codes: &mut [u8; LARGE], block: &mut [u8]) {
    let spread = fit::squares(values) / LARGE as f32;
    let (mut scales, mut leasts, mut sums) = ([0.0; BLOCKS], [0.0; BLOCKS], [0.0; BLOCKS]);
    for (i, codes) in codes.chunks_exact_mut(WIDTH).enumerate() {
        let own = WIDTH * i..WIDTH * (i + 1);
        let mut weights = [0.0; WIDTH];
        fit::weigh(&values[own.clone()], &importance[own.clone()], spread, &mut weights);
        sums[i] = weights.iter().fold(0.0, |sum, weight| sum + weight);
        [scales[i], leasts[i]] = fit::affine(&values[own], &weights, 3, &Search::WEIGHTED, codes);
    }
    let (mut low, mut high) = ([0; BLOCKS], [0; BLOCKS]);
    put_half(block, SCALE, fit::positive(&scales, 15, &sums, &mut low));
    put_half(block, LEAST, fit::positive(&leasts, 15, &sums, &mut high));
    for (i, byte) in block[..BLOCKS].iter_mut().enumerate() {
        *byte = low[i] | high[i] << 4;
    }
}
