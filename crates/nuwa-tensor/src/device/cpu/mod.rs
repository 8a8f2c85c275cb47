//! The processor, through rayon's global thread pool: [`kernels`] computes, for both kinds of number; here the
//! kernels get their blocks.

mod experts;
mod kernels;
mod linear;
mod optimizer;
pub(crate) mod product;
mod quantised;
mod recurrent;
mod route;

pub(crate) use kernels::cross_entropy::log_sum_exp;
pub(crate) use kernels::weighted_sum::forward as host_weighted_sum;

use std::fmt;
use std::sync::Arc;

use super::Storage;
use super::{
    Affine, Device, HeadCall, HeadNormCall, Kernels, Means, Stored, with_dtype, with_slot, with_values,
};
use super::{BatchNormCall, BlockCall, ConvCall, RecurrentCall, RecurrentRows, RgLruCall, RmsNormCall};
use super::{Buffer, ExpertsCall, Parameter, Parameters, Pool, QuantisedRows};
use super::{RouteCall, RoutedRows, RouterSlopes, Slot};
use crate::calls::{
    Activation, AttentionCall, CachedCall, CachedRows, HeadLayout, KeptRows, KeyValueCache, Loss,
    RecurrentCell, RelativeCall, RotaryCall, Update,
};
use crate::element::{DType, Element, convert};
use crate::simd::vectorised;
use crate::{Precision, Random, parallel};
use kernels::activation::with_curve;
use kernels::{activation, attention, batch_norm, cross_entropy, dropout, elementwise, embedding, head_norm};
use kernels::{block_linear, causal_conv, gru::Gru, linear::Context, lstm::Lstm, rg_lru};
use kernels::{layer_norm, relative, rms_norm, rotary, rows, weighted_sum};
use product::{Matrix, PackedMatrix, Store};
use quantised::QuantisedMatrix;

impl Device {
    /// The processor: AVX-512, AVX2 or what every processor of its kind has, found out at run time.
    pub fn cpu() -> Self {
        Self { name: "cpu", open: || Arc::new(Cpu::new(Self::cpu())) }
    }
}

/// The processor with a pool of buffers.
pub(crate) struct Cpu {
    pub(super) pool: Arc<Pool>,
}

impl Cpu {
    pub(super) fn new(device: Device) -> Self {
        Self { pool: Arc::new(Pool::new(device)) }
    }

    fn context(&self, precision: Precision) -> Context<'_> {
        Context { pool: &self.pool, precision }
    }
}

fn conv(call: ConvCall<'_>, width: usize) -> causal_conv::Conv<'_> {
    causal_conv::Conv::new(call.runs, &call.weight.values(), width, call.state.map(<f32 as Stored>::of))
}

fn groups(call: BlockCall<'_>) -> block_linear::Groups {
    block_linear::Groups { count: call.weight.shape().axes()[0], size: call.weight.width() }
}

/// The first half of a block of `f32`, and the second.
fn halves(block: &Storage) -> (&[f32], &[f32]) {
    let values: &[f32] = Stored::of(block);
    values.split_at(values.len() / 2)
}

fn add_to_gradient(total: &mut [f32], values: &[f32]) {
    total.iter_mut().zip(values).for_each(|(total, value)| *total += value);
}

impl fmt::Debug for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cpu")
    }
}

/// Runs `$fill` on a new buffer of kind `$kind`, whose type is `$name` there, and gives its block.
macro_rules! filled {
    ($self:ident, $dtype:expr, $length:expr, $name:ident, |$y:ident| $fill:expr) => {
        with_dtype!($dtype, $name => {
            let mut $y: Buffer<$name> = $self.pool.take($length);
            $fill;
            Storage::from($y)
        })
    };
}

impl Kernels for Cpu {
    fn device(&self) -> Device {
        self.pool.device()
    }

    fn peak_bytes(&self) -> usize {
        self.pool.peak_bytes()
    }

