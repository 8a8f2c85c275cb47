//! Rows of `x`, rounded to 8 bits.

use std::sync::Arc;

use rayon::prelude::*;

use super::BLOCK;
use crate::device::{Buffer, Pool};
use crate::element::Element;
use crate::simd::{maximum, vectorised};

/// Rows that a thread rounds at a time.
const ROWS: usize = 16;

/// 1.5 * 2^23: the low bits of a sum with it are the nearest whole number to the other, ties to even.
const ROUND: f32 = 12_582_912.0;

/// A block whose largest number is smaller counts as 0: 127 over it would be infinite.
const SMALLEST: f32 = 1e-30;

/// Of a block: its scale, and the sums of its numbers, of all and of each half, with the opposite sign.
type Factors = [f32; 4];

/// Rows of whole blocks: `x = scale code`.
pub struct RoundedRows {
    codes: Buffer<i8>,
    factors: Buffer<Factors>,
    /// Blocks of a row.
    blocks: usize,
}

/// Some blocks of a row.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub codes: &'a [[i8; BLOCK]],
    pub factors: &'a [Factors],
}

impl RoundedRows {
    /// Rounds rows of `width`, which is a multiple of a block.
    pub fn new<T: Element>(pool: &Arc<Pool>, x: &[T], width: usize) -> Self {
        let blocks = width / BLOCK;
        let mut codes = pool.take::<i8>(x.len());
        let mut factors = pool.take::<Factors>(x.len() / BLOCK);
        let parts = codes.par_chunks_mut(ROWS * width).zip(factors.par_chunks_mut(ROWS * blocks));
        let parts = parts.zip(x.par_chunks(ROWS * width));
        // The few rows of decoding are rounded here, sooner than another thread would begin.
        let parts = parts.with_min_len(2);
        parts.for_each(|((codes, factors), x)| round(x, codes, factors));
        Self { codes, factors, blocks }
    }

    /// The blocks of a row from `first` on.
    pub fn row(&self, row: usize, first: usize) -> Row<'_> {
        let blocks = row * self.blocks + first..(row + 1) * self.blocks;
        Row { codes: &self.codes.as_chunks().0[blocks.clone()], factors: &self.factors[blocks] }
    }
}

vectorised! {
    /// Rounds blocks one after the other. A number that is not finite makes the scale of its block so.
    fn round[T: Element](x: &[T], codes: &mut [i8], factors: &mut [Factors]) {
        let blocks = x.as_chunks::<BLOCK>().0.iter().zip(codes.as_chunks_mut::<BLOCK>().0);
        for ((x, codes), factors) in blocks.zip(factors) {
            let mut wide = [0.0; BLOCK];
            wide.iter_mut().zip(x).for_each(|(wide, x)| *wide = x.widen());
            let largest = maximum(&wide.map(f32::abs));
            let poison = crate::simd::sum(&wide, |x| x * 0.0);
            let inverse = if largest > SMALLEST { 127.0 / largest } else { 0.0 };
            let mut halves = [0_i32; 2];
            for ((codes, x), sum) in codes.chunks_exact_mut(BLOCK / 2).zip(wide.chunks_exact(BLOCK / 2)).zip(&mut halves) {
                for (code, x) in codes.iter_mut().zip(x) {
                    let rounded = ((x * inverse + ROUND).to_bits() as u8) as i8;
                    *code = rounded;
                    *sum += i32::from(rounded);
                }
            }
            let scale = largest / 127.0 + poison;
            let shift = |sum: i32| -(scale * sum as f32);
            *factors = [scale, shift(halves[0] + halves[1]), shift(halves[0]), shift(halves[1])];
        }
    }
}
