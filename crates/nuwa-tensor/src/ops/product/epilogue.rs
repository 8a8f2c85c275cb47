use std::marker::PhantomData;

use crate::element::Element;
use crate::simd::{MultiplyAdd, prefetch_write};

/// What becomes of the sums of a product.
pub trait Epilogue: Sync {
    /// Takes `values`, the sums of `row` from `column` on. Called once for each part of each row, and made part of its caller,
    /// which is compiled for the instructions that `m` stands for.
    fn apply(&self, m: impl MultiplyAdd, row: usize, column: usize, values: &mut [f32]);

    /// Asks for the memory that [`Epilogue::apply`] will touch, while the sums are still being made.
    fn prefetch(&self, row: usize, column: usize, count: usize);
}

/// The result of a product, written by several threads, each its own part.
pub struct Output<'a, T> {
    data: *mut T,
    length: usize,
    stride: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: the only way to the data is `part`, whose callers promise that no two parts overlap.
unsafe impl<T: Send> Sync for Output<'_, T> {}

impl<'a, T> Output<'a, T> {
    /// A matrix of rows `stride` apart.
    pub fn new(data: &'a mut [T], stride: usize) -> Self {
        Self { data: data.as_mut_ptr(), length: data.len(), stride, lifetime: PhantomData }
    }

    /// Asks for what [`Output::part`] will give.
    #[inline(always)]
    pub fn prefetch(&self, row: usize, column: usize, count: usize) {
        prefetch_write(self.data.wrapping_add(row * self.stride + column), count);
    }

    /// `count` elements of `row` from `column` on.
    ///
    /// # Safety
    /// No other part that is alive overlaps this one. Within an epilogue that asks for nothing but the part it is called
    /// for, this holds: a product gives each part of each row once.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn part(&self, row: usize, column: usize, count: usize) -> &mut [T] {
        let start = row * self.stride + column;
        assert!(
            column + count <= self.stride && start + count <= self.length,
            "the result of a product lies in its slice"
        );
        // SAFETY: the range was just checked against the slice that `new` borrowed; the caller promises the rest.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(start), count) }
    }
}

/// `out = factor * sums + bias`.
pub struct Store<'a, T> {
    pub out: Output<'a, T>,
    pub factor: f32,
    pub bias: Option<&'a [f32]>,
}

impl<'a, T: Element> Store<'a, T> {
    /// The sums themselves.
    pub fn plain(out: &'a mut [T], stride: usize) -> Self {
        Self { out: Output::new(out, stride), factor: 1.0, bias: None }
    }
}

impl<T: Element> Epilogue for Store<'_, T> {
    #[inline(always)]
    fn apply(&self, _: impl MultiplyAdd, row: usize, column: usize, values: &mut [f32]) {
        // SAFETY: the part that this call is for.
        let out = unsafe { self.out.part(row, column, values.len()) };
        if self.factor != 1.0 {
            values.iter_mut().for_each(|value| *value *= self.factor);
        }
        if let Some(bias) = self.bias {
            values.iter_mut().zip(&bias[column..]).for_each(|(value, bias)| *value += bias);
        }
        T::narrow_sums(values, out);
    }

    #[inline(always)]
    fn prefetch(&self, row: usize, column: usize, count: usize) {
        self.out.prefetch(row, column, count);
    }
}

/// `out += sums`.
pub struct Accumulate<'a, T> {
    pub out: Output<'a, T>,
}

impl<'a, T: Element> Accumulate<'a, T> {
    /// Onto a matrix of rows `stride` apart.
    pub fn new(out: &'a mut [T], stride: usize) -> Self {
        Self { out: Output::new(out, stride) }
    }
}

impl<T: Element> Epilogue for Accumulate<'_, T> {
    #[inline(always)]
    fn apply(&self, _: impl MultiplyAdd, row: usize, column: usize, values: &mut [f32]) {
        // SAFETY: the part that this call is for.
        let out = unsafe { self.out.part(row, column, values.len()) };
        for (out, value) in out.iter_mut().zip(values) {
            *out = T::narrow(out.widen() + *value);
        }
    }

    #[inline(always)]
    fn prefetch(&self, row: usize, column: usize, count: usize) {
        self.out.prefetch(row, column, count);
    }
}