    fn held_bytes(&self) -> usize {
        self.pool.held_bytes()
    }

    fn empty(&self, dtype: DType, length: usize) -> Storage {
        with_dtype!(dtype, T => self.pool.take::<T>(length).into())
    }

    fn zeros(&self, length: usize) -> Storage {
        let mut zeros = self.pool.take::<f32>(length).into();
        self.clear(&mut zeros);
        zeros
    }

    /// By all threads: memory that is read before it is written is given by the system twice, first as a view of one page of
    /// zeros, and each change of that view stops all threads.
    fn clear(&self, x: &mut Storage) {
        let dtype = x.dtype();
        with_dtype!(dtype, T => parallel::rows_mut(T::of_mut(x), 1, |_, chunk| chunk.fill(T::default())));
    }

    fn to_device(&self, values: &[f32]) -> Storage {
        let mut buffer = self.pool.take::<f32>(values.len());
        buffer.copy_from_slice(values);
        buffer.into()
    }

    fn copy_to_host(&self, x: &Storage, first: usize, values: &mut [f32]) {
        with_values!(x, x => convert(&x[first..first + values.len()], values));
    }

    fn copy_from_host(&self, x: &mut Storage, first: usize, values: &[f32]) {
        <f32 as Stored>::of_mut(x)[first..first + values.len()].copy_from_slice(values);
    }

    fn edit(&self, x: &mut Storage, first: usize, length: usize, change: &mut dyn FnMut(&mut [f32])) {
        change(&mut <f32 as Stored>::of_mut(x)[first..first + length]);
    }

    fn pack(&self, values: &[f32], width: usize, dtype: DType) -> Storage {
        let packed = PackedMatrix::new(&self.pool, values, width, dtype);
        Storage::new(self.device(), dtype, values.len(), Arc::new(packed))
    }

    fn pack_quantised(&self, parts: &[QuantisedRows]) -> Storage {
        let packed = QuantisedMatrix::new(&self.pool, parts);
        let length = parts.iter().map(|part| part.rows * part.width).sum();
        Storage::new(self.device(), DType::F32, length, Arc::new(packed))
    }

    fn unpack(&self, matrix: &Storage, width: usize, values: &mut [f32]) {
        parallel::rows_mut(values, width, |first, rows| {
            for (row, values) in (first..).zip(rows.chunks_exact_mut(width)) {
                copy_row(matrix, row, values);
            }
        });
    }

    fn copy(&self, x: &Storage) -> Storage {
        filled!(self, x.dtype(), x.len(), T, |copy| copy.copy_from_slice(T::of(x)))
    }

    fn add_to(&self, total: Slot<'_>, x: &Storage) {
        with_slot!(total, |total, accumulate| with_values!(x, x => add(total, x, accumulate)));
    }

    fn embedding(&self, ids: &[u32], table: &Parameter) -> Storage {
        let width = table.width();
        let mut y = self.pool.take::<f32>(ids.len() * width);
        match table.matrix() {
            Some(matrix) => {
                embedding::forward_packed(ids, &mut y, width, |row, values| copy_row(&matrix, row, values));
            }
            None => embedding::forward(ids, &table.values(), &mut y, width),
        }
        y.into()
    }

    fn embedding_backward(&self, ids: &[u32], dy: &Storage, table: &Parameter) {
        let width = table.width();
        with_values!(dy, dy => table.accumulate(|table| embedding::backward(ids, dy, table, width)));
    }

    fn rows(&self, x: &Storage, indices: &[u32], width: usize) -> Storage {
        let length = indices.len() * width;
        filled!(self, x.dtype(), length, T, |y| rows::forward(indices, T::of(x), &mut y, width))
    }

    fn rows_backward(&self, indices: &[u32], dy: &Storage, width: usize, dx: Slot<'_>) {
        with_slot!(dx, |dx, accumulate| {
            rows::backward(indices, Stored::of(dy), dx, width, accumulate);
        });
    }

