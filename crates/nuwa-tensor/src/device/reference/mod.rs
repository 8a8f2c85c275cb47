//! The plainest loops that are right, in `f32` with sums in `f64`, on one thread: what the other devices are held against, and
//! what a new one is read beside. It ignores the precision that a tape asks for.

mod attention;
mod batch_norm;
mod block_linear;
mod cached;
mod causal_conv;
mod experts;
mod head;
mod head_norm;
mod quantised;
mod recurrent;
mod relative;
mod rg_lru;
mod route;

use std::sync::Arc;

use super::{Affine, Cpu, Device, HeadCall, HeadNormCall, Kernels, Means, Stored, with_dtype};
use super::{BatchNormCall, BlockCall, ConvCall, RecurrentCall, RecurrentRows, RgLruCall, RmsNormCall};
use super::{ExpertsCall, Parameter, Parameters, QuantisedRows, RouteCall};
use super::{RoutedRows, RouterSlopes, Slot, Storage};
use crate::calls::{
    Activation, AttentionCall, CachedCall, CachedRows, HeadLayout, KeptRows, KeyValueCache, Loss,
    RelativeCall, RotaryCall, Update,
};
use crate::element::{DType, convert};
use crate::{Precision, Random};
use quantised::{Dequantised, as_read_by};

impl Device {
    /// Loops of one thread in `f32`, slow and easy to read: for tests.
    pub fn reference() -> Self {
        Self { name: "reference", open: || Arc::new(Reference { memory: Cpu::new(Self::reference()) }) }
    }
}

/// Its memory is that of the processor.
#[derive(Debug)]
struct Reference {
    memory: Cpu,
}

/// The numbers of a block.
fn of(x: &Storage) -> &[f32] {
    Stored::of(x)
}

/// Writes numbers, or adds them to what is there.
fn give(slot: Slot<'_>, values: impl IntoIterator<Item = f64>) {
    let out: &mut [f32] = Stored::of_mut(slot.storage);
    for (out, value) in out.iter_mut().zip(values) {
        *out = if slot.accumulate { (f64::from(*out) + value) as f32 } else { value as f32 };
    }
}

/// Adds to the gradient of a parameter.
fn give_parameter(parameter: &Parameter, values: &[f64]) {
    parameter.accumulate(|gradient| {
        for (gradient, value) in gradient.iter_mut().zip(values) {
            *gradient = (f64::from(*gradient) + value) as f32;
        }
    });
}

fn relative_inputs<'a>(
    [queries, memory, distances]: [&'a Storage; 3],
    [content, distance, segment, segments]: [&Parameter; 4],
) -> relative::RelativeInputs<'a> {
    relative::RelativeInputs {
        queries: of(queries),
        memory: of(memory),
        distances: of(distances),
        biases: [content, distance, segment].map(Parameter::to_host),
        segments: segments.to_host(),
    }
}

/// `x W^T + b` for each row.
fn affine(call: Affine<'_>) -> Vec<f64> {
    let (weight, width) = (call.weight.to_host(), call.weight.width());
    let bias = call.bias.map(Parameter::to_host);
    let mut y = Vec::new();
    let x = of(call.x).iter().map(|x| f64::from(*x)).collect();
    for x in as_read_by(call.weight, x).chunks_exact(width) {
        for (out, weight) in weight.chunks_exact(width).enumerate() {
            let sum: f64 = x.iter().zip(weight).map(|(x, w)| x * f64::from(*w)).sum();
            y.push(sum + bias.as_ref().map_or(0.0, |bias| f64::from(bias[out])));
        }
    }
    y
}

