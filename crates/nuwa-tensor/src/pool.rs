//! Buffers that are used again: after the first step a training loop asks the system for no memory.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Idle buffers by length, and the counts that bound them.
#[derive(Default)]
pub(crate) struct Pool {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: HashMap<usize, Vec<Vec<f32>>>,
    idle_elements: usize,
    live_elements: usize,
    peak_elements: usize,
}

impl Pool {
    /// A buffer whose content is left over from earlier use: the caller writes every element.
    pub fn take(self: &Arc<Self>, length: usize) -> Buffer {
        let data = self.state().take(length).unwrap_or_else(|| vec![0.0; length]);
        Buffer { data, pool: Arc::clone(self) }
    }

    /// A buffer of zeros.
    pub fn take_zeroed(self: &Arc<Self>, length: usize) -> Buffer {
        let mut buffer = self.take(length);
        buffer.fill(0.0);
        buffer
    }

    /// The largest number of elements that were in use at one time.
    pub fn peak_elements(&self) -> usize {
        self.state().peak_elements
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, length: usize) -> Option<Vec<f32>> {
        self.live_elements += length;
        self.peak_elements = self.peak_elements.max(self.live_elements);
        let found = self.idle.get_mut(&length)?.pop()?;
        self.idle_elements -= length;
        Some(found)
    }

    /// Keeps a returned buffer, unless the idle ones would then outweigh the largest use so far: lengths that
    /// change from call to call (a growing prompt) must not pile up.
    fn give(&mut self, data: Vec<f32>) {
        self.live_elements -= data.len();
        if self.idle_elements + data.len() <= self.peak_elements {
            self.idle_elements += data.len();
            self.idle.entry(data.len()).or_default().push(data);
        }
    }
}

/// A block of `f32` that returns to its pool when dropped.
pub(crate) struct Buffer {
    data: Vec<f32>,
    pool: Arc<Pool>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.state().give(mem::take(&mut self.data));
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.data
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({})", self.data.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_returned_buffer_is_used_again() {
        let pool = Arc::new(Pool::default());
        let first = pool.take(64);
        let place = first.as_ptr();
        drop(first);
        assert_eq!(pool.take(64).as_ptr(), place);
    }

    #[test]
    fn idle_buffers_never_outweigh_the_peak() {
        let pool = Arc::new(Pool::default());
        for length in 1..200 {
            drop(pool.take(length));
        }
        let peak = pool.peak_elements();
        assert!(pool.state().idle_elements <= peak);
    }
}