    fn linear(&self, call: Affine<'_>, base: Option<&Storage>) -> Storage {
        linear::forward(&self.pool, call, base)
    }

    fn linear_activation(
        &self,
        call: Affine<'_>,
        activation: Activation,
        keep_slope: bool,
    ) -> (Storage, Option<Storage>) {
        with_dtype!(call.precision, T => linear::activated::<T>(&self.pool, call, activation, keep_slope))
    }

    fn linear_backward(&self, call: Affine<'_>, dy: &Storage, dx: Option<Slot<'_>>) {
        linear::backward(&self.pool, call, dy, dx);
    }

    fn linear_activation_backward(
        &self,
        call: Affine<'_>,
        dy: &Storage,
        slope: Storage,
        dx: Option<Slot<'_>>,
    ) {
        with_dtype!(call.precision, T => linear::activated_backward::<T>(&self.pool, call, dy, slope, dx));
    }

    fn route(&self, call: RouteCall, logits: &Storage) -> (Storage, RoutedRows) {
        route::forward(&self.pool, call, Stored::of(logits))
    }

    fn route_backward(
        &self,
        call: RouteCall,
        saved: &RoutedRows,
        dw: &Storage,
        slopes: &RouterSlopes,
        dx: Slot<'_>,
    ) {
        route::backward(call, saved, Stored::of(dw), slopes, dx);
    }

    fn experts(&self, call: &ExpertsCall<'_>) -> (Storage, Storage) {
        experts::forward(&self.pool, call)
    }

    fn experts_backward(
        &self,
        call: &ExpertsCall<'_>,
        saved: Storage,
        dy: &Storage,
        dx: Option<Slot<'_>>,
    ) -> Storage {
        experts::backward(&self.pool, call, saved, dy, dx)
    }

    fn layer_norm(
        &self,
        precision: Precision,
        x: &Storage,
        weight: &Parameter,
        bias: &Parameter,
        epsilon: f32,
    ) -> Storage {
        filled!(self, precision, x.len(), T, |y| with_values!(x, x => {
            layer_norm::forward(x, &weight.values(), &bias.values(), &mut y, epsilon);
        }))
    }

    fn layer_norm_backward(
        &self,
        x: &Storage,
        [weight, bias]: [&Parameter; 2],
        dy: &Storage,
        epsilon: f32,
        dx: Option<Slot<'_>>,
    ) {
        let (width, pool) = (weight.width(), &self.pool);
        let mut sums = pool.take_zeroed::<f32>(2 * width);
        with_values!(dy, dy => match dx {
            Some(dx) => with_slot!(dx, |dx, accumulate| {
                let (x, weight) = (Stored::of(x), &weight.values());
                layer_norm::backward(pool, x, weight, dy, dx, &mut sums, epsilon, accumulate);
            }),
            None => with_values!(x, x => layer_norm::backward_weights(pool, x, dy, &mut sums, epsilon)),
        });
        weight.accumulate(|dw| add_to_gradient(dw, &sums[..width]));
        bias.accumulate(|db| add_to_gradient(db, &sums[width..]));
    }

    fn rms_norm(&self, precision: Precision, x: &Storage, call: RmsNormCall<'_>) -> Storage {
        let weight = call.factors();
        filled!(self, precision, x.len(), T, |y| with_values!(x, x => {
            rms_norm::forward(x, &weight, &mut y, call.epsilon);
        }))
    }

    fn rms_norm_backward(&self, x: &Storage, call: RmsNormCall<'_>, dy: &Storage, dx: Option<Slot<'_>>) {
        let epsilon = call.epsilon;
        with_values!(dy, dy => {
            with_values!(x, x => {
                call.weight.accumulate(|dw| rms_norm::backward_weight(&self.pool, x, dy, dw, epsilon));
            });
            if let Some(dx) = dx {
                let weight = call.factors();
                with_slot!(dx, |dx, accumulate| {
                    rms_norm::backward_input(Stored::of(x), &weight, dy, dx, epsilon, accumulate);
                });
            }
        });
    }