/// `dx = dy W`, `dW = dy^T x`, `db = sum over rows of dy`.
fn affine_backward(call: Affine<'_>, dy: &[f64], dx: Option<Slot<'_>>) {
    let (x, width, out) = (of(call.x), call.weight.width(), call.weight.rows());
    let weight = call.weight.to_host();
    let mut d_weight = vec![0.0; weight.len()];
    let mut d_bias = vec![0.0; out];
    let mut d_input = vec![0.0; x.len()];
    for (row, dy) in dy.chunks_exact(out).enumerate() {
        for (o, dy) in dy.iter().enumerate() {
            d_bias[o] += dy;
            for i in 0..width {
                d_weight[o * width + i] += dy * f64::from(x[row * width + i]);
                d_input[row * width + i] += dy * f64::from(weight[o * width + i]);
            }
        }
    }
    give_parameter(call.weight, &d_weight);
    call.bias.into_iter().for_each(|bias| give_parameter(bias, &d_bias));
    dx.into_iter().for_each(|dx| give(dx, d_input.iter().copied()));
}

/// `f(x)` and `f'(x)`, by their formulas; the slope of GELU by the error function is its density formula.
fn curve(activation: Activation, x: f64) -> [f64; 2] {
    match activation {
        Activation::Silu => {
            let share = 1.0 / (1.0 + (-x).exp());
            [x * share, share * (1.0 + x * (1.0 - share))]
        }
        Activation::Relu => [x.max(0.0), f64::from(u8::from(x > 0.0))],
        Activation::Tanh => [x.tanh(), 1.0 - x.tanh() * x.tanh()],
        Activation::GeluTanh => {
            let root = (2.0 / std::f64::consts::PI).sqrt();
            let tanh = (root * (x + 0.044_715 * x.powi(3))).tanh();
            let inner = root * (1.0 + 3.0 * 0.044_715 * x * x);
            [0.5 * x * (1.0 + tanh), 0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * inner]
        }
        Activation::Gelu => {
            let share = 0.5 * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2));
            let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
            [x * share, share + x * density]
        }
    }
}

