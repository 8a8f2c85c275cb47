//! The loops of AVX2, and of processors that add up four products of bytes in one instruction (VNNI).

#![expect(clippy::needless_range_loop, reason = "a place is one of the weights and one of the activations")]

use std::arch::x86_64::{
    __m256, __m256i, __m512, __m512i, _mm256_abs_epi8, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256,
    _mm256_cvtepi32_ps, _mm256_dpbusd_avx_epi32, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_sign_epi8,
    _mm256_srli_epi16, _mm256_storeu_ps, _mm256_xor_si256, _mm512_and_si512, _mm512_cvtepi32_ps,
    _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mul_ps,
    _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
    _mm512_srli_epi16, _mm512_storeu_ps, _mm512_xor_si512,
};

use super::in_place::Blocks;
use super::{Kernel, PACKED_LINES, Sums, Tile};
use crate::device::cpu::quantised::activations::Row;
use crate::device::cpu::quantised::{BLOCK, LINE, QUAD, QUADS};

/// Rows of a group in a vector of AVX2.
const LANES: usize = 8;

/// AVX2.
pub struct Avx2;

/// AVX2 with VNNI.
pub struct AvxVnni;

/// AVX-512 with VNNI.
pub struct Avx512Vnni;

/// A loop over blocks, wherever they are.
pub trait Loop {
    /// As [`Kernel::rows`].
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn sum<B: Blocks, const BITS: usize, const STEPS: usize, const PACKED: bool, const R: usize>(
        blocks: B,
        rows: [Row<'_>; R],
        sums: &mut [Sums; R],
    );
}

impl<L: Loop> Kernel for L {
    // SAFETY: what it asks of its caller is what the trait says.
    unsafe fn rows<const BITS: usize, const STEPS: usize, const PACKED: bool, const R: usize>(
        tiles: &[Tile<'_>],
        rows: [Row<'_>; R],
        sums: &mut [Sums; R],
    ) {
        // SAFETY: the caller's promise.
        unsafe { L::sum::<_, BITS, STEPS, PACKED, R>(tiles, rows, sums) }
    }
}

/// Four features of a row, for all lanes.
#[inline(always)]
fn quad(x: &[i8; BLOCK], quad: usize) -> i32 {
    let [a, b, c, d] = x.as_chunks::<QUAD>().0[quad];
    i32::from_le_bytes([a as u8, b as u8, c as u8, d as u8])
}

/// Adds to `totals` the sums of four products each over the quads `first..end`, for codes of few bits: products of two are added in
/// 16 bits, as many as fit (`2 x 15 x 127 x 8`, `2 x 31 x 127 x 4`, `2 x 63 x 127 x 2` are below `2^15`).
#[inline]
#[target_feature(enable = "avx2,fma")]
fn unsigned_sums<const BITS: usize, const PACKED: bool, const R: usize>(
    codes: [&[u8; LANES * QUAD]; QUADS],
    x: [&[i8; BLOCK]; R],
    [first, end]: [usize; 2],
) -> [__m256i; R] {
    let fit = match BITS {
        4 => 8,
        5 => 4,
        _ => 2,
    };
    let ones = _mm256_set1_epi16(1);
    let mut totals = [_mm256_setzero_si256(); R];
    let mut start = first;
    while start < end {
        let stop = if start + fit < end { start + fit } else { end };
        let mut pairs = [_mm256_setzero_si256(); R];
        for place in start..stop {
            let weight = load_codes::<PACKED>(codes[place], place);
            for (pairs, x) in pairs.iter_mut().zip(x) {
                let products = _mm256_maddubs_epi16(weight, _mm256_set1_epi32(quad(x, place)));
                *pairs = _mm256_add_epi16(*pairs, products);
            }
        }
        for (total, pairs) in totals.iter_mut().zip(pairs) {
            *total = _mm256_add_epi32(*total, _mm256_madd_epi16(pairs, ones));
        }
        start = stop;
    }
    totals
}

/// The same for signed bytes: `|w| (x with the sign of w)`, of which two products fit 16 bits, for `x` is never -128.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn signed_sums<const R: usize>(codes: [&[u8; LANES * QUAD]; QUADS], x: [&[i8; BLOCK]; R]) -> [__m256i; R] {
    let ones = _mm256_set1_epi16(1);
    let mut totals = [_mm256_setzero_si256(); R];
    for (place, codes) in codes.into_iter().enumerate() {
        let weight = load_codes::<false>(codes, place);
        let magnitude = _mm256_abs_epi8(weight);
        for (total, x) in totals.iter_mut().zip(x) {
            let x = _mm256_sign_epi8(_mm256_set1_epi32(quad(x, place)), weight);
            let pairs = _mm256_maddubs_epi16(magnitude, x);
            *total = _mm256_add_epi32(*total, _mm256_madd_epi16(pairs, ones));
        }
    }
    totals
}

/// The same by the instruction that adds four products; signed bytes have been made unsigned by adding 128.
#[inline]
#[target_feature(enable = "avx2,fma,avxvnni")]
fn sums_of_four<const BITS: usize, const PACKED: bool, const R: usize>(
    codes: [&[u8; LANES * QUAD]; QUADS],
    x: [&[i8; BLOCK]; R],
    [first, end]: [usize; 2],
) -> [__m256i; R] {
    let mut totals = [_mm256_setzero_si256(); R];
    for place in first..end {
        let mut weight = load_codes::<PACKED>(codes[place], place);
        if BITS == 8 {
            weight = _mm256_xor_si256(weight, _mm256_set1_epi8(i8::MIN));
        }
        for (total, x) in totals.iter_mut().zip(x) {
            *total = _mm256_dpbusd_avx_epi32(*total, weight, _mm256_set1_epi32(quad(x, place)));
        }
    }
    totals
}

/// A kernel over the halves of a group whose sums of whole numbers are `$sums`; `$shifts` says whether it makes signed bytes
/// unsigned.
macro_rules! halves {
    ($name:ident, $features:literal, $shifts:literal, |$bits:ident, $packed:ident, $codes:ident, $x:ident, $span:ident| $sums:expr) => {
        impl Loop for $name {
            // SAFETY: what it asks of its caller is what the trait says.
            unsafe fn sum<
                B: Blocks,
                const BITS: usize,
                const STEPS: usize,
                const PACKED: bool,
                const R: usize,
            >(
                blocks: B,
                rows: [Row<'_>; R],
                sums: &mut [Sums; R],
            ) {
                #[target_feature(enable = $features)]
                fn compiled<
                    B: Blocks,
                    const $bits: usize,
                    const STEPS: usize,
                    const $packed: bool,
                    const R: usize,
                >(
                    blocks: B,
                    rows: [Row<'_>; R],
                    sums: &mut [Sums; R],
                ) {
                    for first in [0, LANES] {
                        let mut totals: [__m256; R] = load_sums(sums, first);
                        for index in 0..blocks.count() {
                            let ($codes, $x) = (
                                half::<$packed>(blocks.codes(index), first),
                                rows.map(|row| &row.codes[index]),
                            );
                            for step in 0..STEPS {
                                let $span = [step * QUADS / STEPS, (step + 1) * QUADS / STEPS];
                                let products = $sums;
                                // SAFETY: the processor has AVX2.
                                let [scales, mut mins] = unsafe { blocks.half_scales(index, step, first) };
                                if $bits == 8 {
                                    mins = _mm256_mul_ps(scales, _mm256_set1_ps(128.0));
                                }
                                for ((row, total), products) in rows.iter().zip(&mut totals).zip(products) {
                                    let factors = &row.factors[index];
                                    let scale = _mm256_mul_ps(scales, _mm256_set1_ps(factors[0]));
                                    *total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), scale, *total);
                                    if $bits < 8 || $shifts {
                                        let shift = factors[if STEPS == 1 { 1 } else { 2 + step }];
                                        *total = _mm256_fmadd_ps(mins, _mm256_set1_ps(shift), *total);
                                    }
                                }
                            }
                        }
                        store_sums(totals, sums, first);
                    }
                }
                // SAFETY: the caller's promise.
                unsafe { compiled::<B, BITS, STEPS, PACKED, R>(blocks, rows, sums) }
            }
        }
    };
}

halves!(Avx2, "avx2,fma", false, |BITS, PACKED, codes, x, span| if BITS == 8 {
    signed_sums(codes, x)
} else {
    unsigned_sums::<BITS, PACKED, R>(codes, x, span)
});
halves!(AvxVnni, "avx2,fma,avxvnni", true, |BITS, PACKED, codes, x, span| sums_of_four::<BITS, PACKED, R>(
    codes, x, span
));

impl Loop for Avx512Vnni {
    // SAFETY: what it asks of its caller is what the trait says.
    unsafe fn sum<B: Blocks, const BITS: usize, const STEPS: usize, const PACKED: bool, const R: usize>(
        blocks: B,
        rows: [Row<'_>; R],
        sums: &mut [Sums; R],
    ) {
        #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
        fn compiled<B: Blocks, const BITS: usize, const STEPS: usize, const PACKED: bool, const R: usize>(
            blocks: B,
            rows: [Row<'_>; R],
            sums: &mut [Sums; R],
        ) {
            let turn = _mm512_set1_epi8(i8::MIN);
            let mut totals: [__m512; R] = [_mm512_setzero_ps(); R];
            for (total, sums) in totals.iter_mut().zip(sums.iter()) {
                // SAFETY: sums are as many as a vector has.
                *total = unsafe { _mm512_loadu_ps(sums.as_ptr()) };
            }
            for index in 0..blocks.count() {
                let mut weights: [__m512i; QUADS] = [_mm512_setzero_si512(); QUADS];
                let lines = if PACKED { PACKED_LINES } else { QUADS };
                for (place, codes) in blocks.codes(index)[..lines].iter().enumerate() {
                    // SAFETY: a line of a tile is a whole vector.
                    let codes = unsafe { _mm512_loadu_si512(codes.as_ptr().cast()) };
                    if PACKED {
                        let low = _mm512_set1_epi8(15);
                        weights[place] = _mm512_and_si512(codes, low);
                        weights[place + PACKED_LINES] = _mm512_and_si512(_mm512_srli_epi16::<4>(codes), low);
                    } else {
                        weights[place] = if BITS == 8 { _mm512_xor_si512(codes, turn) } else { codes };
                    }
                }
                let mut scales = [[_mm512_setzero_ps(); 2]; STEPS];
                for (step, scales) in scales.iter_mut().enumerate() {
                    // SAFETY: the processor has AVX-512.
                    *scales = unsafe { blocks.scales(index, step) };
                }
                for (row, total) in rows.iter().zip(&mut totals) {
                    let (x, factors) = (&row.codes[index], &row.factors[index]);
                    for step in 0..STEPS {
                        let mut products = _mm512_setzero_si512();
                        for place in step * QUADS / STEPS..(step + 1) * QUADS / STEPS {
                            let x = _mm512_set1_epi32(quad(x, place));
                            products = _mm512_dpbusd_epi32(products, weights[place], x);
                        }
                        let [scale, min] = scales[step];
                        let min = if BITS == 8 { _mm512_mul_ps(scale, _mm512_set1_ps(128.0)) } else { min };
                        let scale = _mm512_mul_ps(scale, _mm512_set1_ps(factors[0]));
                        *total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(products), scale, *total);
                        let shift = factors[if STEPS == 1 { 1 } else { 2 + step }];
                        *total = _mm512_fmadd_ps(min, _mm512_set1_ps(shift), *total);
                    }
                }
            }
            for (total, sums) in totals.into_iter().zip(sums) {
                // SAFETY: sums are as many as a vector has.
                unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), total) };
            }
        }
        // SAFETY: the caller's promise.
        unsafe { compiled::<B, BITS, STEPS, PACKED, R>(blocks, rows, sums) }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load_sums<const R: usize>(sums: &[Sums; R], first: usize) -> [__m256; R] {
    let mut totals = [_mm256_setzero_ps(); R];
    for (total, sums) in totals.iter_mut().zip(sums) {
        let sums: &[f32; LANES] = sums[first..].first_chunk().expect("two vectors are a group");
        // SAFETY: a vector of sums.
        *total = unsafe { _mm256_loadu_ps(sums.as_ptr()) };
    }
    totals
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn store_sums<const R: usize>(totals: [__m256; R], sums: &mut [Sums; R], first: usize) {
    for (total, sums) in totals.into_iter().zip(sums) {
        let sums: &mut [f32; LANES] = sums[first..].first_chunk_mut().expect("two vectors are a group");
        // SAFETY: room for a vector of sums.
        unsafe { _mm256_storeu_ps(sums.as_mut_ptr(), total) };
    }
}

/// The codes of a half of the rows of a group.
#[inline(always)]
fn half<const PACKED: bool>(lines: &[[u8; LINE]], first: usize) -> [&[u8; LANES * QUAD]; QUADS] {
    let mut codes = [lines[0].first_chunk().expect("two vectors are a line"); QUADS];
    for (place, codes) in codes.iter_mut().enumerate() {
        let line = if PACKED { place % PACKED_LINES } else { place };
        *codes = lines[line][first * QUAD..].first_chunk().expect("two vectors are a line");
    }
    codes
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load_codes<const PACKED: bool>(codes: &[u8; LANES * QUAD], place: usize) -> __m256i {
    // SAFETY: a vector of codes.
    let codes = unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) };
    match (PACKED, place < PACKED_LINES) {
        (false, _) => codes,
        (true, true) => _mm256_and_si256(codes, _mm256_set1_epi8(15)),
        // The shift is one of 16 bits: what comes from the neighbour is cut off.
        (true, false) => _mm256_and_si256(_mm256_srli_epi16::<4>(codes), _mm256_set1_epi8(15)),
    }
}
