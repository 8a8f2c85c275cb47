use crate::DType;
use crate::simd::{Level, level};

/// What activations and the operands of matrix products are kept in.
///
/// Weights, the residual stream, sums, norms, softmax and the loss are `f32` in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// Everything in `f32`.
    #[default]
    F32,
    /// Operands of products in bf16, their sums in `f32` (Kalamkar et al., "A Study of BFLOAT16 for Deep Learning
    /// Training", 2019). It runs on every processor, and fast on those that multiply bf16.
    Bf16,
}

impl Precision {
    /// The faster of the two on this processor.
    pub fn fastest() -> Self {
        if level() >= Level::Avx512Bf16 { Self::Bf16 } else { Self::F32 }
    }
}

impl From<DType> for Precision {
    fn from(dtype: DType) -> Self {
        match dtype {
            DType::F32 => Self::F32,
            DType::Bf16 => Self::Bf16,
        }
    }
}

impl From<Precision> for DType {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Bf16,
        }
    }
}
