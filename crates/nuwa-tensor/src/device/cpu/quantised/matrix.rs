use std::sync::Arc;

use super::form::Form;
use super::kernel::{TileCodes, TileScales};
use super::{BLOCK, GROUP, QUAD, repack, unpack};
use crate::device::{Buffer, Pool, QuantisedRows};
use crate::parallel::{chunks, each_part};

/// A weight of quantised blocks, in groups of rows.
pub struct QuantisedMatrix {
    parts: Vec<Part>,
    width: usize,
}

/// Rows whose blocks are of one type.
pub struct Part {
    pub form: Form,
    /// The first of its rows in the matrix, and how many there are.
    pub first: usize,
    pub rows: usize,
    bytes: Buffer<u8>,
}

/// Up to [`GROUP`] rows.
pub struct Group<'a> {
    pub form: Form,
    /// The first of the rows in the matrix, and how many there are.
    pub first: usize,
    pub rows: usize,
    /// Its bytes, and those of the groups that follow: what is read next.
    pub bytes: &'a [u8],
}

impl QuantisedMatrix {
    /// Puts rows into groups; they have been checked. What is mapped of a file is given back as soon as it has been read.
    pub fn new(pool: &Arc<Pool>, parts: &[QuantisedRows]) -> Self {
        let width = parts.first().map_or(0, |part| part.width);
        let mut first = 0;
        let parts = parts.iter().map(|rows| {
            let part = Part::new(pool, rows, first);
            rows.bytes.release();
            first += rows.rows;
            part
        });
        Self { parts: parts.collect(), width }
    }

    /// Features of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The groups of all rows.
    pub fn groups(&self) -> usize {
        self.parts.iter().map(Part::groups).sum()
    }

    /// The bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.bytes.len()).sum()
    }

    /// A group, counted through all parts.
    pub fn group(&self, mut index: usize) -> Group<'_> {
        for part in &self.parts {
            if index < part.groups() {
                return part.group(index, self.width);
            }
            index -= part.groups();
        }
        panic!("a matrix has no such group");
    }

    /// The numbers of a row.
    pub fn copy_row(&self, row: usize, values: &mut [f32]) {
        let part = self.parts.iter().rfind(|part| part.first <= row).expect("the first row is 0");
        let (index, lane) = ((row - part.first) / GROUP, (row - part.first) % GROUP);
        let group = part.group(index, self.width);
        let (mut codes, mut scales) = ([TileCodes::ZERO], [TileScales::ZERO]);
        let layout = unpack::GroupLayout::of(group.form);
        for (block, values) in values.chunks_exact_mut(BLOCK).enumerate() {
            unpack::codes(&layout, group.bytes, block, &mut codes);
            unpack::scales(&layout, group.bytes, block, 1, &mut scales);
            copy_lane(group.form, &codes[0], &scales[0], lane, values);
        }
    }
}

impl Part {
    fn new(pool: &Arc<Pool>, rows: &QuantisedRows, first: usize) -> Self {
        let form = Form::of(rows.block);
        let length = form.group_bytes(rows.width);
        let groups = rows.rows.div_ceil(GROUP);
        let mut bytes = pool.take::<u8>(groups * length);
        each_part(chunks(&mut bytes, length.max(1)), |index, out| {
            let first = index * GROUP;
            repack::group(form, rows.block, rows.rows - first, |row| rows.row(first + row), out);
        });
        Self { form, first, rows: rows.rows, bytes }
    }

    fn groups(&self) -> usize {
        self.rows.div_ceil(GROUP)
    }

    fn group(&self, index: usize, width: usize) -> Group<'_> {
        let first = index * self.form.group_bytes(width);
        Group {
            form: self.form,
            first: self.first + index * GROUP,
            rows: GROUP.min(self.rows - index * GROUP),
            bytes: &self.bytes[first..],
        }
    }
}

/// The numbers of one row of a block.
fn copy_lane(form: Form, codes: &TileCodes, scales: &TileScales, lane: usize, values: &mut [f32]) {
    let step = BLOCK / form.steps;
    for (index, value) in values.iter_mut().enumerate() {
        let code = codes.0[index / QUAD][lane * QUAD + index % QUAD];
        let (scale, min) = (scales.scales[index / step][lane], scales.mins[index / step][lane]);
        *value = match form.bits() {
            8 => scale * f32::from(code as i8),
            // Not `scale code - min`, which would be rounded twice.
            _ if form.offset > 0 => scale * (f32::from(code) - f32::from(form.offset)),
            _ => scale * f32::from(code) - min,
        };
    }
}
