//! Where the loops of x86 find codes and scales: brought to bytes and numbers before, or as they lie in a group.

use std::arch::x86_64::{
    __m256, __m512, _mm_loadu_si128, _mm256_and_si256, _mm256_castps_si256, _mm256_castsi256_ps,
    _mm256_cvtepu16_epi32, _mm256_load_ps, _mm256_loadu_si256, _mm256_mul_ps, _mm256_or_si256,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_slli_epi32, _mm256_xor_ps, _mm512_and_si512,
    _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cvtepu16_epi32, _mm512_load_ps, _mm512_mul_ps,
    _mm512_or_si512, _mm512_set1_epi32, _mm512_set1_ps, _mm512_slli_epi32, _mm512_xor_ps,
};
use std::ops::Range;

use super::x86::Loop;
use super::{ROWS, Sums, Tile};
use crate::device::cpu::quantised::activations::Row;
use crate::device::cpu::quantised::form::{Form, Scales};
use crate::device::cpu::quantised::unpack::EXPONENTS;
use crate::device::cpu::quantised::{BLOCK, GROUP, LINE};

/// Some blocks of a group of rows.
pub trait Blocks: Copy {
    fn count(self) -> usize;

    /// The lines of a block's codes.
    fn codes(&self, index: usize) -> &[[u8; LINE]];

    /// Its scales and mins.
    ///
    /// # Safety
    /// The processor has AVX-512.
    unsafe fn scales(self, index: usize, step: usize) -> [__m512; 2];

    /// Those of a half of the rows, which begins with `first`.
    ///
    /// # Safety
    /// The processor has AVX2.
    unsafe fn half_scales(self, index: usize, step: usize, first: usize) -> [__m256; 2];
}

impl Blocks for &[Tile<'_>] {
    #[inline(always)]
    fn count(self) -> usize {
        self.len()
    }

    #[inline(always)]
    fn codes(&self, index: usize) -> &[[u8; LINE]] {
        self[index].codes
    }

    // SAFETY: what it asks of its caller is what the trait says.
    #[inline(always)]
    unsafe fn scales(self, index: usize, step: usize) -> [__m512; 2] {
        let tile = self[index].scales;
        let (scales, mins) = (&tile.scales[step], &tile.mins[step]);
        // SAFETY: a vector each, which lies at a multiple of its length.
        unsafe { [_mm512_load_ps(scales.as_ptr()), _mm512_load_ps(mins.as_ptr())] }
    }

    // SAFETY: what it asks of its caller is what the trait says.
    #[inline(always)]
    unsafe fn half_scales(self, index: usize, step: usize, first: usize) -> [__m256; 2] {
        let tile = self[index].scales;
        let (scales, mins) = (&tile.scales[step][first..], &tile.mins[step][first..]);
        let of: [&[f32; GROUP / 2]; 2] =
            [scales, mins].map(|numbers| numbers.first_chunk().expect("two vectors are a group"));
        // SAFETY: a vector each, which lies at a multiple of its length.
        unsafe { [_mm256_load_ps(of[0].as_ptr()), _mm256_load_ps(of[1].as_ptr())] }
    }
}

/// Blocks with a scale for all their features, whose codes can be multiplied as they lie in a group. For few rows the scales are taken
/// from the headers on the way: they come with the codes from the memory, and each is looked at once.
#[derive(Clone, Copy)]
pub struct InPlace<'a> {
    bytes: &'a [u8],
    count: usize,
    /// Bytes of a block and of its header.
    block: usize,
    header: usize,
    /// What a min is of a scale; none where mins stand in the header.
    offset: Option<f32>,
    /// Whether two codes of 4 bits lie in a byte; else each has its own.
    is_packed: bool,
}

impl<'a> InPlace<'a> {
    /// The `count` blocks of a group of that form, if they are such blocks.
    pub fn of(form: Form, bytes: &'a [u8], count: usize) -> Option<Self> {
        let offset = match form.scales {
            Scales::One => Some(f32::from(form.offset)),
            Scales::Two => None,
            Scales::Signed | Scales::Pairs | Scales::Halves => return None,
        };
        let lies_ready = form.span == BLOCK && (form.is_packed() || form.is_bytes());
        let (block, header, is_packed) = (form.span_bytes(), form.header(), form.is_packed());
        lies_ready.then(|| Self { bytes: &bytes[..count * block], count, block, header, offset, is_packed })
    }

    /// Some of them.
    pub fn part(self, blocks: Range<usize>) -> Self {
        let bytes = &self.bytes[blocks.start * self.block..blocks.end * self.block];
        Self { bytes, count: blocks.len(), ..self }
    }

    #[inline(always)]
    fn header(&self, index: usize) -> &'a [u8] {
        &self.bytes[index * self.block..][..self.header]
    }
}

