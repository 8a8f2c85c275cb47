//! Products `x W^T` with a weight of quantised blocks, by sums of whole numbers.
//!
//! A row of `x` is rounded to 8 bits in blocks of 32, `x = s q` with `s = largest |x| / 127`, and what that leaves of blocks with
//! outliers once more ([`activations`]). A weight is
//! `d (c - o)` or `d c - m` with codes `c` of 2 to 8 bits and a `d`, `m` for each 32 or 16 of them, so that a block of a dot product is
//! `s (d sum of c q - m sum of q)`: the first sum is exact in 32 bits, the second one is known of each block of `x`. Dettmers et al.,
//! "LLM.int8()" (2022), says why activations need a scale for few features at a time; llama.cpp rounds them alike.
//!
//! When a weight is set, its blocks are put into groups of [`GROUP`] rows ([`form`]): of a block of 32 features the codes of 16 rows,
//! four features of each row after four of the next ([`repack`]). One instruction then multiplies four features of as many rows as
//! it has lanes by four of `x`, which serve all of them, and no sum goes across a vector. A task takes some groups, brings them to
//! bytes and scales in `f32` ([`unpack`]), and multiplies all rows by them ([`kernel`]): so what is read from the memory is read once
//! for all rows, and one row is computed as many are, with the same bits.

mod activations;
mod codes;
mod form;
mod kernel;
mod matrix;
mod multiply;
mod repack;
mod unpack;

pub use matrix::QuantisedMatrix;
pub use multiply::product;

/// Rows of a group: the lanes of AVX-512, two vectors of AVX2, four of NEON.
const GROUP: usize = 16;

/// Features of a block of `x`, and of a tile.
const BLOCK: usize = 32;

/// Rows of `x` that a task takes: enough that unpacking counts for little, few enough that their sums stay in the cache.
const PART: usize = 256;

/// Features that an instruction multiplies and adds up in a lane.
const QUAD: usize = 4;

/// Quads of a block.
const QUADS: usize = BLOCK / QUAD;

/// Bytes of a quad of all rows of a group.
const LINE: usize = GROUP * QUAD;

#[cfg(test)]
mod tests;
