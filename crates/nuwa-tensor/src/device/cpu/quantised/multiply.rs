use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use super::activations::{RoundedRows, Row};
#[cfg(target_arch = "x86_64")]
use super::kernel::{InPlace, multiply_in_place};
use super::kernel::{Instructions, Kind, ROWS, Sums, Tile, TileCodes, TileScales, multiply};
use super::matrix::{Group, QuantisedMatrix};
use super::{BLOCK, GROUP, PART, unpack};
use crate::device::Pool;
use crate::device::cpu::product::Finish;
use crate::element::Element;
use crate::parallel::claimed;

/// Blocks that are unpacked at a time: whole spans of each type, and tiles that stay in a first-level cache.
const TILES: usize = 24;

/// Rows for which scales are taken from where they lie: for more of them it is less work to do it once for all.
#[cfg(target_arch = "x86_64")]
const FEW: usize = 2 * ROWS;

/// Bytes of a weight, times the rows that they are multiplied by, that a task should have against the cost of claiming it.
const TASK: usize = 1 << 15;

/// What a task works with, used again from one to the next.
struct Scratch {
    codes: Box<[TileCodes; TILES]>,
    scales: Box<[TileScales; TILES]>,
    sums: Box<[Sums; PART]>,
    /// The sums of the rows whose block has an outlier.
    chosen: Box<[Sums; PART]>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> =
        RefCell::new(Scratch {
            codes: Box::new([TileCodes::ZERO; TILES]),
            scales: Box::new([TileScales::ZERO; TILES]),
            sums: Box::new([[0.0; GROUP]; PART]),
            chosen: Box::new([[0.0; GROUP]; PART]),
        });
}

/// `x W^T` for rows of the weight's width; each row has the same bits whatever the number of rows.
pub fn product<A: Element>(pool: &Arc<Pool>, x: &[A], weight: &QuantisedMatrix, epilogue: &dyn Finish) {
    product_by(Instructions::best(), pool, x, weight, epilogue);
}

pub(super) fn product_by<A: Element>(
    instructions: Instructions,
    pool: &Arc<Pool>,
    x: &[A],
    weight: &QuantisedMatrix,
    epilogue: &dyn Finish,
) {
    let (rows, groups) = (x.len() / weight.width(), weight.groups());
    if rows == 0 || groups == 0 {
        return;
    }
    let rounded = RoundedRows::new(pool, x, weight.width());
    let work = weight.bytes() / groups * rows.min(PART);
    let step = (TASK / work.max(1)).clamp(1, groups);
    let (parts, steps) = (rows.div_ceil(PART), groups.div_ceil(step));
    claimed(parts * steps, &|index| {
        let (part, first) = (index / steps, index % steps * step);
        let rows = part * PART..rows.min((part + 1) * PART);
        SCRATCH.with_borrow_mut(|scratch| {
            for group in first..groups.min(first + step) {
                let group = weight.group(group);
                scratch.group(instructions, &group, &rounded, &rows, weight.width());
                let (columns, sums) =
                    (group.first..group.first + group.rows, &mut scratch.sums[..rows.len()]);
                epilogue.rows(rows.clone(), columns, sums.as_flattened_mut(), GROUP);
            }
        });
    });
}

impl Scratch {
    /// The sums of a group for some rows.
    fn group(
        &mut self,
        instructions: Instructions,
        group: &Group<'_>,
        x: &RoundedRows,
        rows: &Range<usize>,
        width: usize,
    ) {
        #[cfg(target_arch = "x86_64")]
        if rows.len() <= FEW
            && instructions != Instructions::Portable
            && let Some(blocks) = InPlace::of(group.form, group.bytes, width / BLOCK)
        {
            return self.group_in_place(instructions, blocks, x, rows, width);
        }
        let Self { codes, scales, sums, chosen } = self;
        let sums = &mut sums[..rows.len()];
        sums.fill([0.0; GROUP]);
        let (form, blocks) = (group.form, width / BLOCK);
        let packed = form.is_packed() && rows.len() <= ROWS;
        let kind = Kind { bits: form.bits(), steps: form.steps, packed };
        let layout = unpack::GroupLayout::of(form);
        for first in (0..blocks).step_by(TILES) {
            let end = blocks.min(first + TILES);
            unpack::scales(&layout, group.bytes, first, TILES, &mut scales[..end - first]);
            if !(packed || form.is_bytes()) {
                unpack::codes(&layout, group.bytes, first, &mut codes[..end - first]);
            }
            let tile = |block: usize| Tile {
                codes: layout.lines_in_place(kind, group.bytes, block).unwrap_or(&codes[block - first].0),
                scales: &scales[block - first],
            };
            let mut tiles = [tile(first); TILES];
            tiles.iter_mut().zip(first..end).for_each(|(place, block)| *place = tile(block));
            add_blocks(x, rows, first..end, sums, &mut chosen[..], |blocks, row, sums| {
                multiply(instructions, kind, &tiles[blocks.start - first..blocks.end - first], row, sums);
            });
        }
    }

    /// The same of blocks that need no unpacking.
    #[cfg(target_arch = "x86_64")]
    fn group_in_place(
        &mut self,
        instructions: Instructions,
        group: InPlace<'_>,
        x: &RoundedRows,
        rows: &Range<usize>,
        width: usize,
    ) {
        let sums = &mut self.sums[..rows.len()];
        sums.fill([0.0; GROUP]);
        let blocks = width / BLOCK;
        for first in (0..blocks).step_by(TILES) {
            let end = blocks.min(first + TILES);
            add_blocks(x, rows, first..end, sums, &mut self.chosen[..], |blocks, row, sums| {
                multiply_in_place(instructions, group.part(blocks), row, sums);
            });
        }
    }
}

/// Adds some blocks to the sums of rows, and once more those of rows where the blocks have outliers. `multiply` adds the products of
/// blocks and of the rows that it is given to their sums; `chosen` has room for as many sums as there are rows.
fn add_blocks<'x>(
    x: &'x RoundedRows,
    rows: &Range<usize>,
    blocks: Range<usize>,
    sums: &mut [Sums],
    chosen: &mut [Sums],
    multiply: impl Fn(Range<usize>, &dyn Fn(usize) -> Row<'x>, &mut [Sums]),
) {
    multiply(blocks.clone(), &|row| x.row(rows.start + row, blocks.start), sums);
    for (block, own) in x.outliers(rows.start / PART, blocks.clone()) {
        let chosen = &mut chosen[..own.len()];
        chosen.iter_mut().zip(own).for_each(|(chosen, row)| *chosen = sums[*row as usize]);
        multiply(block..block + 1, &|place| x.rest(rows.start + own[place] as usize, block), chosen);
        chosen.iter().zip(own).for_each(|(chosen, row)| sums[*row as usize] = *chosen);
    }
}
