use std::sync::Arc;

use super::activation::{Curve, with_curve};
use super::sums::{rows_and_sums, sum_rows};
use crate::calls::Activation;
use crate::device::cpu::product::{
    Awaited, Epilogue, FEW_ROWS, Finish, Matrix, Output, PANEL, PackedMatrix, PackedWeight, Store, product,
    product_of_each_row, product_over_rows, product_packed,
};
use crate::device::cpu::quantised::{self, QuantisedMatrix};
use crate::device::{HostValues, Pool};
use crate::element::{Bf16, Element, convert};
use crate::parallel::rows_mut;
use crate::simd::{MultiplyAdd, vectorised};
use crate::{DType, Parameter, Precision};

/// Where products run: the pool for their scratch space, and what their operands are kept in.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub pool: &'a Arc<Pool>,
    pub precision: Precision,
}

/// The weight packed for its products, in bf16: packed now where a gradient will be wanted, else where it is already. Kept
/// until the values change.
fn packed(
    pool: &Arc<Pool>,
    precision: Precision,
    weight: &Parameter,
    is_tracked: bool,
) -> Option<Arc<PackedWeight>> {
    if precision == Precision::F32 {
        return None;
    }
    let values = weight.values();
    let before = weight.entry().cached::<PackedWeight>().filter(|packed| packed.is_readable());
    if before.is_some() || !is_tracked {
        return before;
    }
    // Not under the lock: packing takes several threads, and one of them may come here again with other work.
    let packed = Arc::new(PackedWeight::new(pool, &values, weight.width()));
    weight.entry().cache(Arc::clone(&packed));
    Some(packed)
}

/// The weight packed for products whose rows have the same bits whatever their number: as its device keeps it where it is for
/// inference alone, else packed now and kept until the values change.
fn packed_for_inference(
    pool: &Arc<Pool>,
    weight: &Parameter,
    batch_invariant: bool,
) -> Option<HeldForm<'static>> {
    if let Some(matrix) = weight.matrix() {
        return Some(match matrix.block_if::<Arc<QuantisedMatrix>>() {
            Some(matrix) => HeldForm::Quantised(Arc::clone(matrix)),
            None => HeldForm::Inference(Arc::clone(matrix.block())),
        });
    }
    if !batch_invariant {
        return None;
    }
    let before = weight.entry().cached::<PackedMatrix>().filter(|packed| packed.is_readable());
    Some(HeldForm::Inference(before.unwrap_or_else(|| {
        let packed = Arc::new(PackedMatrix::new(pool, &weight.values(), weight.width(), DType::F32));
        weight.entry().cache(Arc::clone(&packed));
        packed
    })))
}

/// A weight in the form that its products read, while they run.
pub struct Held<'a> {
    form: HeldForm<'a>,
    rows: usize,
    width: usize,
}

enum HeldForm<'a> {
    Inference(Arc<PackedMatrix>),
    Quantised(Arc<QuantisedMatrix>),
    Training(HostValues<'a>, Option<Arc<PackedWeight>>),
}

impl<'a> Held<'a> {
    /// `is_tracked` and `batch_invariant` are those of the call; see [`crate::device::Affine`].
    pub fn new(context: Context<'_>, weight: &'a Parameter, is_tracked: bool, batch_invariant: bool) -> Self {
        let Context { pool, precision } = context;
        Self::of(context, weight, batch_invariant, || packed(pool, precision, weight, is_tracked))
    }

    /// The same without the form of training, which few rows are not worth.
    pub fn unpacked(context: Context<'_>, weight: &'a Parameter, batch_invariant: bool) -> Self {
        Self::of(context, weight, batch_invariant, || None)
    }

    fn of(
        context: Context<'_>,
        weight: &'a Parameter,
        batch_invariant: bool,
        packed: impl FnOnce() -> Option<Arc<PackedWeight>>,
    ) -> Self {
        let form = match packed_for_inference(context.pool, weight, batch_invariant) {
            Some(form) => form,
            None => {
                let packed = packed();
                HeldForm::Training(weight.values(), packed)
            }
        };
        Self { form, rows: weight.rows(), width: weight.width() }
    }

