//! The inner loops: a tile of a weight times rows of `x`.
//!
//! Each has its sums of whole numbers exact, whatever the instructions, and adds blocks up in one order.

#[cfg(target_arch = "x86_64")]
mod in_place;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::activations::Row;
use super::{GROUP, LINE, QUADS};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Level, level};
#[cfg(target_arch = "x86_64")]
pub use in_place::InPlace;

/// A block of 32 features of a group of rows: `number = scale code - min`, and `scale code` of signed codes.
#[derive(Clone, Copy)]
pub struct Tile<'a> {
    /// As many lines as [`Kind::lines`] says.
    pub codes: &'a [[u8; LINE]],
    pub scales: &'a TileScales,
}

/// Codes of a block, a byte each. They are whole numbers from 0 on, or signed bytes where they have 8 bits: four features of one row
/// after four of the next.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct TileCodes(pub [[u8; LINE]; QUADS]);

/// The scales of a block, or of each half of it.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct TileScales {
    pub scales: [[f32; GROUP]; 2],
    pub mins: [[f32; GROUP]; 2],
}

impl TileCodes {
    pub const ZERO: Self = Self([[0; LINE]; QUADS]);
}

impl TileScales {
    pub const ZERO: Self = Self { scales: [[0.0; GROUP]; 2], mins: [[0.0; GROUP]; 2] };
}

/// The sums of the rows of a group for one row of `x`.
pub type Sums = [f32; GROUP];

/// Rows of `x` that share what is read of a tile.
pub const ROWS: usize = 4;

/// Lines of a block whose codes of 4 bits lie two in a byte, half a block apart.
const PACKED_LINES: usize = QUADS / 2;

/// The bits of codes and the scales of a block: what a loop is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    pub bits: usize,
    pub steps: usize,
    /// Whether codes of 4 bits come two in a byte: for few rows that is less work than bringing them to bytes first.
    pub packed: bool,
}

impl Kind {
    /// Lines of a block's codes.
    pub fn lines(self) -> usize {
        if self.packed { PACKED_LINES } else { QUADS }
    }
}

/// Instructions that multiply bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX2 with sums of four products.
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    /// AVX-512 with the same.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// NEON with sums of four products.
    #[cfg(target_arch = "aarch64")]
    NeonDot,
}

impl Instructions {
    /// The fastest of those that this processor has and the level in use allows.
    #[cfg(target_arch = "x86_64")]
    pub fn best() -> Self {
        match level() {
            Level::Baseline => Self::Portable,
            Level::Avx2 if is_x86_feature_detected!("avxvnni") => Self::AvxVnni,
            Level::Avx2 => Self::Avx2,
            _ if is_x86_feature_detected!("avx512vnni") => Self::Avx512Vnni,
            _ => Self::Avx2,
        }
    }

    /// The fastest of those that this processor has.
    #[cfg(target_arch = "aarch64")]
    pub fn best() -> Self {
        use std::arch::is_aarch64_feature_detected;
        match (is_aarch64_feature_detected!("neon"), is_aarch64_feature_detected!("dotprod")) {
            (true, true) => Self::NeonDot,
            (true, false) => Self::Neon,
            (false, _) => Self::Portable,
        }
    }

    /// The only one.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub fn best() -> Self {
        Self::Portable
    }

    /// All that this processor has.
    #[cfg(test)]
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            let has = crate::simd::detect();
            all.extend((has >= Level::Avx2).then_some(Self::Avx2));
            let vnni = has >= Level::Avx2 && is_x86_feature_detected!("avxvnni");
            all.extend(vnni.then_some(Self::AvxVnni));
            let vnni = has >= Level::Avx512 && is_x86_feature_detected!("avx512vnni");
            all.extend(vnni.then_some(Self::Avx512Vnni));
        }
        #[cfg(target_arch = "aarch64")]
        {
            all.push(Self::Neon);
            let has = std::arch::is_aarch64_feature_detected!("dotprod");
            all.extend(has.then_some(Self::NeonDot));
        }
        all
    }
}

