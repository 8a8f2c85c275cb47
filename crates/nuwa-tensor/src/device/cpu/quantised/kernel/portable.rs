//! Plain loops, for processors without kernels of their own; the others are held against them.

use super::{Kernel, PACKED_LINES, Sums, Tile};
use crate::device::cpu::quantised::activations::Row;
use crate::device::cpu::quantised::{GROUP, LINE, QUAD, QUADS};

/// One product after the other.
pub struct Portable;

impl Kernel for Portable {
    // SAFETY: what it asks of its caller is what the trait says.
    unsafe fn rows<const BITS: usize, const STEPS: usize, const PACKED: bool, const R: usize>(
        tiles: &[Tile<'_>],
        rows: [Row<'_>; R],
        sums: &mut [Sums; R],
    ) {
        for (row, sums) in rows.into_iter().zip(sums) {
            for (index, tile) in tiles.iter().enumerate() {
                let (x, factors) = (&row.codes[index], &row.factors[index]);
                for step in 0..STEPS {
                    let mut products = [0_i32; GROUP];
                    for quad in step * QUADS / STEPS..(step + 1) * QUADS / STEPS {
                        let x = &x.as_chunks::<QUAD>().0[quad];
                        add_products(&codes::<PACKED>(tile, quad), x, &mut products);
                    }
                    for lane in 0..GROUP {
                        sums[lane] += products[lane] as f32 * (tile.scales.scales[step][lane] * factors[0]);
                        if BITS < 8 {
                            let shift = factors[if STEPS == 1 { 1 } else { 2 + step }];
                            sums[lane] += tile.scales.mins[step][lane] * shift;
                        }
                    }
                }
            }
        }
    }
}

/// The codes of a quad, a byte each.
#[inline(always)]
fn codes<const PACKED: bool>(tile: &Tile<'_>, quad: usize) -> [u8; LINE] {
    match (PACKED, quad < PACKED_LINES) {
        (false, _) => tile.codes[quad],
        (true, true) => tile.codes[quad].map(|byte| byte & 15),
        (true, false) => tile.codes[quad - PACKED_LINES].map(|byte| byte >> 4),
    }
}

#[inline(always)]
fn add_products(codes: &[u8; GROUP * QUAD], x: &[i8; QUAD], products: &mut [i32; GROUP]) {
    for (product, codes) in products.iter_mut().zip(codes.as_chunks::<QUAD>().0) {
        for (code, x) in codes.iter().zip(x) {
            // Codes of fewer bits are the same in both readings.
            *product += i32::from(*code as i8) * i32::from(*x);
        }
    }
}
