use super::{BLOCK, GROUP, LINE, QUADS};
use crate::BlockType;

/// How the numbers of a type of block lie in a group of rows: spans of 32 or 256 features, of each a header, and of each block of 32
/// the scales of its steps, the lower bits of its codes, and their higher bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Features that share a header.
    pub span: usize,
    pub scales: Scales,
    /// Scales of a block of 32.
    pub steps: usize,
    /// Bits of a code in the lower planes: 2, 4 or 8.
    pub low: usize,
    /// Bits of a code in the higher planes: 0, 1 or 2.
    pub high: usize,
    /// What a code is more than what it stands for.
    pub offset: u8,
    /// What codes stand for where that is no line.
    pub table: Option<&'static [i8; 16]>,
}

/// What a number is of its code `c`, of numbers of 16 bits in the header and bytes of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scales {
    /// `d (c - offset)`.
    One,
    /// `d c + m`.
    Two,
    /// `d s (c - offset)` with a signed byte `s` of each step.
    Signed,
    /// `d s c - m t` with two bytes of each step.
    Pairs,
    /// The same with both in the halves of one byte.
    Halves,
}

/// What the codes of IQ4_NL stand for: llama.cpp's `kvalues_iq4nl`.
static NON_LINEAR: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

impl Form {
    /// That of a type of block.
    pub fn of(block: BlockType) -> Self {
        let short =
            |scales, high, offset| Self { span: BLOCK, scales, steps: 1, low: 4, high, offset, table: None };
        let long = |scales, steps, low, high, offset| Self {
            span: 8 * BLOCK,
            scales,
            steps,
            low,
            high,
            offset,
            table: None,
        };
        match block {
            BlockType::Q4_0 => short(Scales::One, 0, 8),
            BlockType::Q4_1 => short(Scales::Two, 0, 0),
            BlockType::Q5_0 => short(Scales::One, 1, 16),
            BlockType::Q5_1 => short(Scales::Two, 1, 0),
            BlockType::Q8_0 => Self { low: 8, ..short(Scales::One, 0, 0) },
            BlockType::IQ4_NL => Self { table: Some(&NON_LINEAR), ..short(Scales::One, 0, 0) },
            BlockType::Q2_K => long(Scales::Halves, 2, 2, 0, 0),
            BlockType::Q3_K => long(Scales::Signed, 2, 2, 1, 4),
            BlockType::Q4_K => long(Scales::Pairs, 1, 4, 0, 0),
            BlockType::Q5_K => long(Scales::Pairs, 1, 4, 1, 0),
            BlockType::Q6_K => long(Scales::Signed, 2, 4, 2, 32),
        }
    }

    /// Bits of the codes as they are multiplied, 8 of signed ones.
    pub fn bits(&self) -> usize {
        if self.table.is_some() { 8 } else { self.low + self.high }
    }

    /// Whether codes are signed bytes as they lie in a group.
    pub fn is_bytes(&self) -> bool {
        self.low == 8
    }

    /// Whether codes lie two in a byte, and are nothing else than these bits.
    pub fn is_packed(&self) -> bool {
        self.low == 4 && self.high == 0 && self.table.is_none()
    }

    /// Bytes of the header: numbers of 16 bits of each row.
    pub fn header(&self) -> usize {
        let numbers = match self.scales {
            Scales::One | Scales::Signed => 1,
            Scales::Two | Scales::Pairs | Scales::Halves => 2,
        };
        2 * numbers * GROUP
    }

    /// Bytes of the scales of one step.
    pub fn step(&self) -> usize {
        match self.scales {
            Scales::One | Scales::Two => 0,
            Scales::Signed | Scales::Halves => GROUP,
            Scales::Pairs => 2 * GROUP,
        }
    }

    /// Bytes of the lower planes of a block.
    pub fn low_bytes(&self) -> usize {
        LINE * QUADS * self.low / 8
    }

    /// Bytes of the higher planes of a block.
    pub fn high_bytes(&self) -> usize {
        LINE * self.high
    }

    /// Bytes of a block of 32 features without its header.
    pub fn block_bytes(&self) -> usize {
        self.steps * self.step() + self.low_bytes() + self.high_bytes()
    }

    /// Bytes of a span.
    pub fn span_bytes(&self) -> usize {
        self.header() + self.span / BLOCK * self.block_bytes()
    }

    /// Bytes of a group of rows of `width`.
    pub fn group_bytes(&self, width: usize) -> usize {
        width / self.span * self.span_bytes()
    }
}
