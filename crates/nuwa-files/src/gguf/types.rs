use std::fmt;

use super::Value;

/// How the numbers of a tensor are kept: so many of them in so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TensorType {
    /// Its number in files.
    pub id: u32,
    /// Its name at ggml.
    pub name: &'static str,
    /// Numbers in a block.
    pub width: usize,
    /// Bytes of a block.
    pub bytes: usize,
}

const fn kind(id: u32, name: &'static str, width: usize, bytes: usize) -> TensorType {
    TensorType { id, name, width, bytes }
}

/// Those that files hold, also where nothing here computes with them: a message names them.
const TYPES: [TensorType; 32] = [
    kind(0, "F32", 1, 4),
    kind(1, "F16", 1, 2),
    kind(2, "Q4_0", 32, 18),
    kind(3, "Q4_1", 32, 20),
    kind(6, "Q5_0", 32, 22),
    kind(7, "Q5_1", 32, 24),
    kind(8, "Q8_0", 32, 34),
    kind(9, "Q8_1", 32, 36),
    kind(10, "Q2_K", 256, 84),
    kind(11, "Q3_K", 256, 110),
    kind(12, "Q4_K", 256, 144),
    kind(13, "Q5_K", 256, 176),
    kind(14, "Q6_K", 256, 210),
    kind(15, "Q8_K", 256, 292),
    kind(16, "IQ2_XXS", 256, 66),
    kind(17, "IQ2_XS", 256, 74),
    kind(18, "IQ3_XXS", 256, 98),
    kind(19, "IQ1_S", 256, 50),
    kind(20, "IQ4_NL", 32, 18),
    kind(21, "IQ3_S", 256, 110),
    kind(22, "IQ2_S", 256, 82),
    kind(23, "IQ4_XS", 256, 136),
    kind(24, "I8", 1, 1),
    kind(25, "I16", 1, 2),
    kind(26, "I32", 1, 4),
    kind(27, "I64", 1, 8),
    kind(28, "F64", 1, 8),
    kind(29, "IQ1_M", 256, 56),
    kind(30, "BF16", 1, 2),
    kind(34, "TQ1_0", 256, 54),
    kind(35, "TQ2_0", 256, 66),
    kind(39, "MXFP4", 32, 17),
];

impl TensorType {
    /// The type of that number in files.
    pub fn of_id(id: u32) -> Option<Self> {
        TYPES.into_iter().find(|kind| kind.id == id)
    }

    /// The type of that name.
    pub fn named(name: &str) -> Option<Self> {
        TYPES.into_iter().find(|kind| kind.name == name)
    }

    /// Bytes of a tensor of this shape; none where its rows are no whole blocks, or they are more than can be counted.
    pub fn length(self, shape: &[usize]) -> Option<u64> {
        let (row, outer) = shape.split_last()?;
        let blocks = row.is_multiple_of(self.width).then_some(row / self.width)?;
        let rows = outer.iter().try_fold(1_usize, |rows, &axis| rows.checked_mul(axis))?;
        let bytes = blocks.checked_mul(rows)?.checked_mul(self.bytes)?;
        // Each number has to have a place of its own in a `Vec`.
        shape.iter().try_fold(size_of::<f32>(), |all, &axis| all.checked_mul(axis))?;
        u64::try_from(bytes).ok()
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Value {
    /// The value in words, for messages.
    pub(super) fn described(&self) -> String {
        const SHOWN: usize = 40;
        match self {
            Self::Text(text) if text.chars().count() > SHOWN => {
                format!("{:?}...", text.chars().take(SHOWN).collect::<String>())
            }
            Self::Text(text) => format!("{text:?}"),
            Self::List(list) => format!("a list of {} values of the kind {}", list.len(), list.kind()),
            Self::Bool(flag) => flag.to_string(),
            Self::F32(number) => number.to_string(),
            Self::F64(number) => number.to_string(),
            Self::U8(number) => number.to_string(),
            Self::I8(number) => number.to_string(),
            Self::U16(number) => number.to_string(),
            Self::I16(number) => number.to_string(),
            Self::U32(number) => number.to_string(),
            Self::I32(number) => number.to_string(),
            Self::U64(number) => number.to_string(),
            Self::I64(number) => number.to_string(),
        }
    }
}
