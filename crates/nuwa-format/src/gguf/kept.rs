//! How numbers are kept in a file: read and written.

use half::{bf16, f16};
use nuwa_files::gguf::TensorType;
use nuwa_tensor::BlockType;

/// How numbers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    F32,
    F16,
    Bf16,
    F64,
    Blocks(BlockType),
}

impl Kept {
    /// That of a type in files, where it is one that is read.
    pub fn of(kind: TensorType) -> Option<Self> {
        match kind.name {
            "F32" => Some(Self::F32),
            "F16" => Some(Self::F16),
            "BF16" => Some(Self::Bf16),
            "F64" => Some(Self::F64),
            name => BlockType::ALL.into_iter().find(|block| block.name() == name).map(Self::Blocks),
        }
    }

    /// Its type in files.
    pub fn tensor_type(self) -> TensorType {
        let name = match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::F64 => "F64",
            Self::Blocks(block) => block.name(),
        };
        TensorType::named(name).expect("files have each of these types")
    }

    /// The numbers of `bytes`.
    pub fn read(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            Self::F32 => fill(out, bytes.as_chunks::<4>().0, f32::from_le_bytes),
            Self::F16 => fill(out, bytes.as_chunks::<2>().0, |word| f16::from_le_bytes(word).to_f32()),
            Self::Bf16 => fill(out, bytes.as_chunks::<2>().0, |word| bf16::from_le_bytes(word).to_f32()),
            Self::F64 => fill(out, bytes.as_chunks::<8>().0, |word| f64::from_le_bytes(word) as f32),
            Self::Blocks(block) => block.dequantize_matrix(bytes, out),
        }
    }

    /// The bytes of numbers in rows of `width`; the error is the first number that is too large to be kept so.
    pub fn write(self, numbers: &[f32], width: usize, importance: Option<&[f32]>) -> Result<Vec<u8>, f32> {
        Ok(match self {
            Self::F32 => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
            Self::F16 => match numbers.iter().find(|number| !f16::from_f32(**number).is_finite()) {
                Some(large) => return Err(*large),
                None => numbers.iter().flat_map(|number| f16::from_f32(*number).to_le_bytes()).collect(),
            },
            Self::Bf16 => numbers.iter().flat_map(|number| bf16::from_f32(*number).to_le_bytes()).collect(),
            Self::F64 => numbers.iter().flat_map(|number| f64::from(*number).to_le_bytes()).collect(),
            Self::Blocks(block) => {
                let bytes = block.quantize_matrix(numbers, width, importance);
                match block.first_infinite(&bytes) {
                    Some(_) => return Err(numbers.iter().fold(0.0, |most, number| number.abs().max(most))),
                    None => bytes,
                }
            }
        })
    }
}

fn fill<const N: usize>(out: &mut [f32], words: &[[u8; N]], number: impl Fn([u8; N]) -> f32) {
    out.iter_mut().zip(words).for_each(|(out, word)| *out = number(*word));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_blocks_agree_on_sizes() {
        for block in BlockType::ALL {
            let kind = Kept::Blocks(block).tensor_type();
            assert_eq!((kind.width, kind.bytes), (block.width(), block.bytes()), "{block}");
            assert_eq!(Kept::of(kind), Some(Kept::Blocks(block)));
        }
        assert_eq!(Kept::of(TensorType::named("IQ2_XS").unwrap()), None);
    }

    #[test]
    fn what_a_kind_cannot_hold_is_told() {
        assert_eq!(Kept::F16.write(&[1.0, -70_000.0], 2, None), Err(-70_000.0));
        assert_eq!(Kept::Blocks(BlockType::Q8_0).write(&[1e9; 32], 32, None), Err(1e9));
        for kept in [Kept::F32, Kept::Bf16, Kept::F64] {
            let (mut back, numbers) = ([0.0; 2], [0.5, -3.0]);
            kept.read(&kept.write(&numbers, 2, None).unwrap(), &mut back);
            assert_eq!(back, numbers, "{kept:?}");
        }
    }
}
