//! The operations, a folder each: `mod.rs` has the formula, the shapes, the errors and the recorded backward;
//! `cpu.rs` has the kernels.

pub mod activation;
pub mod attention;
pub mod cross_entropy;
pub mod dropout;
pub mod elementwise;
pub mod embedding;
pub mod layer_norm;
pub mod linear;
pub mod optimizer;
pub(crate) mod parallel;
pub(crate) mod product;
pub mod rms_norm;
pub mod rotary;
pub mod rows;
pub(crate) mod share;
pub mod weighted_sum;

pub use parallel::on_worker;
