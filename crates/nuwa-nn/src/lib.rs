//! Layers, initialisation, the optimizer and learning-rate schedules.
//!
//! A layer is a struct of [`Parameter`](nuwa_tensor::Parameter)s with a `forward` that takes the tape. Layers are made
//! in a [`Scope`], which gives each parameter its path (`layers.3.attention.output.weight`).
#![forbid(unsafe_code)]

mod layers;
mod optimizer;
mod schedule;
mod scope;

pub use layers::{Embedding, LayerNorm, Linear, RmsNorm, residual};
pub use optimizer::{AdamW, OptimizerSettings, USUAL_WEIGHT_DECAY};
pub use schedule::{Schedule, ScheduleKind};
pub use scope::{Initialisation, Scope};
