//! Buffers that are used again: after the first step a training loop asks the system for no memory.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Device;
use crate::element::{Bf16, Element};

/// One cache line: what buffers are counted in, and what they are aligned to.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line([u8; Line::BYTES]);

impl Line {
    const BYTES: usize = 64;
    pub const ZERO: Self = Self([0; Self::BYTES]);

    /// The lines that hold `length` numbers.
    pub fn count<T: Plain>(length: usize) -> usize {
        (length * size_of::<T>()).div_ceil(Self::BYTES)
    }

    /// The numbers that lines hold.
    pub fn view<T: Plain>(lines: &[Self]) -> &[T] {
        let length = size_of_val(lines) / size_of::<T>();
        // SAFETY: lines are initialised and aligned for every `Plain` kind, of which every pattern of bits is a value;
        // the length is what they hold.
        unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), length) }
    }

    /// As [`Line::view`], to write.
    pub fn view_mut<T: Plain>(lines: &mut [Self]) -> &mut [T] {
        let length = size_of_val(lines) / size_of::<T>();
        // SAFETY: as in `view`; the lines are borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), length) }
    }
}

/// Zeroed lines. The system is asked for zeros and gives pages when they are first touched, which the threads do that work
/// on them: writing zeros here would be one thread's work, seconds of it for a large model.
#[derive(Default)]
struct Block {
    /// Room for the lines wherever the first of them begins.
    words: Vec<u64>,
    length: usize,
}

impl Block {
    const LINE_WORDS: usize = Line::BYTES / size_of::<u64>();

    fn zeroed(lines: usize) -> Self {
        Self { words: vec![0; (lines + 1) * Self::LINE_WORDS - 1], length: lines }
    }

    fn lines(&self) -> &[Line] {
        // SAFETY: a line is bytes, of which every pattern is a value.
        let (_, lines, _) = unsafe { self.words.align_to::<Line>() };
        &lines[..self.length]
    }

    fn lines_mut(&mut self) -> &mut [Line] {
        // SAFETY: as in `lines`; every pattern of bits is a value of the words, too.
        let (_, lines, _) = unsafe { self.words.align_to_mut::<Line>() };
        &mut lines[..self.length]
    }
}

/// Dtypes that may be read from and written to plain memory: every pattern of bits is a value, and a cache line
/// holds a whole number of them.
pub(crate) trait Plain: Copy + Send + Sync + 'static {}
impl Plain for f32 {}
impl Plain for u32 {}
impl Plain for u8 {}
impl Plain for i8 {}
impl Plain for [f32; 4] {}
impl Plain for Bf16 {}

/// Idle buffers by length, and the counts that bound them.
pub(crate) struct Pool {
    device: Device,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: HashMap<usize, Vec<Block>>,
    idle_lines: usize,
    live_lines: usize,
    peak_lines: usize,
    held_lines: usize,
}

impl Default for Pool {
    fn default() -> Self {
        Self::new(Device::default())
    }
}

impl Pool {
    /// For a device that computes in host memory.
    pub fn new(device: Device) -> Self {
        Self { device, state: Mutex::default() }
    }

    /// The device whose blocks it keeps.
    pub fn device(&self) -> Device {
        self.device
    }

    /// A buffer whose content is left over from earlier use: the caller writes every element.
    pub fn take<T: Plain>(self: &Arc<Self>, length: usize) -> Buffer<T> {
        let lines = Line::count::<T>(length);
        let block = self.state().take(lines).unwrap_or_else(|| Block::zeroed(lines));
        Buffer { block, length, pool: Arc::clone(self), dtype: PhantomData }
    }

    /// A buffer of zeros.
    pub fn take_zeroed<T: Plain + Element>(self: &Arc<Self>, length: usize) -> Buffer<T> {
        let mut buffer = self.take(length);
        buffer.fill(T::default());
        buffer
    }

    /// The largest number of bytes that were in use at one time.
    pub fn peak_bytes(&self) -> usize {
        self.state().peak_lines * Line::BYTES
    }

    /// The largest number of bytes that were in use or kept for the next use at one time.
    pub fn held_bytes(&self) -> usize {
        self.state().held_lines * Line::BYTES
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, lines: usize) -> Option<Block> {
        self.live_lines += lines;
        self.peak_lines = self.peak_lines.max(self.live_lines);
        let found = self.idle.get_mut(&lines).and_then(Vec::pop);
        if found.is_some() {
            self.idle_lines -= lines;
        }
        self.held_lines = self.held_lines.max(self.live_lines + self.idle_lines);
        found
    }

    /// Keeps a returned buffer, unless the idle ones would then far outweigh the largest use so far: lengths that
    /// change from call to call (a growing prompt) must not pile up. A little more than that use, for the buffers of a
    /// training step are of several lengths, of which the largest uses do not come at one time.
    fn give(&mut self, block: Block) {
        let lines = block.length;
        self.live_lines -= lines;
        if self.idle_lines + lines <= self.peak_lines + self.peak_lines / 8 {
            self.idle_lines += lines;
            self.idle.entry(lines).or_default().push(block);
        }
    }
}

/// A block of numbers that returns to its pool when dropped.
pub(crate) struct Buffer<T: Plain> {
    block: Block,
    length: usize,
    pool: Arc<Pool>,
    dtype: PhantomData<T>,
}

impl<T: Plain> Buffer<T> {
    /// The device of its pool.
    pub fn device(&self) -> Device {
        self.pool.device
    }

    /// The whole memory, to the end of its last line, as another dtype.
    pub fn view<S: Plain>(&self) -> &[S] {
        Line::view(self.block.lines())
    }
}

impl<T: Plain> Drop for Buffer<T> {
    fn drop(&mut self) {
        self.pool.state().give(mem::take(&mut self.block));
    }
}

impl<T: Plain> Deref for Buffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &Line::view(self.block.lines())[..self.length]
    }
}

impl<T: Plain> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut Line::view_mut(self.block.lines_mut())[..self.length]
    }
}

impl<T: Plain> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({})", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_returned_buffer_is_used_again() {
        let pool = Arc::new(Pool::default());
        let first = pool.take::<f32>(64);
        let place = first.as_ptr();
        drop(first);
        assert_eq!(pool.take::<Bf16>(128).as_ptr().cast(), place);
    }

    #[test]
    fn what_is_kept_counts_as_held() {
        let pool = Arc::new(Pool::default());
        let line = Line::count::<f32>(16) * Line::BYTES;
        drop(pool.take::<f32>(160));
        drop(pool.take::<f32>(16));
        let again = pool.take::<f32>(16);
        assert_eq!((pool.peak_bytes(), pool.held_bytes()), (10 * line, 11 * line));
        drop(again);
    }

    #[test]
    fn idle_buffers_never_far_outweigh_the_peak() {
        let pool = Arc::new(Pool::default());
        for length in 1..2000 {
            drop(pool.take::<f32>(length));
        }
        let peak = pool.state().peak_lines;
        assert!(pool.state().idle_lines <= peak + peak / 8);
    }
}
