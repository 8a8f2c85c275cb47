//! Products of bf16 in tile registers: Intel's Advanced Matrix Extensions.
//!
//! A tile register holds 16 rows of 64 bytes. `tdpbf16ps` adds to a tile of 16 x 16 sums the product of 16 rows of 16 words
//! (pairs of bf16, as everywhere here) and of 16 units of 16 columns. Panels of the right operand lie as it reads them; the
//! words of a row of the left operand have to lie next to each other. Four of the eight registers hold sums, two by two, so
//! that each tile of an operand is used twice. (Intel, "Architecture Instruction Set Extensions Programming Reference",
//! chapter 3.)
//!
//! Tile loads wait for the memory, since nothing asks for their lines before (the processor follows few rows at a time), so
//! the lines of the next units, of the next rows and of the results are asked for while sums are made. A sum is made in the
//! same order wherever its row lies in a block, so results do not depend on how rows are divided among threads.

use std::arch::asm;
use std::marker::PhantomData;
use std::ops::Range;

use super::{Awaited, Epilogue, Left, PANEL, Panel, hand_over};
use crate::simd::{MultiplyAdd, prefetch_read};

/// Rows of a block of sums: two tiles.
pub const ROWS: usize = 32;

/// Columns of a block of sums: two tiles.
const COLUMNS: usize = 32;

/// Units of a tile of an operand.
const UNITS: usize = 16;

/// A block of [`ROWS`] x [`COLUMNS`] sums in registers.
pub trait Registers {
    /// Sets all sums to 0.
    ///
    /// # Safety
    /// The processor has the registers.
    unsafe fn clear(&mut self);

    /// Adds the product of [`ROWS`] rows of [`UNITS`] words, `step` bytes apart, and as many units of [`COLUMNS`] words,
    /// [`PANEL`] words apart.
    ///
    /// # Safety
    /// The words are readable, and the processor has the registers.
    unsafe fn add(&mut self, a: *const u8, step: usize, b: *const u32);

    /// Writes the sums, rows [`PANEL`] apart.
    ///
    /// # Safety
    /// There is room for them, and the processor has the registers.
    unsafe fn store(&mut self, out: *mut f32);
}

/// The registers of the processor, on the thread that configured them: 0 to 3 are sums, 4 and 5 rows of the left operand, 6 and
/// 7 columns of the right one. Nothing that the compiler makes touches them, so they keep their values between two calls.
pub struct Tiles(PhantomData<*mut ()>);

/// Intel's layout: the palette, the bytes of a row of each tile from byte 16 on, its rows from byte 48 on.
#[repr(align(64))]
struct Configuration([u8; 64]);

const CONFIGURATION: Configuration = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = 64;
        bytes[48 + tile] = 16;
        tile += 1;
    }
    Configuration(bytes)
};

impl Tiles {
    /// Makes the registers ready for use by this thread.
    ///
    /// # Safety
    /// The processor has them, and the system lets this process use them.
    pub unsafe fn configured() -> Self {
        let configuration = CONFIGURATION;
        // SAFETY: the caller's promise; the configuration is a valid one.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) configuration.0.as_ptr(), options(nostack, readonly, preserves_flags));
        }
        Self(PhantomData)
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: whoever made `self` promised the registers.
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
    }
}