    fn column_moments(&self, x: &Storage, width: usize) -> Storage {
        let mut moments = self.pool.take_zeroed::<f32>(2 * width);
        with_values!(x, x => batch_norm::moments(&self.pool, x, &mut moments));
        Storage::from(moments)
    }

    fn batch_norm(&self, precision: Precision, x: &Storage, call: BatchNormCall<'_>) -> Storage {
        let (mean, variance) = halves(call.moments);
        let (scale, weight) = (batch_norm::scales(variance, call.epsilon), call.weight.values());
        let columns = batch_norm::Columns { mean, scale: &scale, weight: &weight };
        filled!(self, precision, x.len(), T, |y| with_values!(x, x => {
            batch_norm::forward(x, columns, &call.bias.values(), &mut y);
        }))
    }

    fn batch_norm_backward(&self, x: &Storage, call: BatchNormCall<'_>, dy: &Storage, dx: Option<Slot<'_>>) {
        let (mean, variance) = halves(call.moments);
        let (width, rows) = (mean.len(), x.len() / mean.len());
        let (scale, weight) = (batch_norm::scales(variance, call.epsilon), call.weight.to_host());
        let columns = batch_norm::Columns { mean, scale: &scale, weight: &weight };
        let mut sums = self.pool.take_zeroed::<f32>(2 * width);
        with_values!(dy, dy => {
            with_values!(x, x => batch_norm::sums(&self.pool, x, columns, dy, &mut sums));
            call.weight.accumulate(|dw| add_to_gradient(dw, &sums[..width]));
            call.bias.accumulate(|db| add_to_gradient(db, &sums[width..]));
            if let Some(dx) = dx {
                let share = if call.is_of_rows { 1.0 / rows as f32 } else { 0.0 };
                sums.iter_mut().for_each(|sum| *sum *= share);
                with_slot!(dx, |dx, accumulate| {
                    batch_norm::backward(Stored::of(x), columns, dy, &sums, dx, accumulate);
                });
            }
        });
    }

    fn head_norm(&self, call: HeadNormCall<'_>, x: &Storage) -> Storage {
        let [queries, keys] = call.weights.map(Parameter::values);
        let norm = head_norm::Norm { heads: call.heads, weights: [&queries, &keys], epsilon: call.epsilon };
        filled!(self, x.dtype(), x.len(), T, |y| head_norm::forward(norm, T::of(x), &mut y))
    }

    fn head_norm_backward(&self, call: HeadNormCall<'_>, x: &Storage, dy: &Storage, dx: Option<Slot<'_>>) {
        let HeadNormCall { heads, weights, epsilon } = call;
        for (weight, columns) in weights.iter().zip(heads.query_and_key_columns()) {
            let place = (heads.width(), columns);
            with_values!(dy, dy => with_values!(x, x => {
                weight.accumulate(|dw| head_norm::backward_weight(&self.pool, place, x, dy, dw, epsilon));
            }));
        }
        if let Some(dx) = dx {
            let [queries, keys] = weights.map(Parameter::values);
            let norm = head_norm::Norm { heads, weights: [&queries, &keys], epsilon };
            with_slot!(dx, |dx, accumulate| {
                head_norm::backward_input(norm, Stored::of(x), Stored::of(dy), dx, accumulate);
            });
        }
    }

    fn rotary(&self, call: &RotaryCall<'_>, x: &Storage) -> Storage {
        filled!(self, x.dtype(), x.len(), T, |y| rotary::turn(call, T::of(x), &mut y, 1.0, false))
    }

    fn rotary_backward(&self, call: &RotaryCall<'_>, dy: &Storage, dx: Slot<'_>) {
        with_slot!(dx, |dx, accumulate| rotary::turn(call, Stored::of(dy), dx, -1.0, accumulate));
    }