    pub fn weight(&self) -> Weight<'_> {
        let form = match &self.form {
            HeldForm::Inference(matrix) => Form::Inference(matrix),
            HeldForm::Quantised(matrix) => Form::Quantised(matrix),
            HeldForm::Training(values, packed) => Form::Rows(values, packed.as_deref()),
        };
        Weight { form, rows: self.rows, width: self.width }
    }
}

/// A weight `W`, `[rows, width]`, for its products.
#[derive(Clone, Copy)]
pub struct Weight<'a> {
    form: Form<'a>,
    rows: usize,
    pub width: usize,
}

impl<'a> Weight<'a> {
    /// What backward reads: the rows, and where they are packed.
    ///
    /// # Panics
    /// When it is for inference alone: what would record backward with it has been refused.
    pub fn training(self) -> (Matrix<'a, f32>, Option<&'a PackedWeight>) {
        match self.form {
            Form::Rows(values, packed) => (Matrix::new(values, self.rows, self.width), packed),
            Form::Inference(_) | Form::Quantised(_) => {
                unreachable!("a weight for inference alone has no backward")
            }
        }
    }
}

/// What products read of a weight.
#[derive(Clone, Copy)]
enum Form<'a> {
    /// Row by row, and where it is packed for both of its products, too.
    Rows(&'a [f32], Option<&'a PackedWeight>),
    /// Packed for `x W^T` alone.
    Inference(&'a PackedMatrix),
    /// The same of quantised blocks.
    Quantised(&'a QuantisedMatrix),
}

/// `x W^T`. Very few rows read the weight as it lies, so that results do not depend on whether it is packed.
pub fn forward<A: Element>(context: Context<'_>, x: &[A], weight: Weight<'_>, epilogue: &dyn Finish) {
    let rows = x.len() / weight.width;
    let numbers = x;
    let x = Matrix::new(x, rows, weight.width);
    match weight.form {
        Form::Quantised(matrix) => quantised::product(context.pool, numbers, matrix, epilogue),
        Form::Inference(matrix) => product_of_each_row(context.pool, x, matrix, epilogue),
        Form::Rows(_, Some(packed)) if rows > FEW_ROWS => {
            product_packed(context.pool, x, &packed.forward, epilogue);
        }
        Form::Rows(values, _) => {
            let weight = Matrix::new(values, weight.rows, weight.width).transposed();
            product(context.pool, context.precision, x, weight, epilogue);
        }
    }
}

/// `y = f(sums + bias)` and, where backward will need it, `slope = f'(sums + bias)`.
struct Activated<'a, C, T> {
    curve: C,
    y: Output<'a, T>,
    slope: Option<Output<'a, T>>,
    bias: Option<&'a [f32]>,
}

impl<C: Curve, T: Element> Epilogue for Activated<'_, C, T> {
    #[inline(always)]
    fn apply(&self, m: impl MultiplyAdd, row: usize, column: usize, values: &mut [f32]) {
        // SAFETY: the part that this call is for.
        let out = unsafe { self.y.part(row, column, values.len()) };
        if let Some(bias) = self.bias {
            for (value, bias) in values.iter_mut().zip(&bias[column..]) {
                *value += bias;
            }
        }
        let Some(slope) = &self.slope else {
            values.iter_mut().for_each(|value| *value = self.curve.at::<T>(m, *value).0);
            return T::narrow_sums(values, out);
        };
        let mut slopes = [0.0; PANEL];
        let slopes = &mut slopes[..values.len()];
        for (value, slope) in values.iter_mut().zip(&mut *slopes) {
            (*value, *slope) = self.curve.at::<T>(m, *value);
        }
        T::narrow_sums(values, out);
        // SAFETY: as above.
        T::narrow_sums(slopes, unsafe { slope.part(row, column, values.len()) });
    }

    #[inline(always)]
    fn awaited(&self) -> [Awaited; 2] {
        [self.y.awaited(), self.slope.as_ref().map_or(Awaited::NOTHING, Output::awaited)]
    }
}

/// `y = f(x W^T + b)`.
pub fn forward_activated<A: Element, T: Element>(
    context: Context<'_>,
    x: &[A],
    weight: Weight<'_>,
    bias: Option<&[f32]>,
    activation: Activation,
    y: &mut [T],
    slope: Option<&mut [T]>,
) {
    let out = weight.rows;
    let (y, slope) = (Output::new(y, out), slope.map(|slope| Output::new(slope, out)));
    with_curve!(activation, curve => forward(context, x, weight, &Activated { curve, y, slope, bias }));
}

