//! Blocks of 32 numbers: a scale, for some a smallest number, and codes of 4, 5 or 8 bits. The low halves of 16 bytes are the first 16
//! codes, the high halves the last 16; fifth bits stand in a word of their own, in order.

use super::fit::{self, Search};
use super::{Numbers, half_at, put_half};

const WIDTH: usize = 32;
const HALF: usize = WIDTH / 2;

/// What the codes of IQ4_NL stand for.
const UNEVEN: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// Codes of 4 bits.
fn four_bits(bytes: &[u8]) -> [u8; WIDTH] {
    std::array::from_fn(|i| if i < HALF { bytes[i] & 15 } else { bytes[i - HALF] >> 4 })
}

/// Codes of 5 bits: a word of the fifth ones, then the others.
fn five_bits(bytes: &[u8]) -> [u8; WIDTH] {
    let high = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let mut codes = four_bits(&bytes[4..]);
    codes.iter_mut().enumerate().for_each(|(i, code)| *code |= ((high >> i & 1) << 4) as u8);
    codes
}

fn put_four_bits(codes: &[u8; WIDTH], bytes: &mut [u8]) {
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = (codes[i] & 15) | (codes[i + HALF] << 4);
    }
}

fn put_five_bits(codes: &[u8; WIDTH], bytes: &mut [u8]) {
    let bit = |(i, code): (usize, &u8)| u32::from(code >> 4 & 1) << i;
    let high = codes.iter().enumerate().map(bit).fold(0, |all, bit| all | bit);
    bytes[..4].copy_from_slice(&high.to_le_bytes());
    put_four_bits(codes, &mut bytes[4..]);
}

fn fill(out: &mut [f32], codes: [u8; WIDTH], value: impl Fn(i32) -> f32) {
    out.iter_mut().zip(codes).for_each(|(out, code)| *out = value(i32::from(code)));
}

pub fn read_q4_0(block: &[u8], out: &mut [f32]) {
    let scale = half_at(block, 0);
    fill(out, four_bits(&block[2..]), |code| (code - 8) as f32 * scale);
}

pub fn read_q4_1(block: &[u8], out: &mut [f32]) {
    let (scale, least) = (half_at(block, 0), half_at(block, 2));
    fill(out, four_bits(&block[4..]), |code| code as f32 * scale + least);
}

pub fn read_q5_0(block: &[u8], out: &mut [f32]) {
    let scale = half_at(block, 0);
    fill(out, five_bits(&block[2..]), |code| (code - 16) as f32 * scale);
}

pub fn read_q5_1(block: &[u8], out: &mut [f32]) {
    let (scale, least) = (half_at(block, 0), half_at(block, 2));
    fill(out, five_bits(&block[4..]), |code| code as f32 * scale + least);
}

pub fn read_q8_0(block: &[u8], out: &mut [f32]) {
    let scale = half_at(block, 0);
    out.iter_mut().zip(&block[2..]).for_each(|(out, &code)| *out = f32::from(code as i8) * scale);
}

pub fn read_iq4_nl(block: &[u8], out: &mut [f32]) {
    let scale = half_at(block, 0);
    fill(out, four_bits(&block[2..]), |code| scale * f32::from(UNEVEN[code as usize]));
}

/// The errors' weights where an importance is given.
fn weights(numbers: &Numbers<'_>) -> Option<[f32; WIDTH]> {
    let importance = numbers.importance?;
    let mut weights = [0.0; WIDTH];
    fit::weigh(numbers.values, importance, numbers.mean_square, &mut weights);
    Some(weights)
}

/// A scale and codes around 0, `half` higher.
fn around_zero(numbers: &Numbers<'_>, half: i32) -> (f32, [u8; WIDTH]) {
    let mut codes = [0; WIDTH];
    if let Some(weights) = weights(numbers) {
        let scale = fit::symmetric(numbers.values, half, Some(&weights), &mut codes);
        return (scale, codes);
    }
    let scale = fit::largest(numbers.values) / -half as f32;
    let inverse = inverse(scale);
    for (code, value) in codes.iter_mut().zip(numbers.values) {
        let shifted = (value * inverse + (half as f32 + 0.5)) as i8;
        *code = i32::from(shifted).min(2 * half - 1) as u8;
    }
    (scale, codes)
}