    fn attention(
        &self,
        call: &AttentionCall,
        queries: &Storage,
        memory: Option<&Storage>,
        bias: Option<&Storage>,
    ) -> (Storage, Storage) {
        let mut log_sums = self.pool.take::<f32>(call.mask.rows() * call.heads.heads);
        let length = call.mask.rows() * call.heads.query_width();
        let bias = call.head_bias(bias);
        let y = filled!(self, queries.dtype(), length, T, |y| {
            let operands = attention::Operands::new(T::of(queries), memory.map(T::of), call.heads);
            attention::forward(call.layout(bias.as_ref()), operands, &mut y, &mut log_sums);
        });
        (y, log_sums.into())
    }

    fn attention_backward(
        &self,
        call: &AttentionCall,
        qkv: &Storage,
        bias: Option<&Storage>,
        (output, log_sums): &(Storage, Storage),
        dy: &Storage,
        dx: Slot<'_>,
    ) -> Option<Storage> {
        let mut dots = self.pool.take::<f32>(log_sums.len());
        let wanted = bias.filter(|_| call.bias.is_some_and(|bias| bias.is_tracked));
        let mut d_bias = wanted.map(|table| self.pool.take::<f32>(table.len()));
        let bias = call.head_bias(bias);
        with_slot!(dx, |dx, accumulate| {
            let saved = attention::Saved {
                operands: attention::Operands::new(Stored::of(qkv), None, call.heads),
                output: Stored::of(output),
                log_sums: Stored::of(log_sums),
            };
            let slopes =
                attention::Slopes::packed(dx, call.heads, accumulate).with_bias(d_bias.as_deref_mut());
            let layout = call.layout(bias.as_ref());
            attention::backward(&self.pool, layout, &saved, Stored::of(dy), &mut dots, slopes);
        });
        d_bias.map(Storage::from)
    }

    fn cross_attention_backward(
        &self,
        call: &AttentionCall,
        [queries, memory]: [&Storage; 2],
        (output, log_sums): &(Storage, Storage),
        dy: &Storage,
    ) -> [Storage; 2] {
        let mut dots = self.pool.take::<f32>(log_sums.len());
        with_dtype!(queries.dtype(), T => {
            let mut d_queries = self.pool.take::<T>(queries.len());
            let mut d_memory = self.pool.take::<T>(memory.len());
            let saved = attention::Saved {
                operands: attention::Operands::new(T::of(queries), Some(T::of(memory)), call.heads),
                output: T::of(output),
                log_sums: Stored::of(log_sums),
            };
            let slopes = attention::Slopes::separate(&mut d_queries, &mut d_memory, call.heads);
            attention::backward(&self.pool, call.layout(None), &saved, T::of(dy), &mut dots, slopes);
            [d_queries.into(), d_memory.into()]
        })
    }

    fn relative_attention(
        &self,
        call: &RelativeCall,
        [queries, memory, distances]: [&Storage; 3],
        parameters: [&Parameter; 4],
    ) -> (Storage, Storage) {
        let learned = relative::Learned::of(parameters);
        let mut log_sums = self.pool.take::<f32>(call.mask.rows() * call.heads);
        let y = filled!(self, queries.dtype(), queries.len(), T, |y| {
            let [queries, memory, distances] = [queries, memory, distances].map(T::of);
            let operands = relative::RelativeOperands { queries, memory, distances };
            relative::forward(call, operands, &learned, &mut y, &mut log_sums);
        });
        (y, log_sums.into())
    }

