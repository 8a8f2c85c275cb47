//! Blocks of rows into a group of rows.

use super::codes::Codes;
use super::form::{Form, Scales};
use super::{BLOCK, GROUP, LINE, QUAD, QUADS};
use crate::BlockType;

/// Writes a group, of which `row(r)` are the blocks; rows that are missing are left out, and count as 0.
pub fn group<'a>(form: Form, block: BlockType, rows: usize, row: impl Fn(usize) -> &'a [u8], out: &mut [u8]) {
    out.fill(0);
    let mut codes = Codes::default();
    for lane in 0..rows.min(GROUP) {
        let blocks = row(lane).chunks_exact(block.bytes());
        for (bytes, out) in blocks.zip(out.chunks_exact_mut(form.span_bytes())) {
            codes.read(block, bytes);
            let (header, blocks) = out.split_at_mut(form.header());
            for (shared, place) in codes.shared.iter().zip(header.chunks_exact_mut(2 * GROUP)) {
                place[2 * lane..][..2].copy_from_slice(shared);
            }
            for (index, out) in blocks.chunks_exact_mut(form.block_bytes()).enumerate() {
                let (steps, planes) = out.split_at_mut(form.steps * form.step());
                let own = &codes.steps[index * form.steps..][..form.steps];
                for (step, place) in own.iter().zip(steps.chunks_exact_mut(form.step().max(1))) {
                    write_step(form.scales, step, lane, place);
                }
                let own: &[u8; BLOCK] = codes.codes[index * BLOCK..].first_chunk().expect("a whole block");
                write_planes(form, own, lane, planes);
            }
        }
    }
}

fn write_step(scales: Scales, step: &[u8; 2], lane: usize, out: &mut [u8]) {
    out[lane] = step[0];
    if scales == Scales::Pairs {
        out[GROUP + lane] = step[1];
    }
}

/// The bits of 32 codes of one row, among those of the other rows.
fn write_planes(form: Form, codes: &[u8; BLOCK], lane: usize, planes: &mut [u8]) {
    let quads = codes.as_chunks::<QUAD>().0;
    let (low, high) = planes.split_at_mut(form.low_bytes());
    let mask = ((1_u32 << form.low) - 1) as u8;
    let per_byte = 8 / form.low;
    for (quad, codes) in quads.iter().enumerate() {
        // Quads that share bytes: those half a block apart of 4 bits, neighbours of 2 bits.
        let (line, shift) = match form.low {
            4 => (quad % (QUADS / 2), quad / (QUADS / 2) * 4),
            _ => (quad / per_byte, quad % per_byte * form.low),
        };
        put(&mut low[line * LINE..], lane, codes.map(|code| (code & mask) << shift));
        if let Some(per_byte) = 8usize.checked_div(form.high) {
            let (line, shift) = (quad / per_byte, quad % per_byte * form.high);
            put(&mut high[line * LINE..], lane, codes.map(|code| code >> form.low << shift));
        }
    }
}

fn put(line: &mut [u8], lane: usize, bits: [u8; QUAD]) {
    for (place, bits) in line[lane * QUAD..].iter_mut().zip(bits) {
        *place |= bits;
    }
}
