//! Tiles of plain loops, for processors without kernels of their own; the reference for those.

use super::{Ask, Block, Kernel, Left, SumTiles, TILE_ROWS, sum_tiles};

/// The reference: plain loops, one product and one sum at a time.
pub struct PortableF32;

impl Kernel for PortableF32 {
    const COLUMNS: usize = 16;
    const PER_UNIT: usize = 1;
    const SUM: SumTiles = sum_tiles::<Self>;

    // SAFETY: what it asks of its caller is what the trait says.
    #[inline(always)]
    unsafe fn tile<const R: usize, const QUARTERS: usize>(
        a: *const u8,
        left: &Left<'_>,
        b: *const u32,
        units: usize,
        out: Block,
        ask: Ask<'_>,
    ) {
        (0..TILE_ROWS).for_each(|row| ask.row(row));
        // SAFETY: the caller's promise.
        unsafe { sum_products::<R>(a, left, b, units, out) };
    }
}

/// A tile of the reference.
///
/// # Safety
/// As for [`Kernel::tile`].
#[inline(never)]
unsafe fn sum_products<const R: usize>(
    a: *const u8,
    left: &Left<'_>,
    b: *const u32,
    units: usize,
    out: Block,
) {
    let mut sums = [[0.0_f32; 16]; R];
    for unit in 0..units {
        // SAFETY: the caller promises `units * COLUMNS` readable words; `u32` and `f32` have one layout.
        let b = unsafe { &*b.add(unit * 16).cast::<[f32; 16]>() };
        let at = |row: usize| row * left.row_step + unit * left.unit_step;
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the caller promises the word; it need not be aligned.
            let a = unsafe { a.add(at(row)).cast::<f32>().read_unaligned() };
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = multiply_add(a, *b, *sum);
            }
        }
    }
    // SAFETY: the caller promises room for the sums.
    unsafe { store(out, &sums) };
}

/// The reference for rows of `f32` and words of bf16: both elements of a word, one after the other, as single ones.
pub struct PortableMixed;

impl Kernel for PortableMixed {
    const COLUMNS: usize = 16;
    const PER_UNIT: usize = 2;
    const SUM: SumTiles = sum_tiles::<Self>;

    // SAFETY: what it asks of its caller is what the trait says.
    #[inline(always)]
    unsafe fn tile<const R: usize, const QUARTERS: usize>(
        a: *const u8,
        left: &Left<'_>,
        b: *const u32,
        units: usize,
        out: Block,
        ask: Ask<'_>,
    ) {
        (0..TILE_ROWS).for_each(|row| ask.row(row));
        // SAFETY: the caller's promise.
        unsafe { sum_mixed::<R>(a, left, b, units, out) };
    }
}

/// A tile of [`PortableMixed`].
///
/// # Safety
/// As for [`Kernel::tile`].
#[inline(never)]
unsafe fn sum_mixed<const R: usize>(a: *const u8, left: &Left<'_>, b: *const u32, units: usize, out: Block) {
    let mut sums = [[0.0_f32; 16]; R];
    for unit in 0..units {
        // SAFETY: the caller promises `units * COLUMNS` readable words.
        let words = unsafe { &*b.add(unit * 16).cast::<[u32; 16]>() };
        let halves =
            [words.map(|word| f32::from_bits(word << 16)), words.map(|word| f32::from_bits(word & HIGH))];
        for (row, sums) in sums.iter_mut().enumerate() {
            let at = row * left.row_step + unit * left.unit_step;
            // SAFETY: the caller promises the two elements; they need not be aligned.
            let pair = unsafe { a.add(at).cast::<[f32; 2]>().read_unaligned() };
            for (a, half) in pair.into_iter().zip(&halves) {
                for (sum, b) in sums.iter_mut().zip(half) {
                    *sum = multiply_add(a, *b, *sum);
                }
            }
        }
    }
    // SAFETY: the caller promises room for the sums.
    unsafe { store(out, &sums) };
}

/// The bits of the second element of a word.
pub const HIGH: u32 = 0xffff_0000;

/// `a b + c`, rounded once where the target always has such an instruction.
#[inline(always)]
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(target_arch = "aarch64") { a.mul_add(b, c) } else { a * b + c }
}

/// A kernel of [`sum_pairs`].
macro_rules! portable_pairs {
    ($name:ident, $columns:expr, $sum:expr) => {
        pub struct $name;

        impl Kernel for $name {
            const COLUMNS: usize = $columns;
            const PER_UNIT: usize = 2;
            const SUM: SumTiles = $sum;

            // SAFETY: what it asks of its caller is what the trait says.
            #[inline(always)]
            unsafe fn tile<const R: usize, const QUARTERS: usize>(
                a: *const u8,
                left: &Left<'_>,
                b: *const u32,
                units: usize,
                out: Block,
                ask: Ask<'_>,
            ) {
                (0..TILE_ROWS).for_each(|row| ask.row(row));
                // SAFETY: the caller's promise.
                unsafe { sum_pairs::<R, { $columns }>(a, left, b, units, out) };
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
pub(super) use portable_pairs;

portable_pairs!(PortableBf16, 16, sum_tiles::<Self>);

/// The reference for pairs: both products of a pair are added to the sum, the second element first, as `vdpbf16ps` does.
///
/// # Safety
/// As for [`Kernel::tile`].
#[inline(always)]
pub unsafe fn sum_pairs<const R: usize, const COLUMNS: usize>(
    a: *const u8,
    left: &Left<'_>,
    b: *const u32,
    units: usize,
    out: Block,
) {
    let low = |word: u32| f32::from_bits(word << 16);
    let high = |word: u32| f32::from_bits(word & HIGH);
    let mut sums = [[0.0_f32; COLUMNS]; R];
    for unit in 0..units {
        // SAFETY: the caller promises `units * COLUMNS` readable words.
        let b = unsafe { &*b.add(unit * COLUMNS).cast::<[u32; COLUMNS]>() };
        let at = |row: usize| row * left.row_step + unit * left.unit_step;
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the caller promises the word; it need not be aligned.
            let a = unsafe { a.add(at(row)).cast::<u32>().read_unaligned() };
            let a = u32::from_le(a);
            for (sum, &b) in sums.iter_mut().zip(b) {
                *sum += high(a) * high(b);
                *sum += low(a) * low(b);
            }
        }
    }
    // SAFETY: the caller promises room for the sums.
    unsafe { store(out, &sums) };
}

/// # Safety
/// There is room for the sums.
#[inline(always)]
unsafe fn store<const R: usize, const COLUMNS: usize>(out: Block, sums: &[[f32; COLUMNS]; R]) {
    let (out, stride) = (out.out.cast::<f32>(), out.stride);
    for (row, sums) in sums.iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { out.add(row * stride).cast::<[f32; COLUMNS]>().write(*sums) };
    }
}
