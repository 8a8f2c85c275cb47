//! Groups of rows into tiles, which kernels multiply.

use super::form::{Form, Scales};
use super::kernel::Tile;
use super::{BLOCK, GROUP, LINE, QUADS};
use crate::simd::vectorised;

/// 2^112: what takes a number of 16 bits whose bits lie in those of an `f32` to its exponent. It makes normal numbers of those that are
/// too small to be normal, too.
const EXPONENTS: f32 = f32::from_bits((112 + 127) << 23);

vectorised! {
    /// The tiles of the blocks from `first` on.
    pub fn tiles(form: Form, group: &[u8], first: usize, tiles: &mut [Tile]) {
        let per_span = form.span / BLOCK;
        for (block, tile) in (first..).zip(tiles) {
            let span = &group[block / per_span * form.span_bytes()..][..form.span_bytes()];
            let (header, blocks) = span.split_at(form.header());
            let own = &blocks[block % per_span * form.block_bytes()..][..form.block_bytes()];
            let (steps, planes) = own.split_at(form.steps * form.step());
            scales(form, header, steps, tile);
            let (low, high) = planes.split_at(form.low_bytes());
            match form.low {
                2 => spread::<2>(low.as_chunks().0, tile),
                4 => halves(low.as_chunks().0, tile),
                _ => bytes(low.as_chunks().0, tile),
            }
            // A shift by a number that the compiler knows is one of whole vectors.
            match (form.high, form.low) {
                (1, 2) => join::<1, 2>(high.as_chunks().0, tile),
                (1, _) => join::<1, 4>(high.as_chunks().0, tile),
                (2, _) => join::<2, 4>(high.as_chunks().0, tile),
                _ => {}
            }
            if let Some(table) = form.table {
                look_up(table, tile);
            }
        }
    }
}

/// A number of 16 bits of each row.
#[inline(always)]
fn numbers(bytes: &[u8]) -> [f32; GROUP] {
    let mut numbers = [0.0; GROUP];
    for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<2>().0) {
        let bits = u32::from(u16::from_le_bytes(*bytes));
        let magnitude = f32::from_bits((bits & 0x7fff) << 13) * EXPONENTS;
        *number = f32::from_bits(magnitude.to_bits() | (bits & 0x8000) << 16);
    }
    numbers
}

#[inline(always)]
fn scales(form: Form, header: &[u8], steps: &[u8], tile: &mut Tile) {
    let (first, second) = header.split_at(2 * GROUP);
    let shared = numbers(first);
    let offset = f32::from(form.offset);
    match form.scales {
        Scales::One => {
            tile.scales[0] = shared;
            tile.mins[0] = shared.map(|scale| offset * scale);
        }
        Scales::Two => {
            tile.scales[0] = shared;
            tile.mins[0] = numbers(second).map(|number| -number);
        }
        Scales::Signed => {
            for (step, bytes) in steps.chunks_exact(GROUP).enumerate() {
                for (lane, byte) in bytes.iter().enumerate() {
                    let scale = shared[lane] * f32::from(*byte as i8);
                    tile.scales[step][lane] = scale;
                    tile.mins[step][lane] = offset * scale;
                }
            }
        }
        Scales::Pairs => {
            let mins = numbers(second);
            for (step, bytes) in steps.chunks_exact(2 * GROUP).enumerate() {
                let (own, others) = bytes.split_at(GROUP);
                for lane in 0..GROUP {
                    tile.scales[step][lane] = shared[lane] * f32::from(own[lane]);
                    tile.mins[step][lane] = mins[lane] * f32::from(others[lane]);
                }
            }
        }
        Scales::Halves => {
            let mins = numbers(second);
            for (step, bytes) in steps.chunks_exact(GROUP).enumerate() {
                for (lane, byte) in bytes.iter().enumerate() {
                    tile.scales[step][lane] = shared[lane] * f32::from(byte & 15);
                    tile.mins[step][lane] = mins[lane] * f32::from(byte >> 4);
                }
            }
        }
    }
}

/// Codes of 8 bits.
#[inline(always)]
fn bytes(lines: &[[u8; LINE]], tile: &mut Tile) {
    for (quad, line) in tile.codes.iter_mut().zip(lines) {
        *quad = *line;
    }
}

/// Codes of 4 bits, half a block apart in a byte.
#[inline(always)]
fn halves(lines: &[[u8; LINE]], tile: &mut Tile) {
    let (first, second) = tile.codes.split_at_mut(QUADS / 2);
    for ((first, second), line) in first.iter_mut().zip(second).zip(lines) {
        for ((first, second), byte) in first.iter_mut().zip(second).zip(line) {
            (*first, *second) = (byte & 15, byte >> 4);
        }
    }
}

/// Codes of `BITS` bits, those of neighbouring quads in a byte.
#[inline(always)]
fn spread<const BITS: usize>(lines: &[[u8; LINE]], tile: &mut Tile) {
    let per_byte = 8 / BITS;
    for (quads, line) in tile.codes.chunks_exact_mut(per_byte).zip(lines) {
        for (index, quad) in quads.iter_mut().enumerate() {
            for (code, byte) in quad.iter_mut().zip(line) {
                *code = byte >> (index * BITS) & ((1 << BITS) - 1);
            }
        }
    }
}

/// Adds the `BITS` higher bits to codes of `LOW` bits.
#[inline(always)]
fn join<const BITS: usize, const LOW: usize>(lines: &[[u8; LINE]], tile: &mut Tile) {
    let per_byte = 8 / BITS;
    for (quads, line) in tile.codes.chunks_exact_mut(per_byte).zip(lines) {
        for (index, quad) in quads.iter_mut().enumerate() {
            for (code, byte) in quad.iter_mut().zip(line) {
                *code |= (byte >> (index * BITS) & ((1 << BITS) - 1)) << LOW;
            }
        }
    }
}

/// What the codes stand for, in place of them.
#[inline(always)]
fn look_up(table: &[i8; 16], tile: &mut Tile) {
    #[cfg(target_arch = "x86_64")]
    if crate::simd::level() >= crate::simd::Level::Avx2 {
        // SAFETY: `level` only names instruction sets that this processor was found to have.
        return unsafe { look_up_at_once(table, tile) };
    }
    for quad in &mut tile.codes {
        for code in quad {
            *code = table[usize::from(*code & 15)] as u8;
        }
    }
}

/// [`look_up`] of 32 codes at a time: the compiler makes no shuffle of a table by itself.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn look_up_at_once(table: &[i8; 16], tile: &mut Tile) {
    use std::arch::x86_64::{
        _mm_loadu_si128, _mm256_broadcastsi128_si256, _mm256_loadu_si256, _mm256_shuffle_epi8,
        _mm256_storeu_si256,
    };
    // SAFETY: the table is a vector of 16 bytes.
    let table = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(table.as_ptr().cast()) });
    for codes in tile.codes.as_flattened_mut().as_chunks_mut::<32>().0 {
        // SAFETY: 32 bytes are a vector, to read and to write.
        unsafe {
            let values = _mm256_shuffle_epi8(table, _mm256_loadu_si256(codes.as_ptr().cast()));
            _mm256_storeu_si256(codes.as_mut_ptr().cast(), values);
        }
    }
}
