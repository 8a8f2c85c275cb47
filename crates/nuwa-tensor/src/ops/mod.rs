//! The operations: the formula, the shapes, the errors and the recorded backward of each. What computes them are the kernels of
//! a device.

pub mod activation;
pub mod attention;
pub mod batch_norm;
pub mod block_linear;
pub mod causal_conv;
pub mod cross_entropy;
pub mod dropout;
pub mod elementwise;
pub mod embedding;
pub mod experts;
pub mod head_norm;
pub mod layer_norm;
pub mod linear;
pub mod optimizer;
pub mod recurrent;
pub mod rg_lru;
pub mod rms_norm;
pub mod rotary;
pub mod route;
pub mod rows;
pub mod weighted_sum;
