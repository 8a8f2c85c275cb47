//! Tiles of AVX2 and AVX-512, with bf16 where the processor multiplies it.

use std::arch::x86_64::{
    __m256, __m256bh, __m256i, __m512, __m512bh, __m512i, _mm256_and_si256, _mm256_broadcast_ss,
    _mm256_castsi256_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_set1_epi32,
    _mm256_setzero_ps, _mm256_slli_epi32, _mm256_storeu_ps, _mm256_storeu_si256, _mm512_add_ps,
    _mm512_and_si512, _mm512_castsi512_ps, _mm512_cvtneps_pbh, _mm512_dpbf16_ps, _mm512_fmadd_ps,
    _mm512_loadu_ps, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_slli_epi32, _mm512_storeu_ps,
};
use std::mem::transmute;
use std::ops::Range;

use super::amx;
use super::portable::{HIGH, portable_pairs, sum_pairs};
use super::{
    Ask, Block, Epilogue, Kernel, Left, Loops, PANEL, Panel, Results, SumTiles, TILE_ROWS, sum_tiles, tiles,
};
use crate::element::DType;
use crate::simd::Fused;

/// Units that are summed between two rows that are asked for, at most.
const BETWEEN: usize = 10;

/// The units before the first row that is asked for, and after each. All at once would take the places in which the first-level cache
/// notes what it waits for, and the operands would have to wait; long before the end they would have left that cache again.
#[inline(always)]
fn parts(units: usize) -> [usize; TILE_ROWS + 1] {
    let between = BETWEEN.min(units / (TILE_ROWS + 2));
    let mut parts = [between; TILE_ROWS + 1];
    parts[0] = units - (TILE_ROWS + 2) * between;
    parts[TILE_ROWS] = 3 * between;
    parts
}

/// A copy of `tiles` for an instruction set.
macro_rules! tiles_of {
    ($name:ident, $features:literal) => {
        /// # Safety
        /// As for [`tiles`].
        #[target_feature(enable = $features)]
        pub unsafe fn $name<E: Epilogue>(
            loops: Loops,
            left: Left<'_>,
            rows: Range<usize>,
            panel: &Panel<'_>,
            sums: &mut [f32],
            epilogue: &E,
        ) {
            // SAFETY: the caller's promise.
            unsafe { tiles(Fused, loops, left, rows, panel, sums, epilogue) }
        }
    };
}

tiles_of!(tiles_avx512_bf16, "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16");
tiles_of!(tiles_avx512, "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl");
tiles_of!(tiles_avx2, "avx2,fma");

/// [`sum_tiles`] for one kernel, compiled for its instruction set.
macro_rules! sum_of {
    ($kernel:ty, $features:literal) => {{
        /// # Safety
        /// As for [`sum_tiles`].
        #[target_feature(enable = $features)]
        unsafe fn sum(
            out: Block,
            rows: &Range<usize>,
            first: usize,
            left: &Left<'_>,
            panel: &Panel<'_>,
            results: &Results,
        ) {
            // SAFETY: the caller's promise.
            unsafe { sum_tiles::<$kernel>(out, rows, first, left, panel, results) }
        }
        sum
    }};
}

portable_pairs!(
    PortableAvx512,
    PANEL,
    sum_of!(PortableAvx512, "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")
);
portable_pairs!(PortableAvx2, 16, sum_of!(PortableAvx2, "avx2,fma"));

/// [`amx::blocks`] with the registers of the processor, or emulated ones in unit tests.
///
/// # Safety
/// As for [`tiles`]; the words of a row of `left` lie next to each other.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub unsafe fn blocks_amx<E: Epilogue>(
    left: Left<'_>,
    rows: Range<usize>,
    panel: &Panel<'_>,
    sums: &mut [f32],
    epilogue: &E,
) {
    #[cfg(test)]
    if crate::simd::detect() < crate::simd::Level::Amx {
        let mut registers = amx::Emulated::default();
        // SAFETY: the caller's promise.
        return unsafe { amx::blocks(Fused, &mut registers, left, rows, panel, sums, epilogue) };
    }
    // SAFETY: the caller's promise.
    unsafe { amx::blocks(Fused, &mut amx::Tiles::configured(), left, rows, panel, sums, epilogue) }
}

