//! Layers, initialisation, the optimizer and learning-rate schedules.
//!
//! A layer is a struct of [`Parameter`](nuwa_tensor::Parameter)s with a `forward` that takes the tape. Layers are made
//! in a [`Scope`], which gives each parameter its path (`layers.3.attention.output.weight`).
//!
//! ```
//! use nuwa_nn::{Initialisation, Linear, RmsNorm, Scope};
//! use nuwa_tensor::{ParametersBuilder, Tape};
//!
//! let mut builder = ParametersBuilder::new(1);
//! let mut scope = Scope::root(&mut builder);
//! let norm = RmsNorm::new(scope.child("norm"), 8, 1e-5);
//! let linear = Linear::new(scope.child("linear"), 8, 4, true, Initialisation::Normal(0.02));
//! let parameters = builder.finish();
//! assert!(parameters.get("linear.weight").is_some());
//! let tape = Tape::inference();
//! let x = tape.constant([3, 8], &[0.5; 24])?;
//! assert_eq!(linear.forward(&tape, &norm.forward(&tape, &x)?)?.shape().axes(), [3, 4]);
//! # Ok::<(), nuwa_tensor::Error>(())
//! ```
#![forbid(unsafe_code)]

mod attention;
mod blocks;
mod carried;
mod context;
mod cross_attention;
mod experts;
mod feed_forward;
mod head;
mod initialisation;
mod layers;
mod optimizer;
mod position_bias;
mod post_norm;
mod recurrent;
mod relative_attention;
mod rg_lru;
mod rope;
mod schedule;
mod scope;
mod sinusoids;

pub use attention::{Attention, Keys, LayerInput, PassMask};
pub use blocks::{Layers, run_blocks};
pub use carried::{Carried, RecurrentState};
pub use context::{Context, Dropouts, Probe};
pub use cross_attention::{CrossAttention, Source, SourceLog};
pub use experts::Experts;
pub use feed_forward::FeedForward;
pub use head::{Head, Transform};
pub use initialisation::{InitialisationScheme, ModelStart};
pub use layers::{BatchNorm, Embedding, HeadNorm, LayerNorm, Linear, RmsNorm, embed, residual};
pub use optimizer::{Optimizer, OptimizerKind, OptimizerSettings, USUAL_WEIGHT_DECAY, is_block_matrix};
pub use position_bias::PositionBias;
pub use post_norm::{PostNorm, PostNormBlock};
pub use recurrent::Recurrent;
pub use relative_attention::{RelativeAttention, relative_sinusoids};
pub use rg_lru::{RecurrentBlock, RecurrentBlockSizes};
pub use rope::{Llama3, Rope, RopeScaling, Yarn};
pub use schedule::{DecayShape, Schedule, ScheduleKind};
pub use scope::{Initialisation, Scope};
pub use sinusoids::Sinusoids;