/// `dx = dy W`, added to what is there or in place of it.
pub fn backward_input<D: Element, T: Element>(
    context: Context<'_>,
    dy: &[D],
    weight: Weight<'_>,
    dx: &mut [T],
    accumulate: bool,
) {
    if accumulate {
        times_weight(context, dy, weight, &Store::onto(dx, weight.width));
    } else {
        times_weight(context, dy, weight, &Store::plain(dx, weight.width));
    }
}

fn times_weight<D: Element>(context: Context<'_>, dy: &[D], weight: Weight<'_>, epilogue: &dyn Finish) {
    let dy = Matrix::new(dy, dy.len() / weight.rows, weight.rows);
    match weight.training() {
        (_, Some(packed)) => product_packed(context.pool, dy, &packed.back, epilogue),
        (matrix, None) => product(context.pool, context.precision, dy, matrix, epilogue),
    }
}

pub fn backward_weight<D: Element, A: Element>(
    context: Context<'_>,
    dy: &[D],
    x: &[A],
    dw: &mut [f32],
    width: usize,
) {
    let (rows, out) = (x.len() / width, dw.len() / width);
    let (dy, x) = (Matrix::new(dy, rows, out).transposed(), Matrix::new(x, rows, width));
    product_over_rows(context.pool, context.precision, dy, x, &Store::onto(dw, width));
}

pub fn backward_bias<D: Element>(pool: &Arc<Pool>, dy: &[D], db: &mut [f32]) {
    let width = db.len();
    sum_rows(pool, db, dy.len() / width, |range, partial| {
        add_rows(&dy[range.start * width..range.end * width], partial);
    });
}

vectorised! {
    fn add_rows[D: Element](rows: &[D], total: &mut [f32]) {
        for row in rows.chunks_exact(total.len()) {
            for (sum, value) in total.iter_mut().zip(row) {
                *sum += value.widen();
            }
        }
    }
}

/// What a pass over rows adds their sum to, where it is asked for.
pub type BiasGradient<'a> = Option<&'a mut [f32]>;

/// The nearest bf16 of each element; adds the sum of the rows to `db`.
pub fn round(pool: &Arc<Pool>, dy: &[f32], out: &mut [Bf16], db: BiasGradient<'_>) {
    pass(pool, out, db, |first, out, db| {
        let dy = &dy[first..][..out.len()];
        convert(dy, out);
        if let Some(db) = db {
            add_rows(dy, db);
        }
    });
}

/// `dz = dy * slope`, in place of the slope; adds the sum of the rows to `db`.
pub fn times_slope<T: Element>(pool: &Arc<Pool>, dy: &[T], slope: &mut [T], db: BiasGradient<'_>) {
    pass(pool, slope, db, |first, slope, db| {
        multiply(&dy[first..], slope);
        if let Some(db) = db {
            add_rows(slope, db);
        }
    });
}

/// Calls `f(first element, elements of out, db)`, row by row where there is a sum, for the row is then still in the cache.
fn pass<T: Send>(
    pool: &Arc<Pool>,
    out: &mut [T],
    db: BiasGradient<'_>,
    f: impl Fn(usize, &mut [T], BiasGradient<'_>) + Sync,
) {
    let Some(db) = db else { return rows_mut(out, 1, |first, out| f(first, out, None)) };
    let width = db.len();
    rows_and_sums(pool, out, width, db, |rows, out, db| {
        for (row, out) in rows.zip(out.chunks_exact_mut(width)) {
            f(row * width, out, Some(&mut *db));
        }
    });
}

vectorised! {
    fn multiply[T: Element](dy: &[T], slope: &mut [T]) {
        const BLOCK: usize = 64;
        for (slope, dy) in slope.chunks_mut(BLOCK).zip(dy.chunks(BLOCK)) {
            let mut wide = [0.0; BLOCK];
            for ((wide, slope), dy) in wide.iter_mut().zip(&*slope).zip(dy) {
                *wide = slope.widen() * dy.widen();
            }
            T::narrow_row(&wide[..slope.len()], slope);
        }
    }
}
