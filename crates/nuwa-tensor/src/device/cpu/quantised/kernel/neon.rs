//! The loops of NEON, without and with sums of four products of bytes in one instruction.

use std::arch::aarch64::{
    float32x4_t, int8x16_t, int32x4_t, vaddq_s32, vandq_u8, vcvtq_f32_s32, vdupq_n_f32, vdupq_n_s32,
    vdupq_n_u8, vfmaq_f32, vget_low_s8, vld1q_f32, vld1q_u8, vmull_high_s8, vmull_s8, vmulq_f32, vpaddlq_s16,
    vpaddq_s32, vreinterpretq_s8_s32, vreinterpretq_s8_u8, vshrq_n_u8, vst1q_f32,
};

use super::{Kernel, PACKED_LINES, Sums, Tile};
use crate::device::cpu::quantised::activations::Row;
use crate::device::cpu::quantised::{BLOCK, GROUP, QUAD, QUADS};

/// Rows of a group in a vector.
const LANES: usize = 4;

/// NEON as every processor of this kind has it.
pub struct Neon;

/// With dot products of bytes.
pub struct NeonDot;

/// Adds four products to each lane: pairs of them in 16 bits, which hold `2 x 128 x 127`.
#[inline]
#[target_feature(enable = "neon")]
fn add_by_pairs(sums: int32x4_t, weights: int8x16_t, x: int8x16_t) -> int32x4_t {
    let low = vpaddlq_s16(vmull_s8(vget_low_s8(weights), vget_low_s8(x)));
    let high = vpaddlq_s16(vmull_high_s8(weights, x));
    vaddq_s32(sums, vpaddq_s32(low, high))
}

/// Adds four products to each lane.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn add_at_once(mut sums: int32x4_t, weights: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: the instruction reads and writes registers alone, and this function has it.
    unsafe {
        std::arch::asm!(
            "sdot {sums:v}.4s, {weights:v}.16b, {x:v}.16b",
            sums = inout(vreg) sums,
            weights = in(vreg) weights,
            x = in(vreg) x,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

/// A kernel whose products are added by `$add`.
macro_rules! neon {
    ($name:ident, $add:ident, $features:literal) => {
        impl Kernel for $name {
            // SAFETY: what it asks of its caller is what the trait says.
            unsafe fn rows<const BITS: usize, const STEPS: usize, const PACKED: bool, const R: usize>(
                tiles: &[Tile<'_>],
                rows: [Row<'_>; R],
                sums: &mut [Sums; R],
            ) {
                #[target_feature(enable = $features)]
                fn compiled<const BITS: usize, const STEPS: usize, const PACKED: bool, const R: usize>(
                    tiles: &[Tile<'_>],
                    rows: [Row<'_>; R],
                    sums: &mut [Sums; R],
                ) {
                    for first in (0..GROUP).step_by(LANES) {
                        let mut totals = [vdupq_n_f32(0.0); R];
                        for (total, sums) in totals.iter_mut().zip(sums.iter()) {
                            *total = load(sums, first);
                        }
                        for (index, tile) in tiles.iter().enumerate() {
                            let weights = load_codes::<PACKED>(tile, first);
                            for (row, total) in rows.iter().zip(&mut totals) {
                                let (x, factors) = (&row.codes[index], &row.factors[index]);
                                for step in 0..STEPS {
                                    let mut products = vdupq_n_s32(0);
                                    for place in step * QUADS / STEPS..(step + 1) * QUADS / STEPS {
                                        products = $add(products, weights[place], quad(x, place));
                                    }
                                    let scale = vmulq_f32(
                                        load(&tile.scales.scales[step], first),
                                        vdupq_n_f32(factors[0]),
                                    );
                                    *total = vfmaq_f32(*total, vcvtq_f32_s32(products), scale);
                                    if BITS < 8 {
                                        let shift = factors[if STEPS == 1 { 1 } else { 2 + step }];
                                        let min = load(&tile.scales.mins[step], first);
                                        *total = vfmaq_f32(*total, min, vdupq_n_f32(shift));
                                    }
                                }
                            }
                        }
                        for (total, sums) in totals.into_iter().zip(sums.iter_mut()) {
                            let sums: &mut [f32; LANES] =
                                sums[first..].first_chunk_mut().expect("whole vectors are a group");
                            // SAFETY: room for a vector.
                            unsafe { vst1q_f32(sums.as_mut_ptr(), total) };
                        }
                    }
                }
                // SAFETY: the caller's promise.
                unsafe { compiled::<BITS, STEPS, PACKED, R>(tiles, rows, sums) }
            }
        }
    };
}

neon!(Neon, add_by_pairs, "neon");
neon!(NeonDot, add_at_once, "neon,dotprod");

/// Four features of a row, for all lanes.
#[inline]
#[target_feature(enable = "neon")]
fn quad(x: &[i8; BLOCK], quad: usize) -> int8x16_t {
    let x: &[i8; QUAD] = &x.as_chunks::<QUAD>().0[quad];
    vreinterpretq_s8_s32(vdupq_n_s32(i32::from_le_bytes(x.map(|x| x as u8))))
}

#[inline]
#[target_feature(enable = "neon")]
fn load(numbers: &[f32; GROUP], first: usize) -> float32x4_t {
    let numbers: &[f32; LANES] = numbers[first..].first_chunk().expect("whole vectors are a group");
    // SAFETY: a vector of numbers.
    unsafe { vld1q_f32(numbers.as_ptr()) }
}

/// The codes of four rows of a group, which are no more than signed bytes hold.
#[inline]
#[target_feature(enable = "neon")]
fn load_codes<const PACKED: bool>(tile: &Tile<'_>, first: usize) -> [int8x16_t; QUADS] {
    let mut weights = [vreinterpretq_s8_s32(vdupq_n_s32(0)); QUADS];
    for (place, codes) in tile.codes.iter().enumerate() {
        let codes: &[u8; LANES * QUAD] =
            codes[first * QUAD..].first_chunk().expect("whole vectors are a line");
        // SAFETY: a vector of codes.
        let loaded = unsafe { vld1q_u8(codes.as_ptr()) };
        if PACKED {
            weights[place] = vreinterpretq_s8_u8(vandq_u8(loaded, vdupq_n_u8(15)));
            weights[place + PACKED_LINES] = vreinterpretq_s8_u8(vshrq_n_u8::<4>(loaded));
        } else {
            weights[place] = vreinterpretq_s8_u8(loaded);
        }
    }
    weights
}
