use std::marker::PhantomData;
use std::ops::Range;

use crate::element::{Bf16, DType, Element};
use crate::simd::{MultiplyAdd, prefetch_read, prefetch_write};

/// What becomes of the sums of a product.
pub trait Epilogue: Sync {
    /// Takes `values`, the sums of `row` from `column` on. Called once for each part of each row, and made part of its caller,
    /// which is compiled for the instructions that `m` stands for.
    fn apply(&self, m: impl MultiplyAdd, row: usize, column: usize, values: &mut [f32]);

    /// The memory that [`Epilogue::apply`] will touch, to be asked for while the sums are still being made.
    #[inline(always)]
    fn awaited(&self) -> [Awaited; 2] {
        [Awaited::NOTHING; 2]
    }

    /// A block of the result, where the kernel can make it of the sums while they are in registers, in place of
    /// [`Epilogue::apply`]. Called once for each part of each row, too.
    #[inline(always)]
    fn block(&self, _rows: Range<usize>, _columns: Range<usize>) -> Option<Block> {
        None
    }
}

/// Rows of memory that will be touched.
#[derive(Clone, Copy)]
pub struct Awaited {
    data: *const u8,
    row_bytes: usize,
    element_bytes: usize,
    is_written: bool,
}

impl Awaited {
    /// None.
    pub const NOTHING: Self =
        Self { data: std::ptr::null(), row_bytes: 0, element_bytes: 0, is_written: false };

    fn of<T>(data: *const T, stride: usize, is_written: bool) -> Self {
        Self {
            data: data.cast(),
            row_bytes: stride * size_of::<T>(),
            element_bytes: size_of::<T>(),
            is_written,
        }
    }

    /// Whether there is anything to ask for.
    pub fn is_some(&self) -> bool {
        !self.data.is_null()
    }

    /// The part that begins with a row and a column.
    #[inline(always)]
    pub fn from(&self, row: usize, column: usize) -> Self {
        let data = self.data.wrapping_add(row * self.row_bytes + column * self.element_bytes);
        Self { data, ..*self }
    }

    /// Asks for the first `count` elements of a row.
    #[inline(always)]
    pub fn ask(&self, row: usize, count: usize) {
        let (first, bytes) = (self.data.wrapping_add(row * self.row_bytes), count * self.element_bytes);
        match self.is_written {
            true => prefetch_write(first, bytes),
            false => prefetch_read(first, bytes),
        }
    }
}

/// A block of a result that is `base + sums + bias`: rows of all but the bias are `stride` elements apart. The base and the bias may be null,
/// and then count as 0.
#[derive(Clone, Copy)]
pub struct Block {
    /// Elements of this dtype.
    pub out: *mut u8,
    pub dtype: DType,
    pub stride: usize,
    pub base: *const f32,
    pub bias: *const f32,
}

impl Block {
    /// The block that begins this many rows further down.
    #[inline(always)]
    pub fn below(self, rows: usize) -> Self {
        Self { bias: self.bias, ..self.shifted(rows * self.stride) }
    }

    /// The block that begins this many columns further on.
    #[inline(always)]
    pub fn shifted(self, columns: usize) -> Self {
        let further =
            |values: *const f32| if values.is_null() { values } else { values.wrapping_add(columns) };
        let size = match self.dtype {
            DType::F32 => size_of::<f32>(),
            DType::Bf16 => size_of::<Bf16>(),
        };
        Self {
            out: self.out.wrapping_add(columns * size),
            base: further(self.base),
            bias: further(self.bias),
            ..self
        }
    }
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

    /// What [`Output::part`] will give.
    pub fn awaited(&self) -> Awaited {
        Awaited::of(self.data, self.stride, true)
    }

    /// Where these rows of these columns begin, of which there is at least one each.
    #[inline(always)]
    fn block(&self, rows: Range<usize>, columns: Range<usize>) -> *mut T {
        assert!(
            columns.end <= self.stride && (rows.end - 1) * self.stride + columns.end <= self.length,
            "the result of a product lies in its slice"
        );
        self.data.wrapping_add(rows.start * self.stride + columns.start)
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

/// `out = base + sums + bias`.
pub struct Store<'a, T> {
    out: Output<'a, T>,
    base: Base<'a>,
    bias: Option<&'a [f32]>,
}

/// What sums are added to.
#[derive(Clone, Copy)]
enum Base<'a> {
    Nothing,
    /// What is in the place of the result.
    Result,
    /// Rows that lie as those of the result.
    Rows(&'a [f32]),
}

impl<'a, T: Element> Store<'a, T> {
    /// The sums themselves, as a matrix of rows `stride` apart.
    pub fn plain(out: &'a mut [T], stride: usize) -> Self {
        Self { out: Output::new(out, stride), base: Base::Nothing, bias: None }
    }

    /// The sums added to such a matrix.
    pub fn onto(out: &'a mut [T], stride: usize) -> Self {
        Self { base: Base::Result, ..Self::plain(out, stride) }
    }

    /// The sums and such a matrix.
    pub fn with_base(self, rows: &'a [f32]) -> Self {
        Self { base: Base::Rows(rows), ..self }
    }

    /// A number for each column more.
    pub fn with_bias(self, bias: Option<&'a [f32]>) -> Self {
        Self { bias, ..self }
    }
}

impl<T: Element> Epilogue for Store<'_, T> {
    #[inline(always)]
    fn apply(&self, _: impl MultiplyAdd, row: usize, column: usize, values: &mut [f32]) {
        // SAFETY: the part that this call is for.
        let out = unsafe { self.out.part(row, column, values.len()) };
        match self.base {
            Base::Nothing => {}
            Base::Result => values.iter_mut().zip(&*out).for_each(|(value, out)| *value += out.widen()),
            Base::Rows(rows) => {
                let rows = &rows[row * self.out.stride + column..][..values.len()];
                values.iter_mut().zip(rows).for_each(|(value, base)| *value += base);
            }
        }
        if let Some(bias) = self.bias {
            values.iter_mut().zip(&bias[column..]).for_each(|(value, bias)| *value += bias);
        }
        T::narrow_sums(values, out);
    }

    #[inline(always)]
    fn awaited(&self) -> [Awaited; 2] {
        let base = match self.base {
            Base::Rows(rows) => Awaited::of(rows.as_ptr(), self.out.stride, false),
            Base::Nothing | Base::Result => Awaited::NOTHING,
        };
        [self.out.awaited(), base]
    }

    #[inline(always)]
    fn block(&self, rows: Range<usize>, columns: Range<usize>) -> Option<Block> {
        let stride = self.out.stride;
        let out = self.out.block(rows.clone(), columns.clone());
        let base = match self.base {
            Base::Nothing => std::ptr::null(),
            Base::Result if T::DTYPE == DType::F32 => out.cast_const().cast(),
            Base::Result => return None,
            Base::Rows(base) => {
                base[rows.start * stride + columns.start..(rows.end - 1) * stride + columns.end].as_ptr()
            }
        };
        let bias = self.bias.map_or(std::ptr::null(), |bias| bias[columns].as_ptr());
        Some(Block { out: out.cast(), dtype: T::DTYPE, stride, base, bias })
    }
}