impl Registers for Tiles {
    // SAFETY: what it asks of its caller is what the trait says.
    #[inline(always)]
    unsafe fn clear(&mut self) {
        // SAFETY: the caller's promise.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                options(nostack, nomem, preserves_flags),
            );
        }
    }

    // SAFETY: what it asks of its caller is what the trait says.
    #[inline(always)]
    unsafe fn add(&mut self, a: *const u8, step: usize, b: *const u32) {
        // SAFETY: the caller's promise.
        unsafe {
            asm!(
                "tileloadd tmm6, [{b} + {b_step}]",
                "tileloadd tmm4, [{a} + {step}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{b} + {b_step} + 64]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{lower} + {step}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                a = in(reg) a,
                lower = in(reg) a.wrapping_add(ROWS / 2 * step),
                step = in(reg) step,
                b = in(reg) b,
                b_step = in(reg) PANEL * size_of::<u32>(),
                options(nostack, readonly, preserves_flags),
            );
        }
    }

    // SAFETY: what it asks of its caller is what the trait says.
    #[inline(always)]
    unsafe fn store(&mut self, out: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe {
            asm!(
                "tilestored [{out} + {step}], tmm0",
                "tilestored [{out} + {step} + 64], tmm1",
                "tilestored [{lower} + {step}], tmm2",
                "tilestored [{lower} + {step} + 64], tmm3",
                out = in(reg) out,
                lower = in(reg) out.wrapping_add(ROWS / 2 * PANEL),
                step = in(reg) PANEL * size_of::<f32>(),
                options(nostack, preserves_flags),
            );
        }
    }
}

/// What the registers do, in plain code.
#[cfg(test)]
pub struct Emulated([[f32; COLUMNS]; ROWS]);

#[cfg(test)]
impl Default for Emulated {
    fn default() -> Self {
        Self([[f32::NAN; COLUMNS]; ROWS])
    }
}

#[cfg(test)]
impl Registers for Emulated {
    // SAFETY: it asks nothing of its caller.
    unsafe fn clear(&mut self) {
        self.0 = [[0.0; COLUMNS]; ROWS];
    }

    // SAFETY: what it asks of its caller is what the trait says.
    unsafe fn add(&mut self, a: *const u8, step: usize, b: *const u32) {
        let halves = |word: u32| [f32::from_bits(word << 16), f32::from_bits(word & 0xffff_0000)];
        for (row, sums) in self.0.iter_mut().enumerate() {
            for (column, sum) in sums.iter_mut().enumerate() {
                let mut parts = [0.0_f32; 2];
                for unit in 0..UNITS {
                    // SAFETY: the caller promises the words.
                    let [a, b] = unsafe {
                        [
                            a.add(row * step).cast::<u32>().add(unit).read_unaligned(),
                            b.add(unit * PANEL + column).read_unaligned(),
                        ]
                    };
                    for ((part, a), b) in parts.iter_mut().zip(halves(a)).zip(halves(b)) {
                        *part = a.mul_add(b, *part);
                    }
                }
                *sum += parts[0] + parts[1];
            }
        }
    }

    // SAFETY: what it asks of its caller is what the trait says.
    unsafe fn store(&mut self, out: *mut f32) {
        for (row, sums) in self.0.iter().enumerate() {
            // SAFETY: the caller promises the room.
            unsafe { out.add(row * PANEL).cast::<[f32; COLUMNS]>().write_unaligned(*sums) };
        }
    }
}

/// The sums of a block's rows.
#[repr(align(64))]
struct Room([[f32; PANEL]; ROWS]);

/// A part of both operands with zeros for what is missing to whole tiles.
#[repr(align(64))]
struct Filled {
    left: [[u32; UNITS]; ROWS],
    right: [[u32; PANEL]; UNITS],
}

/// All blocks of a panel.
///
/// # Safety
/// `left` covers `rows` and the units of the panel, the words of each row next to each other; the processor has the registers.
#[inline(always)]
pub unsafe fn blocks<E: Epilogue>(
    m: impl MultiplyAdd,
    registers: &mut impl Registers,
    left: Left<'_>,
    rows: Range<usize>,
    panel: &Panel<'_>,
    sums: &mut [f32],
    epilogue: &E,
) {
    let mut room = Room([[0.0; PANEL]; ROWS]);
    let awaited = epilogue.awaited();
    for first in rows.clone().step_by(ROWS) {
        let block = first..(first + ROWS).min(rows.end);
        for column in (0..panel.columns.len()).step_by(COLUMNS) {
            let out = room.0.as_flattened_mut()[column..].as_mut_ptr();
            // SAFETY: the caller's promise; the room has the rows of a block from any half on.
            unsafe { sum_block(registers, &left, block.clone(), panel, column, out, &awaited) };
        }
        hand_over(m, &mut room.0[..block.len()], block, rows.start, panel, sums, epilogue);
    }
}

