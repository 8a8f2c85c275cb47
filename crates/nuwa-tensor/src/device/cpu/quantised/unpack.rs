//! Groups of rows into tiles, which kernels multiply.

use super::form::{Form, Scales};
use super::kernel::{Kind, TileCodes, TileScales};
use super::{BLOCK, GROUP, LINE, QUADS};
use crate::simd::{prefetch_read, vectorised};

/// 2^112: what takes a number of 16 bits whose bits lie in those of an `f32` to its exponent. It makes normal numbers of those that are
/// too small to be normal, too.
pub const EXPONENTS: f32 = f32::from_bits((112 + 127) << 23);

vectorised! {
    /// The scales of the blocks from `first` on. What follows, in as many blocks as `ahead`, is asked of the memory meanwhile: scales lie
    /// too far apart for the processor to guess where the next ones are.
    pub fn scales(layout: &GroupLayout, bytes: &[u8], first: usize, ahead: usize, scales: &mut [TileScales]) {
        for (block, scales) in (first..).zip(scales) {
            let later = layout.bytes_of(bytes, block + ahead);
            prefetch_read(later.as_ptr(), later.len());
            let parts = layout.parts(bytes, block);
            scales_of(layout.form, parts.header, parts.steps, scales);
        }
    }
}

vectorised! {
    /// The codes of the blocks from `first` on, a byte each.
    pub fn codes(layout: &GroupLayout, bytes: &[u8], first: usize, tiles: &mut [TileCodes]) {
        let form = layout.form;
        for (block, tile) in (first..).zip(tiles) {
            let Parts { low, high, .. } = layout.parts(bytes, block);
            match form.low {
                2 => spread::<2>(low.as_chunks().0, tile),
                4 => halves(low.as_chunks().0, tile),
                _ => copy(low.as_chunks().0, tile),
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

/// What a block has in a group.
struct Parts<'a> {
    header: &'a [u8],
    steps: &'a [u8],
    /// The lower and the higher bits of its codes.
    low: &'a [u8],
    high: &'a [u8],
}

/// Where the blocks of a form lie, counted once.
pub struct GroupLayout {
    form: Form,
    /// The power of two that is the number of a span's blocks.
    blocks_log: u32,
    span: usize,
    header: usize,
    block: usize,
    steps: usize,
    low: usize,
}

impl GroupLayout {
    pub fn of(form: Form) -> Self {
        Self {
            form,
            blocks_log: (form.span / BLOCK).trailing_zeros(),
            span: form.span_bytes(),
            header: form.header(),
            block: form.block_bytes(),
            steps: form.steps * form.step(),
            low: form.low_bytes(),
        }
    }

    #[inline(always)]
    fn parts<'a>(&self, bytes: &'a [u8], block: usize) -> Parts<'a> {
        let (span, own) = (block >> self.blocks_log, block & ((1 << self.blocks_log) - 1));
        let span = &bytes[span * self.span..][..self.span];
        let (header, blocks) = span.split_at(self.header);
        let own = &blocks[own * self.block..][..self.block];
        let (steps, planes) = own.split_at(self.steps);
        let (low, high) = planes.split_at(self.low);
        Parts { header, steps, low, high }
    }

    /// The bytes of a block, and before those of the first one of a span its header; none beyond the end.
    #[inline(always)]
    fn bytes_of<'a>(&self, bytes: &'a [u8], block: usize) -> &'a [u8] {
        let (span, own) = (block >> self.blocks_log, block & ((1 << self.blocks_log) - 1));
        let end = span * self.span + self.header + (own + 1) * self.block;
        let length = if own == 0 { self.header + self.block } else { self.block };
        bytes.get(end - length..end).unwrap_or_default()
    }

    /// The lines of a block's codes as they lie in the group, where they can be multiplied without being brought to bytes.
    #[inline(always)]
    pub fn lines_in_place<'a>(&self, kind: Kind, bytes: &'a [u8], block: usize) -> Option<&'a [[u8; LINE]]> {
        (kind.packed || self.form.is_bytes()).then(|| self.parts(bytes, block).low.as_chunks().0)
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
fn scales_of(form: Form, header: &[u8], steps: &[u8], tile: &mut TileScales) {
    let (first, second) = header.split_at(2 * GROUP);
    let shared = numbers(first);
    let offset = f32::from(form.offset);
    match form.scales {
        Scales::One => {
            tile.scales[0] = shared;
            for (min, scale) in tile.mins[0].iter_mut().zip(&shared) {
                *min = offset * scale;
            }
        }
        Scales::Two => {
            tile.scales[0] = shared;
            for (min, number) in tile.mins[0].iter_mut().zip(&numbers(second)) {
                *min = -number;
            }
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
fn copy(lines: &[[u8; LINE]], tile: &mut TileCodes) {
    for (quad, line) in tile.0.iter_mut().zip(lines) {
        *quad = *line;
    }
}

/// Codes of 4 bits, half a block apart in a byte.
#[inline(always)]
fn halves(lines: &[[u8; LINE]], tile: &mut TileCodes) {
    let (first, second) = tile.0.split_at_mut(QUADS / 2);
    for ((first, second), line) in first.iter_mut().zip(second).zip(lines) {
        for ((first, second), byte) in first.iter_mut().zip(second).zip(line) {
            (*first, *second) = (byte & 15, byte >> 4);
        }
    }
}

/// Codes of `BITS` bits, those of neighbouring quads in a byte.
#[inline(always)]
fn spread<const BITS: usize>(lines: &[[u8; LINE]], tile: &mut TileCodes) {
    let per_byte = 8 / BITS;
    for (quads, line) in tile.0.chunks_exact_mut(per_byte).zip(lines) {
        for (index, quad) in quads.iter_mut().enumerate() {
            for (code, byte) in quad.iter_mut().zip(line) {
                *code = byte >> (index * BITS) & ((1 << BITS) - 1);
            }
        }
    }
}

/// Adds the `BITS` higher bits to codes of `LOW` bits.
#[inline(always)]
fn join<const BITS: usize, const LOW: usize>(lines: &[[u8; LINE]], tile: &mut TileCodes) {
    let per_byte = 8 / BITS;
    for (quads, line) in tile.0.chunks_exact_mut(per_byte).zip(lines) {
        for (index, quad) in quads.iter_mut().enumerate() {
            for (code, byte) in quad.iter_mut().zip(line) {
                *code |= (byte >> (index * BITS) & ((1 << BITS) - 1)) << LOW;
            }
        }
    }
}

/// What the codes stand for, in place of them.
#[inline(always)]
fn look_up(table: &[i8; 16], tile: &mut TileCodes) {
    #[cfg(target_arch = "x86_64")]
    if crate::simd::level() >= crate::simd::Level::Avx2 {
        // SAFETY: `level` only names instruction sets that this processor was found to have.
        return unsafe { look_up_at_once(table, tile) };
    }
    for quad in &mut tile.0 {
        for code in quad {
            *code = table[usize::from(*code & 15)] as u8;
        }
    }
}

/// [`look_up`] of 32 codes at a time: the compiler makes no shuffle of a table by itself.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn look_up_at_once(table: &[i8; 16], tile: &mut TileCodes) {
    use std::arch::x86_64::{
        _mm_loadu_si128, _mm256_broadcastsi128_si256, _mm256_loadu_si256, _mm256_shuffle_epi8,
        _mm256_storeu_si256,
    };
    // SAFETY: the table is a vector of 16 bytes.
    let table = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(table.as_ptr().cast()) });
    for codes in tile.0.as_flattened_mut().as_chunks_mut::<32>().0 {
        // SAFETY: 32 bytes are a vector, to read and to write.
        unsafe {
            let values = _mm256_shuffle_epi8(table, _mm256_loadu_si256(codes.as_ptr().cast()));
            _mm256_storeu_si256(codes.as_mut_ptr().cast(), values);
        }
    }
}
