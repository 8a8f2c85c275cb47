//! The engine of Nuwa: tensors, a tape of coarse fused operations, flat parameters, seeded randomness.
//!
//! - [`Tensor`]: a contiguous row-major block of numbers on a [`Device`]; `to_host` and [`Tape::constant`] are the ways across.
//! - [`Parameters`]: all weights of a model in one flat block, their gradients in a second one, so that
//!   clipping, the optimizer and a checkpoint are single passes.
//! - [`Tape`]: runs operations and records how to go back. Each operation is a file under [`ops`] with its
//!   formula, shapes, errors and backward; its kernels are those of the device, for the processor in `device/cpu/kernels`.
//! - [`Random`]: Philox, a counter-based generator: the same (seed, stream, index) gives the same number on any
//!   machine and in any order.
//!
//! Kernels are written as plain loops over fixed-width lanes and compiled once per instruction set
//! ([`simd`]); the level is chosen at run time. Sums over rows run in fixed chunks whose partial results are
//! added in order, so results do not depend on the number of threads.
//!
//! A table and a head learn which token follows which:
//!
//! ```
//! use nuwa_tensor::{AdamWSettings, OptimizerState, HeadLoss, LossRows, ParametersBuilder, Random, Tape};
//!
//! let normal = |values: &mut [f32], random: Random| random.fill_normal(values, 0.1);
//! let mut builder = ParametersBuilder::new(7);
//! let table = builder.add("table".into(), [5, 16], true, normal);
//! let head = builder.add("head".into(), [5, 16], true, normal);
//! let parameters = builder.finish();
//! let mut optimizer = OptimizerState::new(&parameters);
//! let settings = AdamWSettings { betas: [0.9, 0.95], epsilon: 1e-8, weight_decay: 0.0, clip: 1.0 };
//! let (tape, rows) = (Tape::training(), LossRows { targets: &[1, 2, 3, 4, 0], weights: &[0.2; 5] });
//! let mut loss = 0.0;
//! for _ in 0..20 {
//!     let x = tape.embedding(&[0, 1, 2, 3, 4], &table)?;
//!     loss = tape.backward_losses(&[HeadLoss::new(&x, &head, rows)])?[0].total;
//!     optimizer.step(&parameters, &settings, 0.1);
//! }
//! assert!(loss < 0.1, "{loss}");
//! # Ok::<(), nuwa_tensor::Error>(())
//! ```

mod blocks;
mod calls;
mod device;
mod element;
mod error;
mod gradients;
mod inputs;
mod mapped;
pub mod measure;
mod normal;
pub mod ops;
mod parallel;
mod precision;
mod random;
mod recompute;
mod shape;
pub mod simd;
mod statistics;
mod tape;
mod tensor;
mod timing;

pub use blocks::BlockType;
pub use calls::{AttentionMask, CachedRows, HeadLayout, KeptRows, KeyValueCache, Loss, RotaryTable, Routing};
pub use calls::{RecurrentCell, RelativePlaces, Runs};
pub use device::{
    Device, ExpertWeights, GradientBlock, Parameter, ParameterEntry, Parameters, ParametersBuilder,
    QuantisedRows,
};
pub use element::{Bf16, DType, Element};
pub use error::{Error, Result};
pub use inputs::InputLog;
pub use mapped::Bytes;
pub use ops::attention::{AttentionBias, AttentionOptions, RelativeBuckets, RelativeParameters};
pub use ops::batch_norm::BatchNormParameters;
pub use ops::cross_entropy::{HeadLoss, LossRows, Objective, log_sum_exp};
pub use ops::optimizer::{AdamWSettings, OptimizerState, ParameterRule, UpdateRule};
pub use ops::route::{LayerRouter, Routed, RouterCoefficients, RouterLog, RouterShares};
pub use parallel::{map_each, on_team, on_worker};
pub use precision::Precision;
pub use random::Random;
pub use shape::Shape;
pub use statistics::BatchStatistics;
pub use tape::Tape;
pub use tensor::Tensor;
pub use timing::OpTime;
