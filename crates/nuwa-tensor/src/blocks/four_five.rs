//! Q4_K and Q5_K: 8 blocks of 32 numbers `d scale code - dmin least`, with scale and least of 6 bits and codes of 4 or 5.
//!
//! Bytes: d, dmin, scales 12, of Q5_K the fifth bits 32, other bits 128. Of each 64 numbers 32 bytes hold the codes, the first 32 in low
//! halves; the fifth bit of number `i` is bit `i / 32` of byte `i % 32`.

use super::fit::{self, Search, nearest};
use super::{LARGE, Numbers, half_at, put_half};

const WIDTH: usize = 32;
const BLOCKS: usize = LARGE / WIDTH;
const LEAST: usize = 2;
const SCALES: usize = 4;
const CODES: usize = 16;

/// Scale and least of each block: those of the first four are the low 6 bits of 8 bytes, those of the others halves of 4 bytes and the
/// bits that are left.
fn scales(bytes: &[u8]) -> [[u8; 2]; BLOCKS] {
    std::array::from_fn(|j| match j < 4 {
        true => [bytes[j] & 63, bytes[j + 4] & 63],
        false => [(bytes[j + 4] & 15) | (bytes[j - 4] >> 6) << 4, (bytes[j + 4] >> 4) | (bytes[j] >> 6) << 4],
    })
}

fn put_scales(scales: &[[u8; 2]; BLOCKS], bytes: &mut [u8]) {
    for (j, [scale, least]) in scales.iter().enumerate() {
        if j < 4 {
            (bytes[j], bytes[j + 4]) = (*scale, *least);
        } else {
            bytes[j + 4] = (scale & 15) | (least & 15) << 4;
            bytes[j - 4] |= (scale >> 4) << 6;
            bytes[j] |= (least >> 4) << 6;
        }
    }
}

/// Scale and least of each block as numbers.
fn steps(block: &[u8]) -> [[f32; 2]; BLOCKS] {
    let (scale, least) = (half_at(block, 0), half_at(block, LEAST));
    scales(&block[SCALES..]).map(|own| [scale * f32::from(own[0]), least * f32::from(own[1])])
}

pub fn read_four(block: &[u8], out: &mut [f32]) {
    read(block, out, |i| four_bits(&block[CODES..], i));
}

pub fn read_five(block: &[u8], out: &mut [f32]) {
    let (high, low) = block[CODES..].split_at(WIDTH);
    read(block, out, |i| four_bits(low, i) | (high[i % WIDTH] >> (i / WIDTH) & 1) << 4);
}

fn four_bits(bytes: &[u8], i: usize) -> u8 {
    bytes[WIDTH * (i / 64) + i % WIDTH] >> (4 * (i % 64 / WIDTH)) & 15
}

fn read(block: &[u8], out: &mut [f32], code: impl Fn(usize) -> u8) {
    let steps = steps(block);
    for (i, out) in out.iter_mut().enumerate() {
        let [scale, least] = steps[i / WIDTH];
        *out = scale * f32::from(code(i)) - least;
    }
}

pub fn write_four(numbers: &Numbers<'_>, block: &mut [u8]) {
    const SEARCH: Search = Search { first: -1.0, step: 0.1, count: 20, absolute: false };
    let codes = codes(numbers, 15, &SEARCH, block);
    put_four_bits(&codes, &mut block[CODES..]);
}

pub fn write_five(numbers: &Numbers<'_>, block: &mut [u8]) {
    const SEARCH: Search = Search { first: -0.5, step: 0.1, count: 15, absolute: false };
    let codes = codes(numbers, 31, &SEARCH, block);
    let (high, low) = block[CODES..].split_at_mut(WIDTH);
    for (i, code) in codes.iter().enumerate() {
        high[i % WIDTH] |= (code >> 4) << (i / WIDTH);
    }
    put_four_bits(&codes, low);
}

