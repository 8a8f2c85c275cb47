//! The codes and scales of a block as a file has it; the layouts are those of llama.cpp's `ggml-common.h`.

use crate::BlockType;

/// The longest block.
pub const LONGEST: usize = 256;

/// A block, taken apart.
pub struct Codes {
    /// The code of each number; bytes of Q8_0 are signed.
    pub codes: [u8; LONGEST],
    /// The numbers of 16 bits that all share: the scale, and what stands beside it.
    pub shared: [[u8; 2]; 2],
    /// The scales of each step, in the order of [`super::form::Scales`].
    pub steps: [[u8; 2]; 16],
}

impl Default for Codes {
    fn default() -> Self {
        Self { codes: [0; LONGEST], shared: [[0; 2]; 2], steps: [[0; 2]; 16] }
    }
}

impl Codes {
    /// Takes a block apart.
    ///
    /// # Panics
    /// When there are not as many bytes as the block has.
    pub fn read(&mut self, block: BlockType, bytes: &[u8]) {
        assert_eq!(bytes.len(), block.bytes(), "a block has all its bytes");
        match block {
            BlockType::Q4_0 | BlockType::IQ4_NL => self.nibbles(bytes, 1, 2),
            BlockType::Q4_1 => self.nibbles(bytes, 2, 4),
            BlockType::Q5_0 => {
                self.nibbles(bytes, 1, 6);
                self.fifth_bits(&bytes[2..6]);
            }
            BlockType::Q5_1 => {
                self.nibbles(bytes, 2, 8);
                self.fifth_bits(&bytes[4..8]);
            }
            BlockType::Q8_0 => {
                self.share(bytes, [0, 0]);
                self.codes[..32].copy_from_slice(&bytes[2..34]);
            }
            BlockType::Q2_K => self.two_bits(bytes),
            BlockType::Q3_K => self.three_bits(bytes),
            BlockType::Q4_K => self.halves_of_64(bytes, 16),
            BlockType::Q5_K => {
                self.halves_of_64(bytes, 48);
                for (pair, codes) in self.codes.chunks_exact_mut(32).enumerate() {
                    for (code, bits) in codes.iter_mut().zip(&bytes[16..48]) {
                        *code |= (bits >> pair & 1) << 4;
                    }
                }
            }
            BlockType::Q6_K => self.six_bits(bytes),
        }
    }

    fn share(&mut self, bytes: &[u8], places: [usize; 2]) {
        self.shared = places.map(|place| [bytes[place], bytes[place + 1]]);
    }

    /// 32 numbers after so many shared ones: the lower halves of 16 bytes, then their upper halves.
    fn nibbles(&mut self, bytes: &[u8], shared: usize, first: usize) {
        self.share(bytes, [0, 2 * (shared - 1)]);
        let (low, rest) = self.codes.split_at_mut(16);
        for ((low, high), byte) in low.iter_mut().zip(rest).zip(&bytes[first..first + 16]) {
            (*low, *high) = (byte & 15, byte >> 4);
        }
    }

    /// The fifth bits of 32 numbers.
    fn fifth_bits(&mut self, bytes: &[u8]) {
        for (index, code) in self.codes[..32].iter_mut().enumerate() {
            *code |= (bytes[index / 8] >> (index % 8) & 1) << 4;
        }
    }

    /// `scales[16] | qs[64] | d | dmin`.
    fn two_bits(&mut self, bytes: &[u8]) {
        self.share(bytes, [80, 82]);
        self.pairs_of_bits(&bytes[16..80]);
        for (step, byte) in self.steps.iter_mut().zip(&bytes[..16]) {
            *step = [*byte, 0];
        }
    }

    /// Of each half of 128 numbers 32 bytes: the lowest two bits of each are the first 32 numbers, and so on.
    fn pairs_of_bits(&mut self, bytes: &[u8]) {
        for (index, codes) in self.codes.chunks_exact_mut(32).enumerate() {
            for (code, byte) in codes.iter_mut().zip(&bytes[index / 4 * 32..]) {
                *code = byte >> (2 * (index % 4)) & 3;
            }
        }
    }

    /// `hmask[32] | qs[64] | scales[12] | d`.
    fn three_bits(&mut self, bytes: &[u8]) {
        self.share(bytes, [108, 108]);
        self.pairs_of_bits(&bytes[32..96]);
        for (index, codes) in self.codes.chunks_exact_mut(32).enumerate() {
            for (code, bits) in codes.iter_mut().zip(&bytes[..32]) {
                *code |= (bits >> index & 1) << 2;
            }
        }
        let scales = &bytes[96..108];
        for (index, step) in self.steps.iter_mut().enumerate() {
            let low = if index < 8 { scales[index] & 15 } else { scales[index - 8] >> 4 };
            let high = scales[8 + index % 4] >> (2 * (index / 4)) & 3;
            *step = [(low | high << 4).wrapping_sub(32), 0];
        }
    }

    /// `d | dmin | scales[12] | .. | qs[128]`: of each 64 numbers the lower halves of 32 bytes, then their upper halves.
    fn halves_of_64(&mut self, bytes: &[u8], first: usize) {
        self.share(bytes, [0, 2]);
        for (codes, bytes) in self.codes.chunks_exact_mut(64).zip(bytes[first..].chunks_exact(32)) {
            let (low, high) = codes.split_at_mut(32);
            for ((low, high), byte) in low.iter_mut().zip(high).zip(bytes) {
                (*low, *high) = (byte & 15, byte >> 4);
            }
        }
        let scales = &bytes[4..16];
        for (index, step) in self.steps[..8].iter_mut().enumerate() {
            *step = match index {
                0..4 => [scales[index] & 63, scales[index + 4] & 63],
                _ => [
                    scales[index + 4] & 15 | scales[index - 4] >> 6 << 4,
                    scales[index + 4] >> 4 | scales[index] >> 6 << 4,
                ],
            };
        }
    }

    /// `ql[128] | qh[64] | scales[16] | d`: of each 128 numbers 64 bytes of lower halves and 32 of two bits.
    fn six_bits(&mut self, bytes: &[u8]) {
        self.share(bytes, [208, 208]);
        for (half, codes) in self.codes.chunks_exact_mut(128).enumerate() {
            let (low, high) = (&bytes[half * 64..][..64], &bytes[128 + half * 32..][..32]);
            for (part, codes) in codes.chunks_exact_mut(32).enumerate() {
                let low = &low[part % 2 * 32..][..32];
                for ((code, low), high) in codes.iter_mut().zip(low).zip(high) {
                    *code = low >> (part / 2 * 4) & 15 | (high >> (2 * part) & 3) << 4;
                }
            }
        }
        for (step, byte) in self.steps.iter_mut().zip(&bytes[192..208]) {
            *step = [*byte, 0];
        }
    }
}