/// Makes a block of its sums; one of bf16 only where `NARROWS`.
///
/// # Safety
/// There is room for the sums, and the processor has AVX-512, with bf16 where `NARROWS`.
#[inline(always)]
unsafe fn finish<const R: usize, const QUARTERS: usize, const NARROWS: bool>(
    block: Block,
    mut sums: [[__m512; QUARTERS]; R],
) {
    let place = |row: usize, vector: usize| row * block.stride + 16 * vector;
    // SAFETY: the caller's promise; `__m256bh` and `__m256i` have one layout.
    unsafe {
        if !block.base.is_null() {
            for (row, sums) in sums.iter_mut().enumerate() {
                for (vector, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm512_add_ps(_mm512_loadu_ps(block.base.add(place(row, vector))), *sum);
                }
            }
        }
        if !block.bias.is_null() {
            for sums in &mut sums {
                for (vector, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm512_add_ps(*sum, _mm512_loadu_ps(block.bias.add(16 * vector)));
                }
            }
        }
        let narrow = NARROWS && block.dtype == DType::Bf16;
        for (row, sums) in sums.into_iter().enumerate() {
            for (vector, sum) in sums.into_iter().enumerate() {
                if narrow {
                    let out = block.out.cast::<u16>().add(place(row, vector));
                    let sum = transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(sum));
                    _mm256_storeu_si256(out.cast(), sum);
                } else {
                    _mm512_storeu_ps(block.out.cast::<f32>().add(place(row, vector)), sum);
                }
            }
        }
    }
}

pub struct Bf16Avx512;

impl Kernel for Bf16Avx512 {
    const COLUMNS: usize = PANEL;
    const PART: usize = PANEL / 2;
    const PER_UNIT: usize = 2;
    const SUM: SumTiles = sum_of!(Bf16Avx512, "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16");

    fn finishes(_: DType) -> bool {
        true
    }

    // SAFETY: what it asks of its caller is what the trait says.
    #[inline(always)]
    unsafe fn tile<const R: usize, const QUARTERS: usize>(
        a: *const u8,
        left: &Left<'_>,
        b: *const u32,
        units: usize,
        out: Block,
        ask: Ask<'_>,
    ) {
        // SAFETY: the caller promises the instruction set and that all words read here are readable, and
        // room for the sums; `__m512i` and `__m512bh` have one layout.
        unsafe {
            let mut sums: [[__m512; QUARTERS]; R] = [[_mm512_setzero_ps(); QUARTERS]; R];
            let (mut a, mut b) = (a, b);
            for (part, count) in parts(units).into_iter().enumerate() {
                if part > 0 {
                    ask.row(part - 1);
                }
                for _ in 0..count {
                    let mut panel: [__m512bh; QUARTERS] =
                        [transmute::<__m512, __m512bh>(_mm512_setzero_ps()); QUARTERS];
                    for (vector, panel) in panel.iter_mut().enumerate() {
                        *panel =
                            transmute::<__m512i, __m512bh>(_mm512_loadu_si512(b.add(16 * vector).cast()));
                    }
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let word = a.add(row * left.row_step).cast::<i32>().read_unaligned();
                        let word = transmute::<__m512i, __m512bh>(_mm512_set1_epi32(word));
                        for (sum, panel) in sums.iter_mut().zip(panel) {
                            *sum = _mm512_dpbf16_ps(*sum, word, panel);
                        }
                    }
                    a = a.add(left.unit_step);
                    b = b.add(PANEL);
                }
            }
            finish::<R, QUARTERS, true>(out, sums);
        }
    }
}

pub struct F32Avx512;

