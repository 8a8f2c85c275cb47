//! The kernels of the processor, a file or folder for each operation: loops over slices of either kind of number.

pub mod activation;
pub mod attention;
pub mod batch_norm;
pub mod block_linear;
pub mod causal_conv;
pub mod cell;
pub mod cross_entropy;
pub mod dropout;
pub mod elementwise;
pub mod embedding;
pub mod gru;
pub mod head_norm;
pub mod layer_norm;
pub mod linear;
pub mod lstm;
pub mod optimizer;
pub mod relative;
pub mod rg_lru;
pub mod rms_norm;
pub mod rotary;
pub mod rows;
pub mod sums;
pub mod weighted_sum;