    fn relative_attention_backward(
        &self,
        call: &RelativeCall,
        inputs: [&Storage; 3],
        parameters: [&Parameter; 4],
        (output, log_sums): &(Storage, Storage),
        dy: &Storage,
    ) -> [Storage; 3] {
        let learned = relative::Learned::of(parameters);
        let width = call.width();
        let mut sums = self.pool.take_zeroed::<f32>(relative::PARAMETERS * width);
        let slopes = with_dtype!(inputs[0].dtype(), T => {
            let [queries, memory, distances] = inputs.map(T::of);
            let operands = relative::RelativeOperands { queries, memory, distances };
            let saved =
                relative::RelativeSaved { operands, output: T::of(output), log_sums: Stored::of(log_sums), dy: T::of(dy) };
            let [mut queries, mut memory, mut distances] = inputs.map(|input| self.pool.take::<T>(input.len()));
            let slopes = relative::RelativeSlopes {
                queries: &mut queries,
                memory: &mut memory,
                distances: &mut distances,
                parameters: &mut sums,
            };
            relative::backward(&self.pool, call, &learned, saved, slopes);
            [queries.into(), memory.into(), distances.into()]
        });
        let mut rest = &sums[..];
        for parameter in parameters {
            let (own, others) = rest.split_at(parameter.shape().elements());
            rest = others;
            parameter.accumulate(|total| total.iter_mut().zip(own).for_each(|(total, sum)| *total += sum));
        }
        slopes
    }

    fn recurrent(&self, call: RecurrentCall<'_>) -> RecurrentRows {
        with_dtype!(call.precision, T => match call.cell {
            RecurrentCell::Lstm => recurrent::forward::<Lstm, T>(&self.pool, call),
            RecurrentCell::Gru => recurrent::forward::<Gru, T>(&self.pool, call),
        })
    }

    fn recurrent_backward(
        &self,
        call: RecurrentCall<'_>,
        saved: [Storage; 3],
        dy: &Storage,
        d_gates: Option<Slot<'_>>,
    ) {
        with_dtype!(call.precision, T => match call.cell {
            RecurrentCell::Lstm => recurrent::backward::<Lstm, T>(&self.pool, call, saved, dy, d_gates),
            RecurrentCell::Gru => recurrent::backward::<Gru, T>(&self.pool, call, saved, dy, d_gates),
        });
    }

    fn causal_conv(&self, call: ConvCall<'_>) -> (Storage, Storage) {
        let bias = call.bias.values();
        let conv = conv(call, bias.len());
        let mut last = self.pool.take::<f32>(call.runs.count() * (call.weight.width() - 1) * bias.len());
        with_values!(call.x, x => conv.last(x, &mut last));
        (
            filled!(self, call.x.dtype(), call.x.len(), T, |y| conv.forward(T::of(call.x), &bias, &mut y)),
            last.into(),
        )
    }

    fn causal_conv_backward(&self, call: ConvCall<'_>, dy: &Storage, dx: Option<Slot<'_>>) {
        let conv = conv(call, call.bias.width());
        with_values!(dy, dy => {
            let sums = with_values!(call.x, x => conv.backward_parameters(&self.pool, x, dy));
            call.weight.accumulate(|dw| conv.add_taps(&sums, dw));
            call.bias.accumulate(|db| conv.add_bias(&sums, db));
            if let Some(dx) = dx {
                with_slot!(dx, |dx, accumulate| conv.backward_input(dy, dx, accumulate));
            }
        });
    }

    fn block_linear(&self, call: BlockCall<'_>) -> Storage {
        let (context, weight, bias) =
            (self.context(call.precision), call.weight.values(), call.bias.values());
        filled!(self, call.x.dtype(), call.x.len(), T, |y| {
            block_linear::forward(context, groups(call), T::of(call.x), &weight, &bias, &mut y);
        })
    }

    fn block_linear_backward(&self, call: BlockCall<'_>, dy: &Storage, dx: Option<Slot<'_>>) {
        let (context, groups) = (self.context(call.precision), groups(call));
        with_values!(dy, dy => {
            if let Some(dx) = dx {
                let weight = call.weight.values();
                with_slot!(dx, |dx, accumulate| {
                    block_linear::backward_input(context, groups, dy, &weight, dx, accumulate);
                });
            }
            with_values!(call.x, x => {
                call.weight.accumulate(|dw| block_linear::backward_weight(context, groups, dy, x, dw));
            });
            call.bias.accumulate(|db| kernels::linear::backward_bias(&self.pool, dy, db));
        });
    }

