//! Blocks of quantised weights, as GGUF files hold them: so many numbers of a row in so many bytes.
//!
//! A block has one scale, or a few with smaller ones inside, and a code of some bits for each number. Of types ending in `_0` a number is
//! `scale * code` with codes around 0, of those ending in `_1` `scale * code + smallest`. The K types (Kawrakow 2023) put blocks of 16
//! or 32 into one of 256 and quantise their scales too. A row is whole blocks, so rows can be taken and put in another order as they
//! are.
//!
//! Dequantising gives the bits of ggml's reference, and quantising without importance writes its bytes: both follow
//! `ggml-quants.c` in the order in which sums are added and numbers rounded.

mod fit;
mod four_five;
mod six;
mod small;
mod three;
mod two;

use std::fmt;

use half::f16;
use rayon::prelude::*;

/// Numbers in a block of the K types.
const LARGE: usize = 256;

/// How a block is laid out, by ggml's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(non_camel_case_types, reason = "these are the names that files and people use")]
pub enum BlockType {
    /// 4 bits and a scale: 4.5 bits a number.
    Q4_0,
    /// 4 bits, a scale and a smallest number: 5 bits a number.
    Q4_1,
    /// 5 bits and a scale: 5.5 bits a number.
    Q5_0,
    /// 5 bits, a scale and a smallest number: 6 bits a number.
    Q5_1,
    /// 8 bits and a scale: 8.5 bits a number.
    Q8_0,
    /// 2 bits in blocks of 16 with 4-bit scales: 2.625 bits a number.
    Q2_K,
    /// 3 bits in blocks of 16 with 6-bit scales: 3.4375 bits a number.
    Q3_K,
    /// 4 bits in blocks of 32 with 6-bit scales: 4.5 bits a number.
    Q4_K,
    /// 5 bits in blocks of 32 with 6-bit scales: 5.5 bits a number.
    Q5_K,
    /// 6 bits in blocks of 16 with 8-bit scales: 6.5625 bits a number.
    Q6_K,
    /// 4 bits that stand for uneven steps, and a scale: 4.5 bits a number.
    IQ4_NL,
}

impl BlockType {
    /// Each of them.
    pub const ALL: [Self; 11] = [
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2_K,
        Self::Q3_K,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
        Self::IQ4_NL,
    ];

