//! Devices: where tensors and parameters live, and the kernels that compute there.
//!
//! A device is a folder or a file here with an implementation of [`Kernels`] and a constructor of [`Device`]; nothing outside of
//! it changes when one is added. Operations ([`crate::ops`]) check shapes, call the kernels of their tape, and record
//! backward.

pub(crate) mod cpu;
mod host;
mod parameters;
mod pool;
mod quantised;
mod reference;
mod storage;
pub(crate) mod update;

pub(crate) use cpu::{Cpu, host_weighted_sum, log_sum_exp};
pub(crate) use host::{Stored, with_dtype, with_slot, with_values};
pub(crate) use parameters::HostValues;
pub use parameters::{GradientBlock, Parameter, ParameterEntry, Parameters, ParametersBuilder};
pub(crate) use pool::{Buffer, Line, Plain, Pool};
pub use quantised::QuantisedRows;
pub(crate) use storage::{Slot, Storage};

use std::fmt;
use std::sync::Arc;

use crate::calls::{
    Activation, Assignment, AttentionCall, CachedCall, CachedRows, HeadLayout, KeptRows, KeyValueCache, Loss,
    RecurrentCell, RelativeCall, RotaryCall, Routing, Runs, Update,
};
use crate::element::DType;
use crate::{Precision, Random};

/// Where tensors live and operations run.
#[derive(Clone, Copy)]
pub struct Device {
    name: &'static str,
    open: fn() -> Arc<dyn Kernels>,
}

impl Device {
    /// Every device that this program was built with, and this machine has: the conformance tests run on each.
    pub fn all() -> Vec<Self> {
        vec![Self::cpu(), Self::reference()]
    }

    /// What it is called in messages.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Its kernels, with memory of their own.
    pub(crate) fn open(self) -> Arc<dyn Kernels> {
        (self.open)()
    }
}

impl Default for Device {
    fn default() -> Self {
        Self::cpu()
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Device {}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({})", self.name)
    }
}

/// An affine map of rows: `x W^T + b`.
#[derive(Clone, Copy)]
pub(crate) struct Affine<'a> {
    pub precision: Precision,
    pub x: &'a Storage,
    pub weight: &'a Parameter,
    pub bias: Option<&'a Parameter>,
    /// Whether the gradient of `x` will be asked for.
    pub is_tracked: bool,
    /// Whether each row has to have the same bits whatever the number of rows.
    pub batch_invariant: bool,
}

/// What a device needs to normalise rows by their root mean square, besides the rows.
#[derive(Clone, Copy)]
pub(crate) struct RmsNormCall<'a> {
    pub weight: &'a Parameter,
    pub epsilon: f32,
    /// What is added to the weight before it multiplies.
    pub offset: f32,
}

impl RmsNormCall<'_> {
    /// What multiplies, of a device that has the weight in host memory.
    pub fn factors(&self) -> Vec<f32> {
        let mut factors = self.weight.to_host();
        if self.offset != 0.0 {
            factors.iter_mut().for_each(|factor| *factor += self.offset);
        }
        factors
    }
}

/// What a device needs to normalise features over rows, besides these.
#[derive(Clone, Copy)]
pub(crate) struct BatchNormCall<'a> {
    pub weight: &'a Parameter,
    pub bias: &'a Parameter,
    /// `[mean | variance]` of all features, in `f32`.
    pub moments: &'a Storage,
    pub epsilon: f32,
    /// Whether the moments are those of the rows, so that gradients go through them.
    pub is_of_rows: bool,
}

/// What a device needs to normalise queries and keys, besides the rows.
#[derive(Clone, Copy)]
pub(crate) struct HeadNormCall<'a> {
    pub heads: HeadLayout,
    /// Of queries, and of keys.
    pub weights: [&'a Parameter; 2],
    pub epsilon: f32,
}

/// What a device needs to compute the losses of rows.
pub(crate) struct HeadCall<'a> {
    pub precision: Precision,
    pub hidden: &'a Storage,
    pub weight: &'a Parameter,
    pub bias: Option<&'a Parameter>,
    pub targets: &'a [u32],
    /// The weights of the gradients of the rows, where these are wanted.
    pub gradients: Option<&'a [f32]>,
    pub smoothing: f32,
    /// Logits become `cap tanh(z / cap)`, where there is one.
    pub softcap: Option<f32>,
    /// What the square of the logarithm of the sum of exponentials counts.
    pub z: f32,
}

