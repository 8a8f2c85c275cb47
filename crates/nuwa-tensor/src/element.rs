//! The dtypes of tensors.

use crate::simd::{LANES, vectorised};
pub use half::bf16 as Bf16;

/// A number of a tensor: kept as it is, computed with as `f32`.
pub trait Element: Copy + Send + Sync + Default + 'static {
    /// Which kind this is.
    const DTYPE: DType;

    /// The value.
    fn widen(self) -> f32;

    /// The nearest value of this dtype, ties to even.
    fn narrow(value: f32) -> Self;

    /// [`Element::narrow`] of each value; numbers too small to be normal may become 0.
    #[inline(always)]
    fn narrow_row(values: &[f32], out: &mut [Self]) {
        for (out, value) in out.iter_mut().zip(values) {
            *out = Self::narrow(*value);
        }
    }

    /// The same for the epilogue of a product, which is compiled for what the processor has.
    #[inline(always)]
    fn narrow_sums(values: &[f32], out: &mut [Self]) {
        Self::narrow_row(values, out);
    }

    /// The values, where they are `f32` already.
    fn as_wide(values: &[Self]) -> Option<&[f32]>;

    /// [`Bf16::narrow_row`] of the values.
    fn round_row(values: &[Self], out: &mut [Bf16]);

    /// Words of the elements of two rows of the same length, rounded to bf16: the first row's in the lower halves.
    fn join_rows(low: &[Self], high: &[Self], words: &mut [u32]);

    /// Words of neighbours, rounded to bf16: the first of two in the lower half.
    fn pairs(values: &[Self; 32]) -> [u32; 16];
}

/// Elements that are rounded before they are joined.
const JOINED: usize = 64;

/// Names the dtype of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32 bits: 1 of sign, 8 of exponent, 23 of fraction.
    F32,
    /// 16 bits: the upper half of an `f32`.
    Bf16,
}

impl DType {
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }
}

impl Element for f32 {
    const DTYPE: DType = DType::F32;

    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }

    #[inline(always)]
    fn narrow(value: f32) -> Self {
        value
    }

    // A loop over both slices becomes moves of single numbers where the length is known.
    #[inline(always)]
    fn narrow_row(values: &[f32], out: &mut [Self]) {
        out[..values.len()].copy_from_slice(values);
    }

    #[inline(always)]
    fn as_wide(values: &[Self]) -> Option<&[f32]> {
        Some(values)
    }

    #[inline(always)]
    fn round_row(values: &[Self], out: &mut [Bf16]) {
        Bf16::narrow_row(values, out);
    }

    #[inline(always)]
    fn join_rows(low: &[Self], high: &[Self], words: &mut [u32]) {
        let mut pair = [[Bf16::default(); JOINED]; 2];
        for ((low, high), words) in low.chunks(JOINED).zip(high.chunks(JOINED)).zip(words.chunks_mut(JOINED))
        {
            let [one, other] = pair.each_mut().map(|row| &mut row[..low.len()]);
            Bf16::narrow_row(low, one);
            Bf16::narrow_row(high, other);
            Bf16::join_rows(one, other, words);
        }
    }

    #[inline(always)]
    fn pairs(values: &[Self; 32]) -> [u32; 16] {
        let mut narrow = [Bf16::default(); 32];
        Bf16::narrow_row(values, &mut narrow);
        Bf16::pairs(&narrow)
    }
}

/// The 16 bits in the lower half of a word.
#[inline(always)]
pub(crate) fn bits(value: Bf16) -> u32 {
    u32::from(value.to_bits())
}

