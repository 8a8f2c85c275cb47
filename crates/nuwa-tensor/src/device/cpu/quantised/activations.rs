//! Rows of `x`, rounded to 8 bits, and where that says too little to 16.
//!
//! In the models of today few features are many times as large as the others, and the rounding of their blocks makes most of the error.
//! Where the largest number of a block is more than [`OUTLIER`] times the root mean square of its row, `x = s q + (s / 254) r`: what is
//! left by the first rounding is rounded again, to 8 bits `r`, and multiplied like a row of its own. In a model of 135M weights (simulated
//! in PyTorch, 400 tokens of a text) these are 13 of 100 blocks, and a fifth of the divergence is left that all of them have with 8 bits.

use std::ops::Range;
use std::sync::Arc;

use super::{BLOCK, PART};
use crate::device::{Buffer, Pool};
use crate::element::Element;
use crate::parallel::{chunks, each_part_in};
use crate::simd::{maximum, vectorised};

/// Rows that a thread rounds at a time.
const ROWS: usize = 16;

/// 1.5 * 2^23: the low bits of a sum with it are the nearest whole number to the other, ties to even.
const ROUND: f32 = 12_582_912.0;

/// A block whose largest number is smaller counts as 0: 127 over it would be infinite.
const SMALLEST: f32 = 1e-30;

/// A block whose largest number is more than so many times the root mean square of its row is rounded twice.
const OUTLIER: f32 = 5.0;

/// Of a block: its scale, and the sums of its numbers, of all and of each half, with the opposite sign.
type Factors = [f32; 4];

/// Rows of whole blocks: `x = scale code`.
pub struct RoundedRows {
    first: Rounding,
    /// What the first rounding left; of blocks with outliers alone it says anything.
    rest: Rounding,
    outliers: Outliers,
    /// Blocks of a row.
    blocks: usize,
}

/// Codes and factors of all blocks.
struct Rounding {
    codes: Buffer<i8>,
    factors: Buffer<Factors>,
}

impl Rounding {
    fn room(pool: &Arc<Pool>, numbers: usize) -> Self {
        Self { codes: pool.take(numbers), factors: pool.take(numbers / BLOCK) }
    }

    fn blocks(&self, blocks: Range<usize>) -> Row<'_> {
        Row { codes: &self.codes.as_chunks().0[blocks.clone()], factors: &self.factors[blocks] }
    }
}

/// For each part of the rows the blocks that have outliers, and the rows that have them there.
struct Outliers {
    rows: Vec<u32>,
    /// Blocks, of each part in their order, and which of the rows are theirs.
    blocks: Vec<(usize, Range<usize>)>,
    /// Where those of a part begin among them.
    starts: Vec<usize>,
}