impl Kernel for F32Avx512 {
    const COLUMNS: usize = PANEL;
    const PART: usize = PANEL / 2;
    const PER_UNIT: usize = 1;
    const SUM: SumTiles = sum_of!(F32Avx512, "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl");

    fn finishes(dtype: DType) -> bool {
        dtype == DType::F32
    }

    // SAFETY: what it asks of its caller is what the trait says.
    #[inline(always)]
    unsafe fn tile<const R: usize, const QUARTERS: usize>(
        a: *const u8,
        left: &Left<'_>,
        b: *const u32,
        units: usize,
        out: Block,
        ask: Ask<'_>,
    ) {
        // SAFETY: the caller promises the instruction set and that all words read here are readable, and
        // room for the sums.
        unsafe {
            let mut sums: [[__m512; QUARTERS]; R] = [[_mm512_setzero_ps(); QUARTERS]; R];
            let (mut a, mut b) = (a, b.cast::<f32>());
            for (part, count) in parts(units).into_iter().enumerate() {
                if part > 0 {
                    ask.row(part - 1);
                }
                for _ in 0..count {
                    let mut panel = [_mm512_setzero_ps(); QUARTERS];
                    for (vector, panel) in panel.iter_mut().enumerate() {
                        *panel = _mm512_loadu_ps(b.add(16 * vector));
                    }
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let word = _mm512_set1_ps(a.add(row * left.row_step).cast::<f32>().read_unaligned());
                        for (sum, panel) in sums.iter_mut().zip(panel) {
                            *sum = _mm512_fmadd_ps(word, panel, *sum);
                        }
                    }
                    a = a.add(left.unit_step);
                    b = b.add(PANEL);
                }
            }
            finish::<R, QUARTERS, false>(out, sums);
        }
    }
}

pub struct MixedAvx512;

impl Kernel for MixedAvx512 {
    const COLUMNS: usize = PANEL;
    const PART: usize = PANEL / 2;
    const PER_UNIT: usize = 2;
    const SUM: SumTiles = sum_of!(MixedAvx512, "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl");

    fn finishes(dtype: DType) -> bool {
        dtype == DType::F32
    }

    // SAFETY: what it asks of its caller is what the trait says.
    #[inline(always)]
    unsafe fn tile<const R: usize, const QUARTERS: usize>(
        a: *const u8,
        left: &Left<'_>,
        b: *const u32,
        units: usize,
        out: Block,
        ask: Ask<'_>,
    ) {
        // SAFETY: the caller promises the instruction set and that all words read here are readable, and
        // room for the sums.
        unsafe {
            let mut sums: [[__m512; QUARTERS]; R] = [[_mm512_setzero_ps(); QUARTERS]; R];
            let (mut a, mut b) = (a, b);
            for (part, count) in parts(units).into_iter().enumerate() {
                if part > 0 {
                    ask.row(part - 1);
                }
                for _ in 0..count {
                    for half in 0..2 {
                        let mut panel = [_mm512_setzero_ps(); QUARTERS];
                        for (vector, panel) in panel.iter_mut().enumerate() {
                            let words = _mm512_loadu_si512(b.add(16 * vector).cast());
                            *panel = _mm512_castsi512_ps(match half {
                                0 => _mm512_slli_epi32::<16>(words),
                                _ => _mm512_and_si512(words, _mm512_set1_epi32(HIGH.cast_signed())),
                            });
                        }
                        for (row, sums) in sums.iter_mut().enumerate() {
                            let word = a.add(row * left.row_step).cast::<f32>().add(half);
                            let word = _mm512_set1_ps(word.read_unaligned());
                            for (sum, panel) in sums.iter_mut().zip(panel) {
                                *sum = _mm512_fmadd_ps(word, panel, *sum);
                            }
                        }
                    }
                    a = a.add(left.unit_step);
                    b = b.add(PANEL);
                }
            }
            finish::<R, QUARTERS, false>(out, sums);
        }
    }
}

pub struct MixedAvx2;

impl Kernel for MixedAvx2 {
    const COLUMNS: usize = 16;
    const PER_UNIT: usize = 2;
    const SUM: SumTiles = sum_of!(MixedAvx2, "avx2,fma");