impl Element for Bf16 {
    const DTYPE: DType = DType::Bf16;

    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(bits(self) << 16)
    }

    #[inline(always)]
    fn narrow(value: f32) -> Self {
        Self::from_bits(rounded(value) as u16)
    }

    #[inline(always)]
    fn narrow_row(values: &[f32], out: &mut [Self]) {
        #[cfg(target_arch = "x86_64")]
        if crate::simd::level() >= crate::simd::Level::Avx512Bf16 {
            // SAFETY: `level` only names instruction sets that this processor was found to have.
            return unsafe { narrow_avx512(values, out) };
        }
        for (out, value) in out.iter_mut().zip(values) {
            *out = Self::narrow(*value);
        }
    }

    #[inline(always)]
    fn narrow_sums(values: &[f32], out: &mut [Self]) {
        #[cfg(target_arch = "x86_64")]
        if crate::simd::level() >= crate::simd::Level::Avx512Bf16 {
            // SAFETY: `level` only names instruction sets that this processor was found to have.
            return unsafe { narrow_inline(values, out) };
        }
        Self::narrow_row(values, out);
    }

    #[inline(always)]
    fn as_wide(_: &[Self]) -> Option<&[f32]> {
        None
    }

    #[inline(always)]
    fn round_row(values: &[Self], out: &mut [Bf16]) {
        out[..values.len()].copy_from_slice(values);
    }

    #[inline(always)]
    fn join_rows(low: &[Self], high: &[Self], words: &mut [u32]) {
        #[inline(always)]
        fn join(low: &[Bf16], high: &[Bf16], words: &mut [u32]) {
            for ((word, low), high) in words.iter_mut().zip(low).zip(high) {
                *word = bits(*low) | bits(*high) << 16;
            }
        }
        #[cfg(target_arch = "x86_64")]
        if crate::simd::level() >= crate::simd::Level::Avx512 {
            // SAFETY: `level` only names instruction sets that this processor was found to have.
            return unsafe { join_inline(low, high, words) };
        }
        // Whole vectors first: a loop over any length would decide anew each time.
        let (lows, low) = low.as_chunks::<LANES>();
        let (highs, high) = high.as_chunks::<LANES>();
        let (blocks, words) = words.split_at_mut(lows.len() * LANES);
        for ((low, high), words) in lows.iter().zip(highs).zip(blocks.as_chunks_mut::<LANES>().0) {
            join(low, high, words);
        }
        join(low, high, words);
    }

    #[inline(always)]
    fn pairs(values: &[Self; 32]) -> [u32; 16] {
        std::array::from_fn(|i| bits(values[2 * i]) | bits(values[2 * i + 1]) << 16)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
#[inline]
fn narrow_avx512(values: &[f32], out: &mut [Bf16]) {
    // SAFETY: this function has the instructions.
    unsafe { narrow_inline(values, out) }
}

/// [`Element::join_rows`] of bf16 as part of its caller; see [`narrow_inline`].
///
/// # Safety
/// The processor has AVX-512.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn join_inline(low: &[Bf16], high: &[Bf16], words: &mut [u32]) {
    use std::arch::x86_64::{
        __m256i, _mm256_loadu_si256, _mm256_maskz_loadu_epi16, _mm512_cvtepu16_epi32,
        _mm512_mask_storeu_epi32, _mm512_or_si512, _mm512_slli_epi32, _mm512_storeu_si512,
    };

    let join = |low: __m256i, high: __m256i| {
        // SAFETY: the caller promises the instructions.
        unsafe {
            let (low, high) = (_mm512_cvtepu16_epi32(low), _mm512_cvtepu16_epi32(high));
            _mm512_or_si512(low, _mm512_slli_epi32::<16>(high))
        }
    };
    let (lows, low) = low.as_chunks::<LANES>();
    let (highs, high) = high.as_chunks::<LANES>();
    let (blocks, rest) = words.as_chunks_mut::<LANES>();
    for ((low, high), words) in lows.iter().zip(highs).zip(blocks) {
        // SAFETY: as above; each load and store is of the block that it is given.
        unsafe {
            let (low, high) =
                (_mm256_loadu_si256(low.as_ptr().cast()), _mm256_loadu_si256(high.as_ptr().cast()));
            _mm512_storeu_si512(words.as_mut_ptr().cast(), join(low, high));
        }
    }
    let count = rest.len().min(low.len()).min(high.len());
    if count > 0 {
        let mask = (1 << count) - 1;
        // SAFETY: as above; of a mask's elements, which all three have, nothing else is touched.
        unsafe {
            let low = _mm256_maskz_loadu_epi16(mask, low.as_ptr().cast());
            let high = _mm256_maskz_loadu_epi16(mask, high.as_ptr().cast());
            _mm512_mask_storeu_epi32(rest.as_mut_ptr().cast(), mask, join(low, high));
        }
    }
}