impl Outliers {
    /// Those of rows with so many blocks, of which the ones with outliers are marked.
    fn of(marks: &[u8], blocks: usize) -> Self {
        let mut found = Self { rows: Vec::new(), blocks: Vec::new(), starts: vec![0] };
        for part in marks.chunks(PART * blocks) {
            for block in 0..blocks {
                let first = found.rows.len();
                let marked = part[block..].iter().step_by(blocks).zip(0..).filter(|(mark, _)| **mark != 0);
                found.rows.extend(marked.map(|(_, row)| row));
                if found.rows.len() > first {
                    found.blocks.push((block, first..found.rows.len()));
                }
            }
            found.starts.push(found.blocks.len());
        }
        found
    }
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
        let mut first = Rounding::room(pool, x.len());
        let mut rest = Rounding::room(pool, x.len());
        let mut marks = pool.take::<u8>(x.len() / BLOCK);
        let [numbers, count] = [ROWS * width, ROWS * blocks];
        let codes = (chunks(&mut first.codes, numbers), chunks(&mut first.factors, count));
        let rests = (chunks(&mut rest.codes, numbers), chunks(&mut rest.factors, count));
        // The few rows of decoding are rounded here, sooner than another thread would begin.
        let together = 2..=usize::MAX;
        each_part_in(
            ((codes, rests), chunks(&mut marks, count)),
            together,
            |index, ((first, rest), marks)| {
                round(&x[index * numbers..][..marks.len() * BLOCK], width, first, rest, marks);
            },
        );
        Self { outliers: Outliers::of(&marks, blocks), first, rest, blocks }
    }

    /// The blocks of a row from `first` on.
    pub fn row(&self, row: usize, first: usize) -> Row<'_> {
        self.first.blocks(row * self.blocks + first..(row + 1) * self.blocks)
    }

    /// Of some blocks those that have a rest in rows of a part of [`PART`], with these rows, counted in the part.
    pub fn outliers(&self, part: usize, blocks: Range<usize>) -> impl Iterator<Item = (usize, &[u32])> {
        let Outliers { rows, starts, .. } = &self.outliers;
        let own = &self.outliers.blocks[starts[part]..starts[part + 1]];
        let [first, end] =
            [blocks.start, blocks.end].map(|end| own.partition_point(|(block, _)| *block < end));
        own[first..end].iter().map(|(block, own)| (*block, &rows[own.clone()]))
    }

    /// What the first rounding left of a block.
    pub fn rest(&self, row: usize, block: usize) -> Row<'_> {
        let place = row * self.blocks + block;
        self.rest.blocks(place..place + 1)
    }
}

vectorised! {
    /// Rounds rows one after the other. A number that is not finite makes the scale of its block so.
    fn round[T: Element](
        x: &[T],
        width: usize,
        first: (&mut [i8], &mut [Factors]),
        rest: (&mut [i8], &mut [Factors]),
        marks: &mut [u8],
    ) {
        let (codes, factors) = (first.0.as_chunks_mut::<BLOCK>().0, first.1);
        let (rest_codes, rest_factors) = (rest.0.as_chunks_mut::<BLOCK>().0, rest.1);
        for (row, x) in x.chunks_exact(width).enumerate() {
            let squares = crate::simd::sum(x, |x| x.widen() * x.widen());
            let limit = OUTLIER * (squares / width as f32).sqrt();
            for (block, x) in x.as_chunks::<BLOCK>().0.iter().enumerate() {
                let place = row * (width / BLOCK) + block;
                let mut wide = [0.0; BLOCK];
                wide.iter_mut().zip(x).for_each(|(wide, x)| *wide = x.widen());
                let largest = maximum(&wide.map(f32::abs));
                let poison = crate::simd::sum(&wide, |x| x * 0.0);
                let inverse = if largest > SMALLEST { 127.0 / largest } else { 0.0 };
                let scale = largest / 127.0 + poison;
                factors[place] = rounded(&wide, scale, inverse, &mut codes[place]);
                let is_outlier = largest > limit && inverse > 0.0;
                marks[place] = u8::from(is_outlier);
                if is_outlier {
                    for (x, code) in wide.iter_mut().zip(&codes[place]) {
                        *x -= scale * f32::from(*code);
                    }
                    rest_factors[place] = rounded(&wide, scale / 254.0, 254.0 * inverse, &mut rest_codes[place]);
                }
            }
        }
    }
}

/// The codes of a block with this scale, and its factors.
#[inline(always)]
fn rounded(x: &[f32; BLOCK], scale: f32, inverse: f32, codes: &mut [i8; BLOCK]) -> Factors {
    let mut halves = [0_i32; 2];
    for ((codes, x), sum) in codes.chunks_exact_mut(BLOCK / 2).zip(x.chunks_exact(BLOCK / 2)).zip(&mut halves)
    {
        for (code, x) in codes.iter_mut().zip(x) {
            let rounded = ((x * inverse + ROUND).to_bits() as u8) as i8;
            *code = rounded;
            *sum += i32::from(rounded);
        }
    }
    let shift = |sum: i32| -(scale * sum as f32);
    [scale, shift(halves[0] + halves[1]), shift(halves[0]), shift(halves[1])]
}
