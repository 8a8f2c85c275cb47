//! What this machine has, and how fast it is.

pub mod disk;
mod memory;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use nuwa_tensor::{Precision, measure, simd};
use serde::{Deserialize, Serialize};

pub use memory::{free_memory, resident_memory, total_memory};

use crate::numbers::bytes;

/// Facts and measured figures about this machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    pub program_version: String,
    pub system: String,
    pub processor: Option<String>,
    pub cores: usize,
    /// Threads that products and kernels run on.
    pub threads: usize,
    /// The instruction set that the kernels use.
    pub simd: String,
    pub product_gflops_f32: f64,
    /// None: this version computes products in f32 everywhere.
    pub product_gflops_bf16: Option<f64>,
    /// Whether the processor multiplies bf16 numbers by itself.
    pub native_bf16: bool,
    pub memory_bandwidth_gb_per_second: f64,
    pub memory_total_bytes: Option<u64>,
    pub memory_free_bytes: Option<u64>,
    pub disk_free_bytes: Option<u64>,
    pub gpus: Vec<String>,
    /// This version trains on the processor only.
    pub gpus_used: bool,
}

impl Machine {
    /// Looks and measures; takes about a second.
    pub fn measure() -> Self {
        Self {
            program_version: env!("CARGO_PKG_VERSION").into(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            processor: memory::processor(),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            threads: rayon::current_num_threads(),
            simd: simd_name().into(),
            product_gflops_f32: measure::product_speed(Precision::F32) / 1e9,
            product_gflops_bf16: has_native_bf16().then(|| measure::product_speed(Precision::Bf16) / 1e9),
            native_bf16: has_native_bf16(),
            memory_bandwidth_gb_per_second: measure::memory_bandwidth() / 1e9,
            memory_total_bytes: total_memory(),
            memory_free_bytes: free_memory(),
            disk_free_bytes: disk::free(Path::new(".")),
            gpus: gpus(),
            gpus_used: false,
        }
    }

    fn bf16(&self) -> String {
        match self.product_gflops_bf16 {
            Some(speed) => format!("{speed:.0} GFLOP/s"),
            None => "no native bf16; f32 is used".into(),
        }
    }

    fn gpu(&self) -> String {
        match self.gpus.as_slice() {
            [] => "none found".into(),
            names => {
                format!("{} (this version does not use it: it trains on the processor)", names.join(", "))
            }
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |amount: Option<u64>| amount.map_or("unknown".into(), bytes);
        writeln!(out, "nuwa              {} on {}", self.program_version, self.system)?;
        writeln!(out, "processor         {}", self.processor.as_deref().unwrap_or("unknown"))?;
        writeln!(out, "cores             {}, {} threads in use", self.cores, self.threads)?;
        writeln!(out, "instructions      {}", self.simd)?;
        writeln!(out, "products, f32     {:.0} GFLOP/s", self.product_gflops_f32)?;
        writeln!(out, "products, bf16    {}", self.bf16())?;
        writeln!(out, "memory bandwidth  {:.0} GB/s", self.memory_bandwidth_gb_per_second)?;
        let (free, total) = (known(self.memory_free_bytes), known(self.memory_total_bytes));
        writeln!(out, "memory            {free} free of {total}")?;
        writeln!(out, "disk, here        {} free", known(self.disk_free_bytes))?;
        write!(out, "gpu               {}", self.gpu())
    }
}

fn simd_name() -> &'static str {
    match simd::level() {
        simd::Level::Amx => "AVX-512 with bf16 and tile registers (AMX)",
        simd::Level::Avx512Bf16 => "AVX-512 with bf16",
        simd::Level::Avx512 => "AVX-512",
        simd::Level::Avx2 => "AVX2 with fused multiply-add",
        simd::Level::Baseline if cfg!(target_arch = "aarch64") => "NEON",
        simd::Level::Baseline if cfg!(target_arch = "x86_64") => "SSE2",
        simd::Level::Baseline => "portable",
    }
}

#[cfg(target_arch = "x86_64")]
fn has_native_bf16() -> bool {
    std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(target_arch = "aarch64")]
fn has_native_bf16() -> bool {
    std::arch::is_aarch64_feature_detected!("bf16")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn has_native_bf16() -> bool {
    false
}

/// Names of NVIDIA GPUs, from the driver's tables or from its own tool.
fn gpus() -> Vec<String> {
    let tables = fs::read_dir("/proc/driver/nvidia/gpus").into_iter().flatten().flatten();
    let named = tables.filter_map(|entry| {
        let text = fs::read_to_string(entry.path().join("information")).ok()?;
        Some(text.lines().find_map(|line| line.strip_prefix("Model:"))?.trim().to_string())
    });
    let names: Vec<String> = named.collect();
    if names.is_empty() { gpus_by_tool().unwrap_or_default() } else { names }
}

fn gpus_by_tool() -> Option<Vec<String>> {
    let answer =
        Command::new("nvidia-smi").args(["--query-gpu=name", "--format=csv,noheader"]).output().ok()?;
    if !answer.status.success() {
        return None;
    }
    Some(String::from_utf8_lossy(&answer.stdout).lines().map(|line| line.trim().to_string()).collect())
}