fn put_four_bits(codes: &[u8; LARGE], bytes: &mut [u8]) {
    for (i, code) in codes.iter().enumerate() {
        bytes[WIDTH * (i / 64) + i % WIDTH] |= (code & 15) << (4 * (i % 64 / WIDTH));
    }
}

/// Codes from 0 to `top`; their scales are in the block.
fn codes(numbers: &Numbers<'_>, top: i32, search: &Search, block: &mut [u8]) -> [u8; LARGE] {
    let values = numbers.values;
    let mut codes = [0; LARGE];
    let (scale, own) = match numbers.importance {
        Some(importance) => with_importance(values, importance, top, &mut codes),
        None => without_importance(values, top, search, &mut codes),
    };
    put_half(block, 0, scale[0]);
    put_half(block, LEAST, scale[1]);
    put_scales(&own, &mut block[SCALES..]);
    let parts = codes.chunks_exact_mut(WIDTH).zip(values.chunks_exact(WIDTH));
    for ((codes, values), [scale, least]) in parts.zip(steps(block)) {
        if scale != 0.0 {
            for (code, value) in codes.iter_mut().zip(values) {
                *code = nearest((value + least) / scale).clamp(0, top) as u8;
            }
        }
    }
    codes
}

/// Scale and least, and those of the blocks.
type Scales = ([f32; 2], [[u8; 2]; BLOCKS]);

/// The largest scale a block of 6 bits has.
const TOP_SCALE: i32 = 63;

fn without_importance(values: &[f32], top: i32, search: &Search, codes: &mut [u8; LARGE]) -> Scales {
    let mut fitted = [[0.0; 2]; BLOCKS];
    let parts = values.chunks_exact(WIDTH).zip(codes.chunks_exact_mut(WIDTH));
    for (fitted, (values, codes)) in fitted.iter_mut().zip(parts) {
        let spread = (fit::squares(values) / WIDTH as f32).sqrt();
        let weights: [f32; WIDTH] = std::array::from_fn(|i| spread + values[i].abs());
        *fitted = fit::affine(values, &weights, top, search, codes);
    }
    let most = |kind: usize| {
        fitted.iter().fold(0.0, |most: f32, own: &[f32; 2]| if own[kind] > most { own[kind] } else { most })
    };
    let most = [most(0), most(1)];
    let inverse = most.map(|most| if most > 0.0 { TOP_SCALE as f32 / most } else { 0.0 });
    // A scale below 0 wraps around at ggml, as its bytes do, before it is held to the top.
    let code = |kind: usize, value: f32| (nearest(inverse[kind] * value) as u8).min(TOP_SCALE as u8);
    (most.map(|most| most / TOP_SCALE as f32), fitted.map(|[scale, least]| [code(0, scale), code(1, least)]))
}

fn with_importance(values: &[f32], importance: &[f32], top: i32, codes: &mut [u8; LARGE]) -> Scales {
    let spread = 2.0 * fit::squares(values) / LARGE as f32;
    let (mut scales, mut leasts, mut sums) = ([0.0; BLOCKS], [0.0; BLOCKS], [0.0; BLOCKS]);
    for (i, codes) in codes.chunks_exact_mut(WIDTH).enumerate() {
        let own = WIDTH * i..WIDTH * (i + 1);
        let mut weights = [0.0; WIDTH];
        fit::weigh(&values[own.clone()], &importance[own.clone()], spread, &mut weights);
        sums[i] = weights.iter().fold(0.0, |sum, weight| sum + weight);
        [scales[i], leasts[i]] = fit::affine(&values[own], &weights, top, &Search::WEIGHTED, codes);
    }
    let (mut low, mut high) = ([0; BLOCKS], [0; BLOCKS]);
    let scale = fit::positive(&scales, TOP_SCALE, &sums, &mut low);
    let least = fit::positive(&leasts, TOP_SCALE, &sums, &mut high);
    let own = std::array::from_fn(|i| [low[i].min(TOP_SCALE as u8), high[i].min(TOP_SCALE as u8)]);
    ([scale, least], own)
}
