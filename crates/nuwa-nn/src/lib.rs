//! Layers, initialisation, the optimizer and learning-rate schedules.
//!
//! A layer is a struct of [`Parameter`](nuwa_tensor::Parameter)s with a `forward` that takes the tape. Layers are made
//! in a [`Scope`], which gives each parameter its path (`layers.3.attention.output.weight`).
#![forbid(unsafe_code)]

mod attention;
mod blocks;
mod context;
mod feed_forward;
mod head;
mod layers;
mod optimizer;
mod schedule;
mod scope;

pub use attention::{Attention, Keys, LayerInput};
pub use blocks::{Layers, run_blocks};
pub use context::Context;
pub use feed_forward::FeedForward;
pub use head::{Head, Transform};
pub use layers::{Embedding, LayerNorm, Linear, RmsNorm, embed, residual};
pub use optimizer::{AdamW, OptimizerSettings, USUAL_WEIGHT_DECAY};
pub use schedule::{Schedule, ScheduleKind};
pub use scope::{Initialisation, Scope};