/// The error function by its series near 0, and by a continued fraction far from it.
fn erf(x: f64) -> f64 {
    if x.abs() > 3.0 {
        let fraction = (1..60).rev().fold(0.0, |rest, n| f64::from(n) / 2.0 / (x.abs() + rest));
        let tail = (-x * x).exp() / std::f64::consts::PI.sqrt() / (x.abs() + fraction);
        return x.signum() * (1.0 - tail);
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..100 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    2.0 / std::f64::consts::PI.sqrt() * sum
}

/// The mean and `1 / sqrt(variance + epsilon)` of a row.
fn moments(x: &[f32], epsilon: f32) -> [f64; 2] {
    let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / x.len() as f64;
    let variance = x.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / x.len() as f64;
    [mean, 1.0 / (variance + f64::from(epsilon)).sqrt()]
}

/// Backward of both norms: with the normalised row `n`, `g = dy w` and `r`, `dx = r (g - mean(g) - n mean(g n))`, where RMS
/// norm leaves out `mean(g)`.
fn norm_backward(
    [x, dy]: [&[f32]; 2],
    weight: &[f32],
    moments: impl Fn(&[f32]) -> [f64; 2],
    is_centred: bool,
) -> [Vec<f64>; 3] {
    let width = weight.len();
    let (mut dx, mut dw, mut db) = (Vec::new(), vec![0.0; width], vec![0.0; width]);
    for (x, dy) in x.chunks_exact(width).zip(dy.chunks_exact(width)) {
        let [mean, scale] = moments(x);
        let normal: Vec<f64> = x.iter().map(|x| (f64::from(*x) - mean) * scale).collect();
        let slope: Vec<f64> = dy.iter().zip(weight).map(|(dy, w)| f64::from(*dy) * f64::from(*w)).collect();
        let along = slope.iter().zip(&normal).map(|(g, n)| g * n).sum::<f64>() / width as f64;
        let centre = if is_centred { slope.iter().sum::<f64>() / width as f64 } else { 0.0 };
        for column in 0..width {
            dx.push(scale * (slope[column] - centre - normal[column] * along));
            dw[column] += f64::from(dy[column]) * normal[column];
            db[column] += f64::from(dy[column]);
        }
    }
    [dx, dw, db]
}

impl Reference {
    fn put(&self, values: impl IntoIterator<Item = f64>) -> Storage {
        let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
        self.memory.to_device(&values)
    }

    fn turned(call: &RotaryCall<'_>, x: &[f32], direction: f64) -> Vec<f64> {
        let (heads, half) = (call.heads, call.table.half);
        let mut y: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
        for (row, &position) in y.chunks_exact_mut(heads.width()).zip(call.positions) {
            for head in row.chunks_exact_mut(heads.head_dim).take(heads.heads + heads.kv_heads) {
                for i in 0..half {
                    let angle = position as usize * half + i;
                    let cosine = f64::from(call.table.cosines[angle]);
                    let sine = direction * f64::from(call.table.sines[angle]);
                    let [first, second] = [head[i], head[i + half]];
                    head[i] = first * cosine - second * sine;
                    head[i + half] = second * cosine + first * sine;
                }
            }
        }
        y
    }
}

impl Kernels for Reference {
    fn device(&self) -> Device {
        self.memory.device()
    }

    fn peak_bytes(&self) -> usize {
        self.memory.peak_bytes()
    }

    fn held_bytes(&self) -> usize {
        self.memory.held_bytes()
    }

    fn empty(&self, dtype: DType, length: usize) -> Storage {
        self.memory.empty(dtype, length)
    }

    fn zeros(&self, length: usize) -> Storage {
        self.memory.zeros(length)
    }

    fn clear(&self, x: &mut Storage) {
        self.memory.clear(x);
    }

    fn to_device(&self, values: &[f32]) -> Storage {
        self.memory.to_device(values)
    }

    fn copy_to_host(&self, x: &Storage, first: usize, values: &mut [f32]) {
        self.memory.copy_to_host(x, first, values);
    }

    fn copy_from_host(&self, x: &mut Storage, first: usize, values: &[f32]) {
        self.memory.copy_from_host(x, first, values);
    }

    /// Row by row.
    fn pack(&self, values: &[f32], _: usize, dtype: DType) -> Storage {
        let mut packed = self.memory.empty(dtype, values.len());
        with_dtype!(dtype, T => convert(values, T::of_mut(&mut packed)));
        packed
    }

    fn pack_quantised(&self, parts: &[QuantisedRows]) -> Storage {
        let numbers = Dequantised::new(parts);
        Storage::new(self.device(), DType::F32, numbers.0.len(), numbers)
    }

    fn unpack(&self, matrix: &Storage, _: usize, values: &mut [f32]) {
        match matrix.block_if::<Dequantised>() {
            Some(numbers) => values.copy_from_slice(&numbers.0),
            None => self.copy_to_host(matrix, 0, values),
        }
    }

    fn copy(&self, x: &Storage) -> Storage {
        self.memory.copy(x)
    }

    fn add_to(&self, total: Slot<'_>, x: &Storage) {
        give(total, of(x).iter().map(|x| f64::from(*x)));
    }

    fn embedding(&self, ids: &[u32], table: &Parameter) -> Storage {
        let (values, width) = (table.to_host(), table.width());
        self.put(
            ids.iter().flat_map(|&id| &values[id as usize * width..][..width]).map(|value| f64::from(*value)),
        )
    }

    fn embedding_backward(&self, ids: &[u32], dy: &Storage, table: &Parameter) {
        let width = table.width();
        let mut gradient = vec![0.0; table.shape().elements()];
        for (dy, &id) in of(dy).chunks_exact(width).zip(ids) {
            for (column, dy) in dy.iter().enumerate() {
                gradient[id as usize * width + column] += f64::from(*dy);
            }
        }
        give_parameter(table, &gradient);
    }

    fn rows(&self, x: &Storage, indices: &[u32], width: usize) -> Storage {
        let x = of(x);
        self.put(
            indices
                .iter()
                .flat_map(|&row| &x[row as usize * width..][..width])
                .map(|value| f64::from(*value)),
        )
    }

    fn rows_backward(&self, indices: &[u32], dy: &Storage, width: usize, dx: Slot<'_>) {
        let mut gradient = vec![0.0; dx.storage.len()];
        for (dy, &row) in of(dy).chunks_exact(width).zip(indices) {
            for (column, dy) in dy.iter().enumerate() {
                gradient[row as usize * width + column] += f64::from(*dy);
            }
        }
        give(dx, gradient);
    }

    fn linear(&self, call: Affine<'_>, base: Option<&Storage>) -> Storage {
        let y = affine(call);
        match base {
            Some(base) => self.put(y.iter().zip(of(base)).map(|(y, base)| y + f64::from(*base))),
            None => self.put(y),
        }
    }

    fn linear_activation(
        &self,
        call: Affine<'_>,
        activation: Activation,
        keep_slope: bool,
    ) -> (Storage, Option<Storage>) {
        let both: Vec<[f64; 2]> = affine(call).into_iter().map(|x| curve(activation, x)).collect();
        let slope = keep_slope.then(|| self.put(both.iter().map(|[_, slope]| *slope)));
        (self.put(both.iter().map(|[value, _]| *value)), slope)
    }

    fn linear_backward(&self, call: Affine<'_>, dy: &Storage, dx: Option<Slot<'_>>) {
        affine_backward(call, &of(dy).iter().map(|dy| f64::from(*dy)).collect::<Vec<_>>(), dx);
    }

    fn linear_activation_backward(
        &self,
        call: Affine<'_>,
        dy: &Storage,
        slope: Storage,
        dx: Option<Slot<'_>>,
    ) {
        let inner = of(dy).iter().zip(of(&slope)).map(|(dy, slope)| f64::from(*dy) * f64::from(*slope));
        affine_backward(call, &inner.collect::<Vec<_>>(), dx);
    }

    fn route(&self, call: RouteCall, logits: &Storage) -> (Storage, RoutedRows) {
        let (weights, [probabilities, log_sums], chosen) = route::forward(call, of(logits));
        let [probabilities, log_sums] = [probabilities, log_sums].map(|values| self.put(values));
        (self.put(weights), RoutedRows { chosen, probabilities, log_sums })
    }

    fn route_backward(
        &self,
        call: RouteCall,
        saved: &RoutedRows,
        dw: &Storage,
        slopes: &RouterSlopes,
        dx: Slot<'_>,
    ) {
        give(dx, route::backward(call, saved, of(dw), slopes));
    }

    fn experts(&self, call: &ExpertsCall<'_>) -> (Storage, Storage) {
        (self.put(experts::forward(call)), self.memory.zeros(0))
    }

    fn experts_backward(
        &self,
        call: &ExpertsCall<'_>,
        _: Storage,
        dy: &Storage,
        dx: Option<Slot<'_>>,
    ) -> Storage {
        let [d_input, d_weights] = experts::backward(call, of(dy));
        dx.into_iter().for_each(|dx| give(dx, d_input.iter().copied()));
        self.put(d_weights)
    }

    fn layer_norm(
        &self,
        _: Precision,
        x: &Storage,
        weight: &Parameter,
        bias: &Parameter,
        epsilon: f32,
    ) -> Storage {
        let (weight, bias) = (weight.to_host(), bias.to_host());
        self.put(of(x).chunks_exact(weight.len()).flat_map(|x| {
            let [mean, scale] = moments(x, epsilon);
            let row = x.iter().zip(&weight).zip(&bias);
            row.map(|((x, w), b)| (f64::from(*x) - mean) * scale * f64::from(*w) + f64::from(*b))
                .collect::<Vec<_>>()
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
        let [d_input, dw, db] =
            norm_backward([of(x), of(dy)], &weight.to_host(), |x| moments(x, epsilon), true);
        give_parameter(weight, &dw);
        give_parameter(bias, &db);
        dx.into_iter().for_each(|dx| give(dx, d_input.iter().copied()));
    }

    fn rms_norm(&self, _: Precision, x: &Storage, call: RmsNormCall<'_>) -> Storage {
        let weight = call.factors();
        self.put(of(x).chunks_exact(weight.len()).flat_map(|x| {
            let scale = root_mean_square(x, call.epsilon);
            x.iter().zip(&weight).map(|(x, w)| f64::from(*x) * scale * f64::from(*w)).collect::<Vec<_>>()
        }))
    }

    fn rms_norm_backward(&self, x: &Storage, call: RmsNormCall<'_>, dy: &Storage, dx: Option<Slot<'_>>) {
        let moments = |x: &[f32]| [0.0, root_mean_square(x, call.epsilon)];
        let [d_input, dw, _] = norm_backward([of(x), of(dy)], &call.factors(), moments, false);
        give_parameter(call.weight, &dw);
        dx.into_iter().for_each(|dx| give(dx, d_input.iter().copied()));
    }

    fn column_moments(&self, x: &Storage, width: usize) -> Storage {
        self.put(batch_norm::moments(of(x), width))
    }

    fn batch_norm(&self, _: Precision, x: &Storage, call: BatchNormCall<'_>) -> Storage {
        self.put(batch_norm::forward(call, of(x)))
    }

    fn batch_norm_backward(&self, x: &Storage, call: BatchNormCall<'_>, dy: &Storage, dx: Option<Slot<'_>>) {
        let [d_input, dw, db] = batch_norm::backward(call, of(x), of(dy));
        give_parameter(call.weight, &dw);
        give_parameter(call.bias, &db);
        dx.into_iter().for_each(|dx| give(dx, d_input.iter().copied()));
    }

    fn head_norm(&self, call: HeadNormCall<'_>, x: &Storage) -> Storage {
        self.put(head_norm::forward(call, of(x)))
    }

    fn head_norm_backward(&self, call: HeadNormCall<'_>, x: &Storage, dy: &Storage, dx: Option<Slot<'_>>) {
        let [d_input, d_queries, d_keys] = head_norm::backward(call, of(x), of(dy));
        call.weights.iter().zip([d_queries, d_keys]).for_each(|(weight, dw)| give_parameter(weight, &dw));
        dx.into_iter().for_each(|dx| give(dx, d_input.iter().copied()));
    }

    fn rotary(&self, call: &RotaryCall<'_>, x: &Storage) -> Storage {
        self.put(Self::turned(call, of(x), 1.0))
    }

    fn rotary_backward(&self, call: &RotaryCall<'_>, dy: &Storage, dx: Slot<'_>) {
        give(dx, Self::turned(call, of(dy), -1.0));
    }

    fn attention(
        &self,
        call: &AttentionCall,
        queries: &Storage,
        memory: Option<&Storage>,
        bias: Option<&Storage>,
    ) -> (Storage, Storage) {
        let y = attention::forward(call, of(queries), memory.map(of), bias.map_or(&[], of));
        (self.put(y), self.memory.zeros(0))
    }

    fn attention_backward(
        &self,
        call: &AttentionCall,
        qkv: &Storage,
        bias: Option<&Storage>,
        _: &(Storage, Storage),
        dy: &Storage,
        dx: Slot<'_>,
    ) -> Option<Storage> {
        let bias = bias.map_or(&[][..], of);
        let ([queries, memory], d_bias) = attention::backward(call, of(qkv), None, bias, of(dy));
        give(dx, queries.iter().zip(&memory).map(|(queries, memory)| queries + memory));
        call.bias.map(|_| self.put(d_bias))
    }

    fn cross_attention_backward(
        &self,
        call: &AttentionCall,
        [queries, memory]: [&Storage; 2],
        _: &(Storage, Storage),
        dy: &Storage,
    ) -> [Storage; 2] {
        let (gradients, _) = attention::backward(call, of(queries), Some(of(memory)), &[], of(dy));
        gradients.map(|gradient| self.put(gradient))
    }

    fn relative_attention(
        &self,
        call: &RelativeCall,
        inputs: [&Storage; 3],
        parameters: [&Parameter; 4],
    ) -> (Storage, Storage) {
        let y = relative::forward(call, &relative_inputs(inputs, parameters));
        (self.put(y), self.memory.zeros(0))
    }

    fn relative_attention_backward(
        &self,
        call: &RelativeCall,
        inputs: [&Storage; 3],
        parameters: [&Parameter; 4],
        _: &(Storage, Storage),
        dy: &Storage,
    ) -> [Storage; 3] {
        let relative::SlopesOfAll { queries, memory, distances, biases, segments } =
            relative::backward(call, &relative_inputs(inputs, parameters), of(dy));
        let [content, distance, segment] = biases;
        for (parameter, values) in parameters.iter().zip([content, distance, segment, segments]) {
            give_parameter(parameter, &values);
        }
        [queries, memory, distances].map(|values| self.put(values))
    }

    fn recurrent(&self, call: RecurrentCall<'_>) -> RecurrentRows {
        let (rows, last) = recurrent::forward(call);
        let nothing = [(); 3].map(|()| self.memory.zeros(0));
        RecurrentRows { rows: self.put(rows), last: self.put(last), saved: nothing }
    }

    fn recurrent_backward(
        &self,
        call: RecurrentCall<'_>,
        _: [Storage; 3],
        dy: &Storage,
        d_gates: Option<Slot<'_>>,
    ) {
        let [slopes, dw, db] = recurrent::backward(call, of(dy));
        give_parameter(call.weight, &dw);
        give_parameter(call.bias, &db);
        d_gates.into_iter().for_each(|d_gates| give(d_gates, slopes.iter().copied()));
    }

    fn causal_conv(&self, call: ConvCall<'_>) -> (Storage, Storage) {
        let (y, last) = causal_conv::forward(call);
        (self.put(y), self.put(last))
    }

    fn causal_conv_backward(&self, call: ConvCall<'_>, dy: &Storage, dx: Option<Slot<'_>>) {
        let [slopes, dw, db] = causal_conv::backward(call, of(dy));
        give_parameter(call.weight, &dw);
        give_parameter(call.bias, &db);
        dx.into_iter().for_each(|dx| give(dx, slopes.iter().copied()));
    }

    fn block_linear(&self, call: BlockCall<'_>) -> Storage {
        self.put(block_linear::forward(call))
    }

    fn block_linear_backward(&self, call: BlockCall<'_>, dy: &Storage, dx: Option<Slot<'_>>) {
        let [slopes, dw, db] = block_linear::backward(call, of(dy));
        give_parameter(call.weight, &dw);
        give_parameter(call.bias, &db);
        dx.into_iter().for_each(|dx| give(dx, slopes.iter().copied()));
    }

    fn rg_lru(&self, call: RgLruCall<'_>) -> (Storage, Storage) {
        let (y, last) = rg_lru::forward(call);
        (self.put(y), self.put(last))
    }

    fn rg_lru_backward(&self, call: RgLruCall<'_>, _: &Storage, dy: &Storage) -> [Storage; 3] {
        let (slopes, d_decay) = rg_lru::backward(call, of(dy));
        give_parameter(call.decay, &d_decay);
        slopes.map(|slopes| self.put(slopes))
    }

    /// That of the processor, whose caches these are.
    fn cached_attention(
        &self,
        call: CachedCall,
        qkv: &Storage,
        bias: Option<&Storage>,
        sequences: &mut [CachedRows<'_>],
    ) -> Storage {
        let bias = bias.map_or(&[][..], of);
        self.put(cached::attend(self.device().name(), (call, bias), qkv, sequences))
    }

    fn cache_rows(&self, heads: HeadLayout, memory: &Storage, cache: &mut KeyValueCache) {
        cached::cache_rows(self.device().name(), heads, memory, cache);
    }

    fn attention_over_kept(
        &self,
        call: CachedCall,
        queries: &Storage,
        sequences: &[KeptRows<'_>],
    ) -> Storage {
        self.put(cached::attend_to_kept(call, queries, sequences))
    }

    fn activation(&self, x: &Storage, activation: Activation) -> Storage {
        self.put(of(x).iter().map(|x| curve(activation, f64::from(*x))[0]))
    }

    fn activation_backward(&self, x: &Storage, activation: Activation, dy: &Storage, dx: Slot<'_>) {
        let both = of(x).iter().zip(of(dy));
        give(dx, both.map(|(x, dy)| curve(activation, f64::from(*x))[1] * f64::from(*dy)));
    }

    fn gated_activation(&self, x: &Storage, activation: Activation, half: usize) -> Storage {
        self.put(of(x).chunks_exact(2 * half).flat_map(|x| {
            let (gate, value) = x.split_at(half);
            gate.iter()
                .zip(value)
                .map(|(gate, value)| curve(activation, f64::from(*gate))[0] * f64::from(*value))
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
        let mut gradient = Vec::new();
        for (x, dy) in of(x).chunks_exact(2 * half).zip(of(dy).chunks_exact(half)) {
            let (gate, value) = x.split_at(half);
            let curves: Vec<[f64; 2]> = gate.iter().map(|gate| curve(activation, f64::from(*gate))).collect();
            let slopes = curves.iter().zip(value).zip(dy);
            gradient
                .extend(slopes.map(|(([_, slope], value), dy)| slope * f64::from(*value) * f64::from(*dy)));
            gradient.extend(curves.iter().zip(dy).map(|([f, _], dy)| f * f64::from(*dy)));
        }
        give(dx, gradient);
    }

    fn dropout(&self, random: Random, probability: f32, x: &Storage, y: Slot<'_>) {
        let threshold = (f64::from(probability) * 2_f64.powi(32)) as u32;
        let kept = |index: usize| random.words(index as u64 / 4)[index % 4] >= threshold;
        let scale = 1.0 / (1.0 - f64::from(probability));
        let x = of(x).iter().enumerate();
        give(y, x.map(|(index, x)| if kept(index) { f64::from(*x) * scale } else { 0.0 }));
    }

    fn add(&self, a: &Storage, b: &Storage) -> Storage {
        self.put(of(a).iter().zip(of(b)).map(|(a, b)| f64::from(*a) + f64::from(*b)))
    }

    fn scale(&self, factor: f32, x: &Storage, y: Slot<'_>) {
        give(y, of(x).iter().map(|x| f64::from(factor) * f64::from(*x)));
    }

    fn multiply(&self, a: &Storage, b: &Storage, y: Slot<'_>) {
        give(y, of(a).iter().zip(of(b)).map(|(a, b)| f64::from(*a) * f64::from(*b)));
    }

    fn weighted_sum(&self, x: &Storage, weights: &[f32]) -> f32 {
        of(x).iter().zip(weights).map(|(x, weight)| f64::from(*x) * f64::from(*weight)).sum::<f64>() as f32
    }

    fn weighted_sum_backward(&self, dy: f32, weights: &[f32], dx: Slot<'_>) {
        give(dx, weights.iter().map(|weight| f64::from(dy) * f64::from(*weight)));
    }

    fn head_loss(&self, call: &HeadCall<'_>, found: &mut Loss) -> Option<Storage> {
        head::losses(call, found).map(|d_hidden| self.put(d_hidden))
    }

    fn logits(&self, call: Affine<'_>) -> Storage {
        self.put(affine(call))
    }

    fn gradient_norm(&self, gradients: &Storage) -> f32 {
        of(gradients).iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt() as f32
    }

    fn adamw(&self, parameters: &Parameters, means: Means<'_>, update: &dyn Fn(&Parameter) -> Update) {
        let (first, second): (&mut [f32], &mut [f32]) =
            (Stored::of_mut(means.first), Stored::of_mut(means.second));
        for parameter in parameters.iter() {
            let (gradient, range) = (parameter.gradient(), parameter.entry().range());
            parameter.set_gradient(|gradient| gradient.fill(0.0));
            if !parameter.entry().is_trainable() {
                continue;
            }
            let Update { betas: [b1, b2], epsilon, keep, rate, root_scale, clip } = update(parameter);
            parameter.set(|values| {
                for ((value, g), index) in values.iter_mut().zip(&gradient).zip(range) {
                    let g = g * clip;
                    first[index] = b1 * first[index] + (1.0 - b1) * g;
                    second[index] = b2 * second[index] + (1.0 - b2) * g * g;
                    *value =
                        *value * keep - rate * first[index] / (second[index].sqrt() * root_scale + epsilon);
                }
            });
        }
    }
}

/// `1 / sqrt(mean(x^2) + epsilon)`.
fn root_mean_square(x: &[f32], epsilon: f32) -> f64 {
    let mean = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / x.len() as f64;
    1.0 / (mean + f64::from(epsilon)).sqrt()
}
