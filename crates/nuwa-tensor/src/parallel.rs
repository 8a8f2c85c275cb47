//! Splitting rows over threads, always into the same chunks whatever the number of threads.

use rayon::prelude::*;

/// Elements a chunk should hold: large against the cost of handing it to another thread (about 10 us).
pub const CHUNK_ELEMENTS: usize = 1 << 15;

/// Runs `work`, which does many operations, on one of the threads that they are divided among. An operation then begins there
/// at once, where any other thread would wake a worker for each and wait to be woken, hundreds of times a training step.
pub fn on_worker<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::scope(|_| work())
}

/// Calls `f(first row, rows of the chunk)` for chunks of `out`, in parallel where there is enough to do.
pub fn rows_mut<T: Send>(out: &mut [T], width: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let rows_per_chunk = (CHUNK_ELEMENTS / width.max(1)).max(1);
    chunks_mut(out, width, rows_per_chunk, f);
}

/// As [`rows_mut`] with a given number of rows a chunk.
pub fn chunks_mut<T: Send>(
    out: &mut [T],
    width: usize,
    rows_per_chunk: usize,
    f: impl Fn(usize, &mut [T]) + Sync,
) {
    if out.is_empty() {
        return;
    }
    let chunk = rows_per_chunk * width;
    if out.len() <= chunk {
        return f(0, out);
    }
    out.par_chunks_mut(chunk).enumerate().for_each(|(index, rows)| f(index * rows_per_chunk, rows));
}