/// Makes the sums of the rows `block` and of [`COLUMNS`] columns of the panel from `column` on.
///
/// # Safety
/// As for [`blocks`]; `out` has room for them.
#[inline(always)]
unsafe fn sum_block(
    registers: &mut impl Registers,
    left: &Left<'_>,
    block: Range<usize>,
    panel: &Panel<'_>,
    column: usize,
    out: *mut f32,
    awaited: &[Awaited; 2],
) {
    let (units, step) = (panel.units.len(), left.row_step());
    let a = left.row(block.start);
    let b = panel.words.as_ptr().wrapping_add(panel.units.start * PANEL + column);
    let whole = if block.len() == ROWS { units / UNITS } else { 0 };
    // SAFETY: the caller promises the rows; the panel holds `units * PANEL` words from the first of the units on.
    unsafe {
        registers.clear();
        for tile in 0..whole {
            let (a, b) = (a.add(tile * UNITS * size_of::<u32>()), b.add(tile * UNITS * PANEL));
            registers.add(a, step, b);
            for unit in UNITS..2 * UNITS {
                prefetch_read(b.wrapping_add(unit * PANEL), COLUMNS);
            }
            if column > 0 {
                // The same words of the next block.
                (ROWS..2 * ROWS)
                    .for_each(|row| prefetch_read(a.wrapping_add(row * step).cast::<u32>(), UNITS));
            } else if panel.is_last {
                for row in tile * ROWS / whole..(tile + 1) * ROWS / whole {
                    let ask = |awaited: &Awaited| {
                        awaited.from(block.start, panel.columns.start).ask(row, panel.columns.len())
                    };
                    awaited.iter().for_each(ask);
                }
            }
        }
        if whole * UNITS < units {
            add_filled(registers, block.len(), whole * UNITS..units, a, step, b);
        }
        registers.store(out);
    }
}

/// Adds the products of the given units of fewer rows than a block has, or of fewer units than a tile has.
///
/// # Safety
/// `rows` rows of these units are readable at `a`, `step` bytes apart, and the units at `b`; the processor has the registers.
unsafe fn add_filled(
    registers: &mut impl Registers,
    rows: usize,
    units: Range<usize>,
    a: *const u8,
    step: usize,
    b: *const u32,
) {
    let mut filled = Filled { left: [[0; UNITS]; ROWS], right: [[0; PANEL]; UNITS] };
    for unit in units.clone().step_by(UNITS) {
        let shape = [rows, UNITS.min(units.end - unit)];
        // SAFETY: the caller's promise.
        unsafe {
            filled.fill(shape, a.add(unit * size_of::<u32>()), step, b.add(unit * PANEL));
            let (left, right) = (filled.left.as_ptr().cast(), filled.right.as_ptr().cast());
            registers.add(left, UNITS * size_of::<u32>(), right);
        }
    }
}

impl Filled {
    /// Takes so many rows of so many words, and as many units of [`COLUMNS`] words.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn fill(&mut self, [rows, units]: [usize; 2], a: *const u8, step: usize, b: *const u32) {
        for (row, words) in self.left[..rows].iter_mut().enumerate() {
            *words = [0; UNITS];
            // SAFETY: the caller's promise.
            unsafe {
                a.add(row * step).copy_to_nonoverlapping(words.as_mut_ptr().cast(), units * size_of::<u32>())
            };
        }
        self.right = [[0; PANEL]; UNITS];
        for (unit, words) in self.right[..units].iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { b.add(unit * PANEL).copy_to_nonoverlapping(words.as_mut_ptr(), COLUMNS) };
        }
    }
}