/// Adds the products of tiles and of the same blocks of rows of `x`, where `row(i)` is the row of `sums[i]`.
///
/// # Panics
/// When a row has fewer blocks than there are tiles, or a tile has not the lines of its kind.
pub fn multiply<'a>(
    instructions: Instructions,
    kind: Kind,
    tiles: &[Tile<'_>],
    row: impl Fn(usize) -> Row<'a>,
    sums: &mut [Sums],
) {
    assert!(tiles.iter().all(|tile| tile.codes.len() == kind.lines()), "a tile has the lines of its kind");
    let row = |index: usize| {
        let row = row(index);
        Row { codes: &row.codes[..tiles.len()], factors: &row.factors[..tiles.len()] }
    };
    match instructions {
        // SAFETY: the portable loops need no instructions.
        Instructions::Portable => unsafe { all::<portable::Portable>(kind, tiles, row, sums) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `best` and `all` only name instructions that this processor was found to have.
        Instructions::Avx2 => unsafe { all::<x86::Avx2>(kind, tiles, row, sums) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Instructions::AvxVnni => unsafe { all::<x86::AvxVnni>(kind, tiles, row, sums) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Instructions::Avx512Vnni => unsafe { all::<x86::Avx512Vnni>(kind, tiles, row, sums) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        Instructions::Neon => unsafe { all::<neon::Neon>(kind, tiles, row, sums) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        Instructions::NeonDot => unsafe { all::<neon::NeonDot>(kind, tiles, row, sums) },
    }
}

/// As [`multiply`], of blocks as they lie in a group.
#[cfg(target_arch = "x86_64")]
pub fn multiply_in_place<'a>(
    instructions: Instructions,
    blocks: InPlace<'_>,
    row: impl Fn(usize) -> Row<'a>,
    sums: &mut [Sums],
) {
    // SAFETY: `best` and `all` only name instructions that this processor was found to have.
    unsafe {
        match instructions {
            Instructions::Avx512Vnni => in_place::multiply::<x86::Avx512Vnni>(blocks, row, sums),
            Instructions::AvxVnni => in_place::multiply::<x86::AvxVnni>(blocks, row, sums),
            Instructions::Avx2 => in_place::multiply::<x86::Avx2>(blocks, row, sums),
            Instructions::Portable => unreachable!("the portable loops read tiles"),
        }
    }
}

/// The loop of some instructions.
trait Kernel {
    /// Adds the products of tiles of codes of `BITS` bits with `STEPS` scales, `PACKED` or not, and of `R` rows, which have as many blocks.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn rows<const BITS: usize, const STEPS: usize, const PACKED: bool, const R: usize>(
        tiles: &[Tile<'_>],
        rows: [Row<'_>; R],
        sums: &mut [Sums; R],
    );
}

/// # Safety
/// The processor has the instructions of the kernel.
unsafe fn all<'a, K: Kernel>(
    kind: Kind,
    tiles: &[Tile<'_>],
    row: impl Fn(usize) -> Row<'a>,
    sums: &mut [Sums],
) {
    // SAFETY: the caller's promise.
    unsafe {
        match (kind.bits, kind.steps) {
            (2..=4, 1) if kind.packed => by_rows::<K, 4, 1, true>(tiles, row, sums),
            (2..=4, 1) => by_rows::<K, 4, 1, false>(tiles, row, sums),
            (2..=4, _) => by_rows::<K, 4, 2, false>(tiles, row, sums),
            (5, _) => by_rows::<K, 5, 1, false>(tiles, row, sums),
            (6, _) => by_rows::<K, 6, 2, false>(tiles, row, sums),
            _ => by_rows::<K, 8, 1, false>(tiles, row, sums),
        }
    }
}

/// # Safety
/// As for [`all`].
unsafe fn by_rows<'a, K: Kernel, const BITS: usize, const STEPS: usize, const PACKED: bool>(
    tiles: &[Tile<'_>],
    row: impl Fn(usize) -> Row<'a>,
    sums: &mut [Sums],
) {
    let (whole, rest) = sums.as_chunks_mut::<ROWS>();
    let first_of_rest = whole.len() * ROWS;
    for (index, sums) in whole.iter_mut().enumerate() {
        let rows = std::array::from_fn(|own| row(index * ROWS + own));
        // SAFETY: the caller's promise.
        unsafe { K::rows::<BITS, STEPS, PACKED, ROWS>(tiles, rows, sums) };
    }
    for (index, sums) in rest.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        unsafe {
            K::rows::<BITS, STEPS, PACKED, 1>(tiles, [row(first_of_rest + index)], std::array::from_mut(sums))
        };
    }
}