/// Both running means, to change.
pub(crate) struct Means<'a> {
    pub first: &'a mut Storage,
    pub second: &'a mut Storage,
}

/// Which rows go to which of so many experts.
#[derive(Clone, Copy)]
pub(crate) struct RouteCall {
    pub routing: Routing,
    pub experts: usize,
}

/// What is known of rows that were routed.
pub(crate) struct RoutedRows {
    /// The experts of each row, in host memory: what follows is arranged by them.
    pub chosen: Vec<u32>,
    /// The softmax of the logits, `[n, E]`.
    pub probabilities: Storage,
    /// The logarithm of the sum of the exponentials of each row's logits, `[n]`.
    pub log_sums: Storage,
}

impl RoutedRows {
    /// The number of choices of each expert.
    pub(crate) fn counts(&self, experts: usize) -> Vec<u32> {
        let mut counts = vec![0; experts];
        self.chosen.iter().for_each(|&expert| counts[expert as usize] += 1);
        counts
    }
}

/// The slopes of the losses of a router, the same for each row.
#[derive(Debug, Clone, Default)]
pub(crate) struct RouterSlopes {
    /// In the probability of each expert; empty where all are 0.
    pub probabilities: Vec<f32>,
    /// In the square of the logarithm of the sum of exponentials.
    pub square: f32,
}

/// The matrices of one expert.
#[derive(Debug, Clone)]
pub struct ExpertWeights {
    /// Gate above value, `[2 inner, width]`.
    pub gate_up: Parameter,
    /// `[width, inner]`.
    pub down: Parameter,
}

/// The gated feed-forward layers of experts, each for the rows that were sent to it.
#[derive(Clone, Copy)]
pub(crate) struct ExpertsCall<'a> {
    pub precision: Precision,
    pub x: &'a Storage,
    pub assignment: &'a Assignment,
    /// What each choice counts, `[n, k]`.
    pub weights: &'a Storage,
    pub experts: &'a [ExpertWeights],
    pub activation: Activation,
    pub is_tracked: bool,
    pub batch_invariant: bool,
}

/// What a device needs to run a recurrent cell over rows whose gates of the input are known.
#[derive(Clone, Copy)]
pub(crate) struct RecurrentCall<'a> {
    pub precision: Precision,
    pub cell: RecurrentCell,
    pub runs: &'a Runs,
    /// Of the input, `[rows, gates width]`.
    pub gates: &'a Storage,
    /// `[gates width, width]`.
    pub weight: &'a Parameter,
    pub bias: &'a Parameter,
    /// That from which each run begins, in `f32`; all from 0 where there is none.
    pub state: Option<&'a Storage>,
    pub is_tracked: bool,
    pub batch_invariant: bool,
}

/// What a recurrent cell made of rows.
pub(crate) struct RecurrentRows {
    /// Its outputs, in the precision.
    pub rows: Storage,
    /// The states after the last row of each run, in `f32`.
    pub last: Storage,
    /// What backward needs besides, which only the device knows.
    pub saved: [Storage; 3],
}

/// A causal depthwise convolution.
#[derive(Clone, Copy)]
pub(crate) struct ConvCall<'a> {
    pub runs: &'a Runs,
    pub x: &'a Storage,
    /// `[width, 1, taps]`.
    pub weight: &'a Parameter,
    pub bias: &'a Parameter,
    /// The last rows before each run, in `f32`.
    pub state: Option<&'a Storage>,
}

/// An affine map by groups of features.
#[derive(Clone, Copy)]
pub(crate) struct BlockCall<'a> {
    pub precision: Precision,
    pub x: &'a Storage,
    /// `[groups, size, size]`.
    pub weight: &'a Parameter,
    pub bias: &'a Parameter,
}

/// A gated linear recurrence.
#[derive(Clone, Copy)]
pub(crate) struct RgLruCall<'a> {
    pub runs: &'a Runs,
    /// The rows, the input gates and the gates of the recurrence before their sigmoid.
    pub inputs: [&'a Storage; 3],
    pub decay: &'a Parameter,
    /// That from which each run begins, in `f32`.
    pub state: Option<&'a Storage>,
}