    fn rg_lru(&self, call: RgLruCall<'_>) -> (Storage, Storage) {
        let rates = rg_lru::rates(&call.decay.values());
        let state = call.state.map(<f32 as Stored>::of);
        let scan = rg_lru::Scan { runs: call.runs, rates: &rates, state };
        let mut last = self.pool.take::<f32>(call.runs.count() * rates.len());
        let x = call.inputs[0];
        let y = filled!(self, x.dtype(), x.len(), T, |y| {
            let [x, input, recurrent] = call.inputs.map(T::of);
            scan.forward(rg_lru::ScanInputs { x, input, recurrent }, &mut y, &mut last);
        });
        (y, last.into())
    }

    fn rg_lru_backward(&self, call: RgLruCall<'_>, y: &Storage, dy: &Storage) -> [Storage; 3] {
        let (rates, state) = (rg_lru::rates(&call.decay.values()), call.state.map(<f32 as Stored>::of));
        let scan = rg_lru::Scan { runs: call.runs, rates: &rates, state };
        let mut sums = self.pool.take::<f32>(call.runs.count() * rates.len());
        let slopes = with_dtype!(y.dtype(), T => {
            let [x, input, recurrent] = call.inputs.map(T::of);
            let [mut d_x, mut d_input, mut d_recurrent] = call.inputs.map(|input| self.pool.take::<T>(input.len()));
            let inputs = rg_lru::ScanInputs { x, input, recurrent };
            let slopes: [&mut [T]; 3] = [&mut d_x, &mut d_input, &mut d_recurrent];
            scan.backward(inputs, [T::of(y), T::of(dy)], slopes, &mut sums);
            [d_x.into(), d_input.into(), d_recurrent.into()]
        });
        let of_rates = rg_lru::slopes_of_rates(&call.decay.values());
        call.decay.accumulate(|total| {
            for sums in sums.chunks_exact(rates.len()) {
                let each = total.iter_mut().zip(sums).zip(&of_rates);
                each.for_each(|((total, sum), slope)| *total += sum * slope);
            }
        });
        slopes
    }