/// A scale, a smallest number, and codes from 0 to `top`.
fn above_least(numbers: &Numbers<'_>, top: i32) -> ([f32; 2], [u8; WIDTH]) {
    let mut codes = [0; WIDTH];
    if let Some(weights) = weights(numbers) {
        let [scale, depth] = fit::affine(numbers.values, &weights, top, &Search::WEIGHTED, &mut codes);
        return ([scale, -depth], codes);
    }
    let (mut least, mut most) = (f32::MAX, -f32::MAX);
    for &value in numbers.values {
        least = if value < least { value } else { least };
        most = if value > most { value } else { most };
    }
    let scale = (most - least) / top as f32;
    let inverse = inverse(scale);
    for (code, value) in codes.iter_mut().zip(numbers.values) {
        *code = (((value - least) * inverse + 0.5) as u8).min(top as u8);
    }
    ([scale, least], codes)
}

fn inverse(scale: f32) -> f32 {
    if scale != 0.0 { 1.0 / scale } else { 0.0 }
}

pub fn write_q4_0(numbers: &Numbers<'_>, block: &mut [u8]) {
    let (scale, codes) = around_zero(numbers, 8);
    put_half(block, 0, scale);
    put_four_bits(&codes, &mut block[2..]);
}

pub fn write_q4_1(numbers: &Numbers<'_>, block: &mut [u8]) {
    let ([scale, least], codes) = above_least(numbers, 15);
    put_half(block, 0, scale);
    put_half(block, 2, least);
    put_four_bits(&codes, &mut block[4..]);
}

pub fn write_q5_0(numbers: &Numbers<'_>, block: &mut [u8]) {
    let (scale, codes) = around_zero(numbers, 16);
    put_half(block, 0, scale);
    put_five_bits(&codes, &mut block[2..]);
}

pub fn write_q5_1(numbers: &Numbers<'_>, block: &mut [u8]) {
    let ([scale, least], codes) = above_least(numbers, 31);
    put_half(block, 0, scale);
    put_half(block, 2, least);
    put_five_bits(&codes, &mut block[4..]);
}

/// Eight bits are enough without knowing what errors weigh.
pub fn write_q8_0(numbers: &Numbers<'_>, block: &mut [u8]) {
    let scale = fit::largest(numbers.values).abs() / 127.0;
    let inverse = inverse(scale);
    put_half(block, 0, scale);
    for (code, value) in block[2..].iter_mut().zip(numbers.values) {
        *code = (value * inverse).round() as i8 as u8;
    }
}

/// Tries scales by which the largest number comes near the steps at the ends; errors weigh the square of a number where no importance
/// is given.
pub fn write_iq4_nl(numbers: &Numbers<'_>, block: &mut [u8]) {
    let scale = uneven_scale(numbers);
    put_half(block, 0, scale);
    let inverse = inverse(scale);
    let codes = std::array::from_fn(|i| nearest_step(inverse * numbers.values[i]) as u8);
    put_four_bits(&codes, &mut block[2..]);
}

fn uneven_scale(numbers: &Numbers<'_>) -> f32 {
    const TRIES: i32 = 7;
    let values = numbers.values;
    let mut weights: [f32; WIDTH] = std::array::from_fn(|i| values[i] * values[i]);
    if let Some(importance) = numbers.importance {
        fit::weigh(values, importance, fit::squares(values) * (2.0 / WIDTH as f32), &mut weights);
    }
    let largest = fit::largest(values);
    if largest.abs() < fit::NOTHING {
        return 0.0;
    }
    let sums = |inverse: f32| {
        let (mut product, mut square) = (0.0, 0.0);
        for (&value, weight) in values.iter().zip(weights) {
            let step = f32::from(UNEVEN[nearest_step(inverse * value)]);
            product += weight * step * value;
            square += weight * step * step;
        }
        (product, square)
    };
    let first = f32::from(UNEVEN[0]);
    let (product, square) = sums(1.0 / (-largest / first));
    let mut scale = if square > 0.0 { product / square } else { 0.0 };
    let mut best = scale * product;
    for step in -TRIES..=TRIES {
        let (product, square) = sums((step as f32 + first) / largest);
        if square > 0.0 && product * product > best * square {
            scale = product / square;
            best = scale * product;
        }
    }
    scale
}

/// The code of the step nearest to a number; of two that are as near the higher one.
fn nearest_step(value: f32) -> usize {
    let is_below = |pair: &[i8]| f32::from(pair[0]) + f32::from(pair[1]) <= value + value;
    UNEVEN.windows(2).take_while(|pair| is_below(pair)).count()
}
