//! What cleaning keeps at most.

use std::time::Duration;

use crate::{Error, Result};

/// What cleaning keeps at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Sample documents of each kind.
    pub samples: usize,
    /// Bytes of memory.
    pub memory: usize,
    /// Bytes of text read, after which interrupted work can be gone on with.
    pub chunk_bytes: usize,
    /// How long at least between two times that it is written down how far the work is.
    pub between_states: Duration,
}

impl Limits {
    pub fn new(samples: usize, memory: usize) -> Self {
        Self { samples, memory, chunk_bytes: CHUNK_BYTES, between_states: BETWEEN_STATES }
    }
}

/// Some ten seconds of work.
const CHUNK_BYTES: usize = 1 << 28;
/// What is worth going on with rather than beginning anew.
const BETWEEN_STATES: Duration = Duration::from_secs(10);

/// Whether so many samples may be kept of each kind.
pub(crate) fn check_samples(samples: usize) -> Result<()> {
    let value = samples.to_string();
    match samples {
        0..=100 => Ok(()),
        _ => Err(Error::Setting { name: "clean.samples", value, expected: "0 to 100" }),
    }
}