/// Becomes part of its caller, which has to be compiled for the instructions: else each of them is a call.
///
/// # Safety
/// The processor has AVX-512 with bf16.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn narrow_inline(values: &[f32], out: &mut [Bf16]) {
    use std::arch::x86_64::{__m256bh, __m256i, _mm256_storeu_si256, _mm512_cvtneps_pbh, _mm512_loadu_ps};

    let (blocks, rest) = values.as_chunks::<16>();
    let (out_blocks, out_rest) = out.as_chunks_mut::<16>();
    for (block, out) in blocks.iter().zip(out_blocks) {
        // SAFETY: both blocks hold 16 numbers; the two vector types have one layout; the caller promises the instructions.
        unsafe {
            let narrow = _mm512_cvtneps_pbh(_mm512_loadu_ps(block.as_ptr()));
            _mm256_storeu_si256(out.as_mut_ptr().cast(), std::mem::transmute::<__m256bh, __m256i>(narrow));
        }
    }
    for (out, value) in out_rest.iter_mut().zip(rest) {
        *out = Bf16::narrow(*value);
    }
}

/// The bits of the nearest bf16 in the lower half of a word: without branches, so that loops become vector code.
#[inline(always)]
pub(crate) fn rounded(value: f32) -> u32 {
    let bits = value.to_bits();
    let nearest = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    // Rounding could turn the fraction of a NaN into zero, which would be infinity.
    if value.is_nan() { (bits >> 16) | 0x40 } else { nearest }
}

vectorised! {
    /// Each value in another kind, or the same.
    pub(crate) fn convert[S: Element, T: Element](values: &[S], out: &mut [T]) {
        if let Some(values) = S::as_wide(values) {
            return T::narrow_row(values, out);
        }
        const BLOCK: usize = 64;
        for (out, values) in out.chunks_mut(BLOCK).zip(values.chunks(BLOCK)) {
            let mut wide = [0.0; BLOCK];
            for (wide, value) in wide.iter_mut().zip(values) {
                *wide = value.widen();
            }
            T::narrow_row(&wide[..values.len()], out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_to_the_nearest_and_ties_to_even() {
        for (value, bits) in [
            (1.0_f32, 0x3f80),
            (1.0 + 2.0_f32.powi(-8), 0x3f80),
            (1.0 + 3.0 * 2.0_f32.powi(-8), 0x3f82),
            (1.0 + 2.0_f32.powi(-8) + 2.0_f32.powi(-20), 0x3f81),
            (-0.0, 0x8000),
            (f32::INFINITY, 0x7f80),
            (f32::MAX, 0x7f80),
            (f32::NEG_INFINITY, 0xff80),
        ] {
            assert_eq!(Bf16::narrow(value).to_bits(), bits, "{value}");
        }
        assert!(Bf16::narrow(f32::NAN).widen().is_nan());
        assert!(Bf16::narrow(f32::from_bits(0x7f80_0001)).widen().is_nan());
    }

    #[test]
    fn rows_are_rounded_like_single_numbers() {
        let mut values: Vec<f32> = (0..1000).map(|i| (i as f32 - 500.0) * 1.001e-2).collect();
        (values[3], values[4], values[999]) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
        for length in [0, 1, 15, 16, 17, 1000] {
            let mut out = vec![Bf16::ZERO; length];
            Bf16::narrow_row(&values[..length], &mut out);
            for (out, value) in out.iter().zip(&values) {
                assert!(*out == Bf16::narrow(*value) || out.widen().is_nan() && value.is_nan(), "{value}");
            }
        }
    }

    #[test]
    fn every_bf16_survives_the_way_through_f32() {
        for bits in 0..=u16::MAX {
            let value = Bf16::from_bits(bits);
            let back = Bf16::narrow(value.widen());
            assert!(back == value || value.widen().is_nan() && back.widen().is_nan(), "{bits:#x}");
        }
    }
}