impl Blocks for InPlace<'_> {
    #[inline(always)]
    fn count(self) -> usize {
        self.count
    }

    #[inline(always)]
    fn codes(&self, index: usize) -> &[[u8; LINE]] {
        self.bytes[index * self.block..][self.header..self.block].as_chunks().0
    }

    // SAFETY: what it asks of its caller is what the trait says.
    #[inline(always)]
    unsafe fn scales(self, index: usize, _: usize) -> [__m512; 2] {
        let header = self.header(index);
        // SAFETY: the caller's promise.
        unsafe {
            let scale = numbers(&header[..2 * GROUP]);
            let min = match self.offset {
                Some(offset) => _mm512_mul_ps(_mm512_set1_ps(offset), scale),
                None => _mm512_xor_ps(numbers(&header[2 * GROUP..]), _mm512_set1_ps(-0.0)),
            };
            [scale, min]
        }
    }

    // SAFETY: what it asks of its caller is what the trait says.
    #[inline(always)]
    unsafe fn half_scales(self, index: usize, _: usize, first: usize) -> [__m256; 2] {
        let header = self.header(index);
        // SAFETY: the caller's promise.
        unsafe {
            let scale = half_numbers(&header[2 * first..]);
            let min = match self.offset {
                Some(offset) => _mm256_mul_ps(_mm256_set1_ps(offset), scale),
                None => _mm256_xor_ps(half_numbers(&header[2 * (GROUP + first)..]), _mm256_set1_ps(-0.0)),
            };
            [scale, min]
        }
    }
}

/// Adds the products of blocks and of rows of `x`.
///
/// # Safety
/// The processor has the instructions of the loop.
pub unsafe fn multiply<'a, L: Loop>(blocks: InPlace<'_>, row: impl Fn(usize) -> Row<'a>, sums: &mut [Sums]) {
    let (whole, rest) = sums.as_chunks_mut::<ROWS>();
    let first_of_rest = whole.len() * ROWS;
    for (index, sums) in whole.iter_mut().enumerate() {
        let rows = std::array::from_fn(|own| row(index * ROWS + own));
        // SAFETY: the caller's promise.
        unsafe { sum::<L, ROWS>(blocks, rows, sums) };
    }
    for (index, sums) in rest.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { sum::<L, 1>(blocks, [row(first_of_rest + index)], std::array::from_mut(sums)) };
    }
}

/// # Safety
/// As for [`multiply`].
unsafe fn sum<L: Loop, const R: usize>(blocks: InPlace<'_>, rows: [Row<'_>; R], sums: &mut [Sums; R]) {
    // SAFETY: the caller's promise.
    unsafe {
        match blocks.is_packed {
            true => L::sum::<_, 4, 1, true, R>(blocks, rows, sums),
            false => L::sum::<_, 8, 1, false, R>(blocks, rows, sums),
        }
    }
}

/// The bits of a number of 16 bits that are not its sign.
const MAGNITUDE: i32 = 0x7fff;

/// Numbers of 16 bits of all rows.
///
/// # Safety
/// The processor has AVX-512.
#[inline(always)]
unsafe fn numbers(bytes: &[u8]) -> __m512 {
    let own: &[u8; 2 * GROUP] = bytes.first_chunk().expect("a number of each row");
    // SAFETY: the caller's promise; the bytes are a vector.
    unsafe {
        let bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(own.as_ptr().cast()));
        let magnitude = _mm512_slli_epi32::<13>(_mm512_and_si512(bits, _mm512_set1_epi32(MAGNITUDE)));
        let sign = _mm512_slli_epi32::<16>(_mm512_and_si512(bits, _mm512_set1_epi32(MAGNITUDE + 1)));
        let magnitude = _mm512_mul_ps(_mm512_castsi512_ps(magnitude), _mm512_set1_ps(EXPONENTS));
        _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(magnitude), sign))
    }
}

/// Those of a half of the rows.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn half_numbers(bytes: &[u8]) -> __m256 {
    let own: &[u8; GROUP] = bytes.first_chunk().expect("a number of each row");
    // SAFETY: the caller's promise; the bytes are a vector.
    unsafe {
        let bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(own.as_ptr().cast()));
        let magnitude = _mm256_slli_epi32::<13>(_mm256_and_si256(bits, _mm256_set1_epi32(MAGNITUDE)));
        let sign = _mm256_slli_epi32::<16>(_mm256_and_si256(bits, _mm256_set1_epi32(MAGNITUDE + 1)));
        let magnitude = _mm256_mul_ps(_mm256_castsi256_ps(magnitude), _mm256_set1_ps(EXPONENTS));
        _mm256_castsi256_ps(_mm256_or_si256(_mm256_castps_si256(magnitude), sign))
    }
}