/// What a device computes: each operation, forward and backward. Shapes and indices have been checked. Gradients of tensors go
/// to a [`Slot`]; those of parameters are added to what is there, for trainable ones alone.
pub(crate) trait Kernels: Send + Sync + fmt::Debug {
    fn device(&self) -> Device;

    /// The largest number of bytes that were in use at one time, and the same with what was kept for the next use.
    fn peak_bytes(&self) -> usize;
    fn held_bytes(&self) -> usize;

    /// Numbers of which every one is still to be written.
    fn empty(&self, dtype: DType, length: usize) -> Storage;
    /// Zeros in `f32`.
    fn zeros(&self, length: usize) -> Storage;
    /// Makes all numbers zero.
    fn clear(&self, x: &mut Storage);
    fn to_device(&self, values: &[f32]) -> Storage;
    /// Copies the numbers from `first` on, as `f32`.
    fn copy_to_host(&self, x: &Storage, first: usize, values: &mut [f32]);
    /// Overwrites numbers of `f32` from `first` on.
    fn copy_from_host(&self, x: &mut Storage, first: usize, values: &[f32]);
    fn copy(&self, x: &Storage) -> Storage;
    fn add_to(&self, total: Slot<'_>, x: &Storage);

    /// Lets `change` overwrite `length` numbers of `f32` from `first` on: in place, where they are in host memory.
    fn edit(&self, x: &mut Storage, first: usize, length: usize, change: &mut dyn FnMut(&mut [f32])) {
        let mut values = vec![0.0; length];
        self.copy_to_host(x, first, &mut values);
        change(&mut values);
        self.copy_from_host(x, first, &values);
    }

    /// A matrix of rows of `width`, its numbers rounded to `dtype`, in the form that `x W^T` reads fastest.
    fn pack(&self, values: &[f32], width: usize, dtype: DType) -> Storage;
    /// The numbers of such a matrix, row by row.
    fn unpack(&self, matrix: &Storage, width: usize, values: &mut [f32]);

    /// A matrix whose rows are those of the parts, one after the other, in a form that `x W^T` reads fast. [`Kernels::unpack`] gives
    /// its numbers, too.
    fn pack_quantised(&self, parts: &[QuantisedRows]) -> Storage;

    fn embedding(&self, ids: &[u32], table: &Parameter) -> Storage;
    fn embedding_backward(&self, ids: &[u32], dy: &Storage, table: &Parameter);
    fn rows(&self, x: &Storage, indices: &[u32], width: usize) -> Storage;
    fn rows_backward(&self, indices: &[u32], dy: &Storage, width: usize, dx: Slot<'_>);

    /// `base + x W^T + b`: in the precision without a base, in `f32` with one.
    fn linear(&self, call: Affine<'_>, base: Option<&Storage>) -> Storage;
    /// `f(x W^T + b)` and, where `keep_slope`, `f'`.
    fn linear_activation(
        &self,
        call: Affine<'_>,
        activation: Activation,
        keep_slope: bool,
    ) -> (Storage, Option<Storage>);
    /// The gradients of the weight, the bias and, where there is a slot, the input.
    fn linear_backward(&self, call: Affine<'_>, dy: &Storage, dx: Option<Slot<'_>>);
    /// The same of [`Kernels::linear_activation`], whose slope is used up.
    fn linear_activation_backward(
        &self,
        call: Affine<'_>,
        dy: &Storage,
        slope: Storage,
        dx: Option<Slot<'_>>,
    );

    /// The weights of each row's experts, `[n, k]`, and what else is known.
    fn route(&self, call: RouteCall, logits: &Storage) -> (Storage, RoutedRows);
    fn route_backward(
        &self,
        call: RouteCall,
        saved: &RoutedRows,
        dw: &Storage,
        slopes: &RouterSlopes,
        dx: Slot<'_>,
    );
    /// The rows in `f32`, and what backward needs besides the inputs.
    fn experts(&self, call: &ExpertsCall<'_>) -> (Storage, Storage);
    /// The gradients of the matrices, of the input where there is a slot, and, given, of the weights of choices. `saved` is what
    /// [`Kernels::experts`] gave, and is used up.
    fn experts_backward(
        &self,
        call: &ExpertsCall<'_>,
        saved: Storage,
        dy: &Storage,
        dx: Option<Slot<'_>>,
    ) -> Storage;

    fn layer_norm(
        &self,
        precision: Precision,
        x: &Storage,
        weight: &Parameter,
        bias: &Parameter,
        epsilon: f32,
    ) -> Storage;
    fn layer_norm_backward(
        &self,
        x: &Storage,
        parameters: [&Parameter; 2],
        dy: &Storage,
        epsilon: f32,
        dx: Option<Slot<'_>>,
    );
    fn rms_norm(&self, precision: Precision, x: &Storage, call: RmsNormCall<'_>) -> Storage;
    fn rms_norm_backward(&self, x: &Storage, call: RmsNormCall<'_>, dy: &Storage, dx: Option<Slot<'_>>);

    /// `[mean | biased variance]` of each column, in `f32`.
    fn column_moments(&self, x: &Storage, width: usize) -> Storage;
    fn batch_norm(&self, precision: Precision, x: &Storage, call: BatchNormCall<'_>) -> Storage;
    fn batch_norm_backward(&self, x: &Storage, call: BatchNormCall<'_>, dy: &Storage, dx: Option<Slot<'_>>);

    fn head_norm(&self, call: HeadNormCall<'_>, x: &Storage) -> Storage;
    fn head_norm_backward(&self, call: HeadNormCall<'_>, x: &Storage, dy: &Storage, dx: Option<Slot<'_>>);

    /// Turns by the angles of the call, times `direction`: backward is -1.
    fn rotary(&self, call: &RotaryCall<'_>, x: &Storage) -> Storage;
    fn rotary_backward(&self, call: &RotaryCall<'_>, dy: &Storage, dx: Slot<'_>);

    /// The output, and of each query and head the logarithm of base 2 of its sum of weights, infinite where it sees nothing.
    /// Without memory the queries are rows `[queries | keys | values]`.
    fn attention(
        &self,
        call: &AttentionCall,
        queries: &Storage,
        memory: Option<&Storage>,
        bias: Option<&Storage>,
    ) -> (Storage, Storage);
    /// The gradient of the rows, and that of the bias where it is wanted; `saved` is what [`Kernels::attention`] gave.
    fn attention_backward(
        &self,
        call: &AttentionCall,
        qkv: &Storage,
        bias: Option<&Storage>,
        saved: &(Storage, Storage),
        dy: &Storage,
        dx: Slot<'_>,
    ) -> Option<Storage>;
    /// The gradients of queries and memory.
    fn cross_attention_backward(
        &self,
        call: &AttentionCall,
        inputs: [&Storage; 2],
        saved: &(Storage, Storage),
        dy: &Storage,
    ) -> [Storage; 2];

    /// As [`Kernels::attention`] of the rows of queries, of memory and of distances; the parameters are the biases of content, of
    /// distance, of segments, and the segments.
    fn relative_attention(
        &self,
        call: &RelativeCall,
        inputs: [&Storage; 3],
        parameters: [&Parameter; 4],
    ) -> (Storage, Storage);
    /// The gradients of the rows; those of the parameters are added up.
    fn relative_attention_backward(
        &self,
        call: &RelativeCall,
        inputs: [&Storage; 3],
        parameters: [&Parameter; 4],
        saved: &(Storage, Storage),
        dy: &Storage,
    ) -> [Storage; 3];

    fn recurrent(&self, call: RecurrentCall<'_>) -> RecurrentRows;
    /// The gradients of both parameters and, where there is a slot, of the gates. `saved` is what [`Kernels::recurrent`] kept.
    fn recurrent_backward(
        &self,
        call: RecurrentCall<'_>,
        saved: [Storage; 3],
        dy: &Storage,
        d_gates: Option<Slot<'_>>,
    );

    /// The rows, of the kind of `x`, and the last ones of each run in `f32`.
    fn causal_conv(&self, call: ConvCall<'_>) -> (Storage, Storage);
    fn causal_conv_backward(&self, call: ConvCall<'_>, dy: &Storage, dx: Option<Slot<'_>>);

    /// Of the kind of `x`; each row has the same bits whatever the number of rows.
    fn block_linear(&self, call: BlockCall<'_>) -> Storage;
    fn block_linear_backward(&self, call: BlockCall<'_>, dy: &Storage, dx: Option<Slot<'_>>);

    /// The states, of the kind of the rows, and those after the last row of each run in `f32`.
    fn rg_lru(&self, call: RgLruCall<'_>) -> (Storage, Storage);
    /// The gradients of the three inputs; that of the decay is added up. `y` is what [`Kernels::rg_lru`] gave.
    fn rg_lru_backward(&self, call: RgLruCall<'_>, y: &Storage, dy: &Storage) -> [Storage; 3];

    /// Attention of new rows over caches in host memory, which they join, in `f32`; each row has the same bits whatever the
    /// others are.
    fn cached_attention(
        &self,
        call: CachedCall,
        qkv: &Storage,
        bias: Option<&Storage>,
        sequences: &mut [CachedRows<'_>],
    ) -> Storage;
    /// Adds rows `[keys | values]` to a cache.
    fn cache_rows(&self, heads: HeadLayout, memory: &Storage, cache: &mut KeyValueCache);
    /// Attention of rows of queries over all that is kept for their sequences, in `f32`; each row has the same bits whatever the
    /// others are.
    fn attention_over_kept(&self, call: CachedCall, queries: &Storage, sequences: &[KeptRows<'_>])
    -> Storage;

    fn activation(&self, x: &Storage, activation: Activation) -> Storage;
    fn activation_backward(&self, x: &Storage, activation: Activation, dy: &Storage, dx: Slot<'_>);
    fn gated_activation(&self, x: &Storage, activation: Activation, half: usize) -> Storage;
    fn gated_activation_backward(
        &self,
        x: &Storage,
        activation: Activation,
        half: usize,
        dy: &Storage,
        dx: Slot<'_>,
    );

    /// Drops each element for which the word of `random` at its place is below the probability; its own backward.
    fn dropout(&self, random: Random, probability: f32, x: &Storage, y: Slot<'_>);
    fn add(&self, a: &Storage, b: &Storage) -> Storage;
    /// `factor x`; its own backward.
    fn scale(&self, factor: f32, x: &Storage, y: Slot<'_>);
    /// `a b`, elementwise; backward multiplies, too.
    fn multiply(&self, a: &Storage, b: &Storage, y: Slot<'_>);
    fn weighted_sum(&self, x: &Storage, weights: &[f32]) -> f32;
    fn weighted_sum_backward(&self, dy: f32, weights: &[f32], dx: Slot<'_>);

    /// The losses of all rows; with weights for gradients, these too: those of the head are added up, that of the hidden rows is
    /// given.
    fn head_loss(&self, call: &HeadCall<'_>, found: &mut Loss) -> Option<Storage>;
    /// `x W^T` in `f32`.
    fn logits(&self, call: Affine<'_>) -> Storage;

    /// `A B`, or `A B^T` where `is_transposed`, of matrices in host memory of `[rows, inner, columns]`.
    fn host_product(
        &self,
        [a, b]: [&[f32]; 2],
        [_, inner, columns]: [usize; 3],
        is_transposed: bool,
        out: &mut [f32],
    ) {
        let place =
            |k: usize, column: usize| if is_transposed { column * inner + k } else { k * columns + column };
        for (row, out) in a.chunks_exact(inner).zip(out.chunks_exact_mut(columns)) {
            for (column, out) in out.iter_mut().enumerate() {
                let products =
                    row.iter().enumerate().map(|(k, a)| f64::from(*a) * f64::from(b[place(k, column)]));
                *out = products.sum::<f64>() as f32;
            }
        }
    }

    /// The Euclidean norm of all gradients together.
    fn gradient_norm(&self, gradients: &Storage) -> f32;
    /// Changes all trainable parameters by their gradients, and clears these.
    fn adamw(&self, parameters: &Parameters, means: Means<'_>, update: &dyn Fn(&Parameter) -> Update);
}