    /// Its name at ggml.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q2_K => "Q2_K",
            Self::Q3_K => "Q3_K",
            Self::Q4_K => "Q4_K",
            Self::Q5_K => "Q5_K",
            Self::Q6_K => "Q6_K",
            Self::IQ4_NL => "IQ4_NL",
        }
    }

    /// Numbers in a block.
    pub fn width(self) -> usize {
        match self {
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 | Self::IQ4_NL => 32,
            Self::Q2_K | Self::Q3_K | Self::Q4_K | Self::Q5_K | Self::Q6_K => LARGE,
        }
    }

    /// Bytes of a block.
    pub fn bytes(self) -> usize {
        match self {
            Self::Q4_0 | Self::IQ4_NL => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q2_K => 84,
            Self::Q3_K => 110,
            Self::Q4_K => 144,
            Self::Q5_K => 176,
            Self::Q6_K => 210,
        }
    }

    /// Bytes of a row of so many numbers; none where they are no whole blocks, or too many.
    pub fn row_bytes(self, numbers: usize) -> Option<usize> {
        let blocks = numbers.is_multiple_of(self.width()).then_some(numbers / self.width())?;
        blocks.checked_mul(self.bytes())
    }

    /// The bytes in a block at which scales of 16 bits stand.
    fn scales(self) -> &'static [usize] {
        match self {
            Self::Q4_0 | Self::Q5_0 | Self::Q8_0 | Self::IQ4_NL => &[0],
            Self::Q4_1 | Self::Q5_1 | Self::Q4_K | Self::Q5_K => &[0, 2],
            Self::Q2_K => &[80, 82],
            Self::Q3_K => &[108],
            Self::Q6_K => &[208],
        }
    }

    /// The first block whose scales are not finite, as those of a damaged file may be.
    pub fn first_infinite(self, bytes: &[u8]) -> Option<usize> {
        let is_finite = |block: &[u8]| self.scales().iter().all(|&at| half_at(block, at).is_finite());
        bytes.chunks_exact(self.bytes()).position(|block| !is_finite(block))
    }

    /// The numbers of whole blocks.
    ///
    /// # Panics
    /// When there is not a block for each [`BlockType::width`] numbers of `out`.
    pub fn dequantize(self, bytes: &[u8], out: &mut [f32]) {
        assert_eq!(self.row_bytes(out.len()), Some(bytes.len()), "blocks of {self} and their numbers");
        let read = match self {
            Self::Q4_0 => small::read_q4_0,
            Self::Q4_1 => small::read_q4_1,
            Self::Q5_0 => small::read_q5_0,
            Self::Q5_1 => small::read_q5_1,
            Self::Q8_0 => small::read_q8_0,
            Self::IQ4_NL => small::read_iq4_nl,
            Self::Q2_K => two::read,
            Self::Q3_K => three::read,
            Self::Q4_K => four_five::read_four,
            Self::Q5_K => four_five::read_five,
            Self::Q6_K => six::read,
        };
        for (block, out) in bytes.chunks_exact(self.bytes()).zip(out.chunks_exact_mut(self.width())) {
            read(block, out);
        }
    }

    /// Appends the blocks of a row to `out`. `importance` says for each number what an error of it weighs: the mean square of what
    /// the column is multiplied by. Without it the bytes are those of ggml's reference, with it those of its quantiser given an
    /// importance matrix.
    ///
    /// # Panics
    /// When the row is no whole blocks, or does not have as many importances as numbers.
    pub fn quantize(self, row: &[f32], importance: Option<&[f32]>, out: &mut Vec<u8>) {
        assert!(self.row_bytes(row.len()).is_some(), "a row of {} numbers is no blocks of {self}", row.len());
        if let Some(importance) = importance {
            assert_eq!(importance.len(), row.len(), "an importance for each number of a row");
        }
        // Of the small types errors weigh more where the whole row is large.
        let mean_square = fit::squares(row) / row.len() as f32;
        let blocks = row.chunks_exact(self.width());
        let importances = importance.map(|all| all.chunks_exact(self.width()));
        let mut importances = importances.into_iter().flatten();
        let write = match self {
            Self::Q4_0 => small::write_q4_0,
            Self::Q4_1 => small::write_q4_1,
            Self::Q5_0 => small::write_q5_0,
            Self::Q5_1 => small::write_q5_1,
            Self::Q8_0 => small::write_q8_0,
            Self::IQ4_NL => small::write_iq4_nl,
            Self::Q2_K => two::write,
            Self::Q3_K => three::write,
            Self::Q4_K => four_five::write_four,
            Self::Q5_K => four_five::write_five,
            Self::Q6_K => six::write,
        };
        for values in blocks {
            let start = out.len();
            out.resize(start + self.bytes(), 0);
            let block = Numbers { values, importance: importances.next(), mean_square };
            write(&block, &mut out[start..]);
        }
    }
}

impl BlockType {
    /// The blocks of a matrix with rows of `width` numbers, each row as [`BlockType::quantize`] writes it.
    ///
    /// # Panics
    /// As there.
    pub fn quantize_matrix(self, matrix: &[f32], width: usize, importance: Option<&[f32]>) -> Vec<u8> {
        let rows = |rows: &[f32]| {
            let mut blocks = Vec::new();
            rows.chunks_exact(width).for_each(|row| self.quantize(row, importance, &mut blocks));
            blocks
        };
        let together = width * (ROWS_TOGETHER / width).max(1);
        let parts: Vec<Vec<u8>> = matrix.par_chunks(together).map(rows).collect();
        parts.concat()
    }

    /// The numbers of a matrix of whole blocks.
    ///
    /// # Panics
    /// As [`BlockType::dequantize`].
    pub fn dequantize_matrix(self, bytes: &[u8], out: &mut [f32]) {
        assert_eq!(self.row_bytes(out.len()), Some(bytes.len()), "blocks of {self} and their numbers");
        let blocks = ROWS_TOGETHER / self.width();
        let parts = bytes.par_chunks(blocks * self.bytes()).zip(out.par_chunks_mut(blocks * self.width()));
        parts.for_each(|(bytes, out)| self.dequantize(bytes, out));
    }
}

/// Numbers that a thread works on at a time.
const ROWS_TOGETHER: usize = 1 << 14;

impl fmt::Display for BlockType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The numbers of a block to be.
struct Numbers<'a> {
    values: &'a [f32],
    /// What an error of each weighs.
    importance: Option<&'a [f32]>,
    /// Of the whole row.
    mean_square: f32,
}

/// The 16-bit number at a byte of a block.
fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Writes a number in 16 bits at a byte of a block, and gives what is left of it.
fn put_half(block: &mut [u8], at: usize, value: f32) -> f32 {
    let half = f16::from_f32(value);
    block[at..at + 2].copy_from_slice(&half.to_le_bytes());
    half.to_f32()
}

#[cfg(test)]
mod tests;
