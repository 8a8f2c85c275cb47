use serde::{Deserialize, Serialize};

/// The content of `machine.json`: facts and measured figures about the machine that a run was made on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// That of Nuwa.
    pub program_version: String,
    /// Operating system and architecture.
    pub system: String,
    /// The name that the maker gave the processor.
    pub processor: Option<String>,
    /// Logical cores.
    pub cores: usize,
    /// Threads that products and kernels run on.
    pub threads: usize,
    /// The instruction set that the kernels use.
    pub simd: String,
    /// Speed of matrix products in f32, in 10^9 operations a second.
    pub product_gflops_f32: f64,
    /// None: this version computes products in f32 everywhere.
    pub product_gflops_bf16: Option<f64>,
    /// Whether the processor multiplies bf16 numbers by itself.
    pub native_bf16: bool,
    /// Bytes read from memory, in 10^9 a second.
    pub memory_bandwidth_gb_per_second: f64,
    /// Memory of the machine or the container.
    pub memory_total_bytes: Option<u64>,
    /// What of it a new process may take.
    pub memory_free_bytes: Option<u64>,
    /// Free room where the program was started.
    pub disk_free_bytes: Option<u64>,
    /// Names of GPUs.
    pub gpus: Vec<String>,
    /// This version trains on the processor only.
    pub gpus_used: bool,
}