    fn cached_attention(
        &self,
        call: CachedCall,
        qkv: &Storage,
        bias: Option<&Storage>,
        sequences: &mut [CachedRows<'_>],
    ) -> Storage {
        let mut y = self.pool.take::<f32>(qkv.len() / call.heads.width() * call.heads.query_width());
        let bias = call.head_bias(bias);
        let bias = bias.as_ref();
        with_values!(qkv, qkv => attention::attend(self.device().name(), (call, bias), qkv, sequences, &mut y));
        y.into()
    }

    fn cache_rows(&self, heads: HeadLayout, memory: &Storage, cache: &mut KeyValueCache) {
        with_values!(memory, memory => attention::cache_rows(self.device().name(), heads, memory, cache));
    }

    fn attention_over_kept(
        &self,
        call: CachedCall,
        queries: &Storage,
        sequences: &[KeptRows<'_>],
    ) -> Storage {
        let mut y = self.pool.take::<f32>(queries.len());
        with_values!(queries, queries => attention::attend_to_kept(call, queries, sequences, &mut y));
        y.into()
    }

    fn activation(&self, x: &Storage, activation: Activation) -> Storage {
        with_curve!(activation, curve => {
            filled!(self, x.dtype(), x.len(), T, |y| activation::forward(curve, T::of(x), &mut y))
        })
    }

    fn activation_backward(&self, x: &Storage, activation: Activation, dy: &Storage, dx: Slot<'_>) {
        with_slot!(dx, |dx, accumulate| with_curve!(activation, curve => {
            activation::backward(curve, Stored::of(x), Stored::of(dy), dx, accumulate);
        }));
    }

    fn gated_activation(&self, x: &Storage, activation: Activation, half: usize) -> Storage {
        with_curve!(activation, curve => filled!(self, x.dtype(), x.len() / 2, T, |y| {
            activation::gated_forward(curve, T::of(x), &mut y, half);
        }))
    }

    fn gated_activation_backward(
        &self,
        x: &Storage,
        activation: Activation,
        half: usize,
        dy: &Storage,
        dx: Slot<'_>,
    ) {
        with_slot!(dx, |dx, accumulate| with_curve!(activation, curve => {
            activation::gated_backward(curve, Stored::of(x), Stored::of(dy), dx, half, accumulate);
        }));
    }

    fn dropout(&self, random: Random, probability: f32, x: &Storage, y: Slot<'_>) {
        with_slot!(y, |y, accumulate| {
            dropout::apply(random, probability, Stored::of(x), y, accumulate);
        });
    }

    fn add(&self, a: &Storage, b: &Storage) -> Storage {
        filled!(self, a.dtype(), a.len(), T, |y| with_values!(b, b => elementwise::add(T::of(a), b, &mut y)))
    }

    fn scale(&self, factor: f32, x: &Storage, y: Slot<'_>) {
        with_slot!(y, |y, accumulate| elementwise::scale(factor, Stored::of(x), y, accumulate));
    }

    fn multiply(&self, a: &Storage, b: &Storage, y: Slot<'_>) {
        with_slot!(y, |y, accumulate| with_values!(a, a => with_values!(b, b => {
            elementwise::multiply(a, b, y, accumulate);
        })));
    }

    fn weighted_sum(&self, x: &Storage, weights: &[f32]) -> f32 {
        with_values!(x, x => weighted_sum::forward(x, weights))
    }

    fn weighted_sum_backward(&self, dy: f32, weights: &[f32], dx: Slot<'_>) {
        with_slot!(dx, |dx, accumulate| weighted_sum::backward(dy, weights, dx, accumulate));
    }

    fn head_loss(&self, call: &HeadCall<'_>, found: &mut Loss) -> Option<Storage> {
        with_dtype!(call.hidden.dtype(), H => cross_entropy::head_loss::<H>(&self.pool, call, found))
    }

    fn logits(&self, call: Affine<'_>) -> Storage {
        linear::logits(&self.pool, call)
    }

    fn host_product(
        &self,
        [a, b]: [&[f32]; 2],
        [rows, inner, columns]: [usize; 3],
        is_transposed: bool,
        out: &mut [f32],
    ) {
        let b = match is_transposed {
            true => Matrix::new(b, columns, inner).transposed(),
            false => Matrix::new(b, inner, columns),
        };
        let store = Store::plain(out, columns);
        product::product(&self.pool, Precision::F32, Matrix::new(a, rows, inner), b, &store);
    }

    fn gradient_norm(&self, gradients: &Storage) -> f32 {
        optimizer::norm(Stored::of(gradients))
    }

    fn adamw(&self, parameters: &Parameters, means: Means<'_>, update: &dyn Fn(&Parameter) -> Update) {
        optimizer::adamw(parameters, means, update);
    }
}

/// A row of a matrix that is kept for inference alone.
fn copy_row(matrix: &Storage, row: usize, values: &mut [f32]) {
    match matrix.block_if::<Arc<QuantisedMatrix>>() {
        Some(matrix) => matrix.copy_row(row, values),
        None => matrix.block::<Arc<PackedMatrix>>().copy_row(row, values),
    }
}

fn add<T: Element, S: Element>(total: &mut [T], values: &[S], accumulate: bool) {
    parallel::rows_mut(total, 1, |first, rows| {
        add_rows(rows, &values[first..first + rows.len()], accumulate);
    });
}

vectorised! {
    fn add_rows[T: Element, S: Element](total: &mut [T], values: &[S], accumulate: bool) {
        for (total, value) in total.iter_mut().zip(values) {
            let before = if accumulate { total.widen() } else { 0.0 };
            *total = T::narrow(before + value.widen());
        }
    }
}