    // SAFETY: what it asks of its caller is what the trait says.
    #[inline(always)]
    unsafe fn tile<const R: usize, const QUARTERS: usize>(
        a: *const u8,
        left: &Left<'_>,
        b: *const u32,
        units: usize,
        out: Block,
        ask: Ask<'_>,
    ) {
        // SAFETY: the caller promises the instruction set and that all words read here are readable, and
        // room for the sums.
        unsafe {
            let mut sums: [[__m256; 2]; R] = [[_mm256_setzero_ps(); 2]; R];
            let (mut a, mut b) = (a, b);
            for (part, count) in parts(units).into_iter().enumerate() {
                if part > 0 {
                    ask.row(part - 1);
                }
                for _ in 0..count {
                    // One half after the other: with both there are not enough registers.
                    for half in 0..2 {
                        // Not by `map`: what a closure does there is not compiled for the instruction set.
                        let mut panel = [_mm256_setzero_ps(); 2];
                        for (vector, panel) in panel.iter_mut().enumerate() {
                            let words = _mm256_loadu_si256(b.add(8 * vector).cast());
                            *panel = _mm256_castsi256_ps(match half {
                                0 => _mm256_slli_epi32::<16>(words),
                                _ => _mm256_and_si256(words, _mm256_set1_epi32(HIGH.cast_signed())),
                            });
                        }
                        for (row, sums) in sums.iter_mut().enumerate() {
                            let word = a.add(row * left.row_step).cast::<f32>().add(half);
                            let word = _mm256_broadcast_ss(&word.read_unaligned());
                            for (sum, panel) in sums.iter_mut().zip(panel) {
                                *sum = _mm256_fmadd_ps(word, panel, *sum);
                            }
                        }
                    }
                    a = a.add(left.unit_step);
                    b = b.add(Self::COLUMNS);
                }
            }
            store_vectors(out, sums);
        }
    }
}

/// # Safety
/// There is room for the sums, and the processor has AVX2.
#[inline(always)]
unsafe fn store_vectors<const R: usize>(out: Block, sums: [[__m256; 2]; R]) {
    let values = out.out.cast::<f32>();
    for (row, sums) in sums.into_iter().enumerate() {
        for (vector, sum) in sums.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { _mm256_storeu_ps(values.add(row * out.stride + 8 * vector), sum) };
        }
    }
}

pub struct F32Avx2;

impl Kernel for F32Avx2 {
    const COLUMNS: usize = 16;
    const PER_UNIT: usize = 1;
    const SUM: SumTiles = sum_of!(F32Avx2, "avx2,fma");

    // SAFETY: what it asks of its caller is what the trait says.
    #[inline(always)]
    unsafe fn tile<const R: usize, const QUARTERS: usize>(
        a: *const u8,
        left: &Left<'_>,
        b: *const u32,
        units: usize,
        out: Block,
        ask: Ask<'_>,
    ) {
        // SAFETY: the caller promises the instruction set and that all words read here are readable, and
        // room for the sums.
        unsafe {
            let mut sums: [[__m256; 2]; R] = [[_mm256_setzero_ps(); 2]; R];
            let (mut a, mut b) = (a, b.cast::<f32>());
            for (part, count) in parts(units).into_iter().enumerate() {
                if part > 0 {
                    ask.row(part - 1);
                }
                for _ in 0..count {
                    let panel = [_mm256_loadu_ps(b), _mm256_loadu_ps(b.add(8))];
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let word =
                            _mm256_broadcast_ss(&a.add(row * left.row_step).cast::<f32>().read_unaligned());
                        for (sum, panel) in sums.iter_mut().zip(panel) {
                            *sum = _mm256_fmadd_ps(word, panel, *sum);
                        }
                    }
                    a = a.add(left.unit_step);
                    b = b.add(Self::COLUMNS);
                }
            }
            store_vectors(out, sums);
        }
    }
}
