//! What this machine has, and how fast it is.

pub mod disk;
mod memory;

use std::fs;
use std::path::Path;
use std::process::Command;

use nuwa_report::numbers::bytes;
use nuwa_report::records::Machine;
use nuwa_tensor::{Precision, measure, simd};

pub use memory::{free_memory, resident_memory, total_memory};

/// Looks and measures; takes about a second.
pub fn measured() -> Machine {
    Machine {
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

/// The figures as a table for a terminal.
pub fn text(machine: &Machine) -> String {
    let known = |amount: Option<u64>| amount.map_or("unknown".into(), bytes);
    let (free, total) = (known(machine.memory_free_bytes), known(machine.memory_total_bytes));
    let rows = [
        ("nuwa", format!("{} on {}", machine.program_version, machine.system)),
        ("processor", machine.processor.clone().unwrap_or_else(|| "unknown".into())),
        ("cores", format!("{}, {} threads in use", machine.cores, machine.threads)),
        ("instructions", machine.simd.clone()),
        ("products, f32", format!("{:.0} GFLOP/s", machine.product_gflops_f32)),
        ("products, bf16", bf16(machine)),
        ("memory bandwidth", format!("{:.0} GB/s", machine.memory_bandwidth_gb_per_second)),
        ("memory", format!("{free} free of {total}")),
        ("disk, here", format!("{} free", known(machine.disk_free_bytes))),
        ("gpu", gpu(machine)),
    ];
    rows.map(|(name, value)| format!("{name:<18}{value}")).join("\n")
}

fn bf16(machine: &Machine) -> String {
    match machine.product_gflops_bf16 {
        Some(speed) => format!("{speed:.0} GFLOP/s"),
        None => "no native bf16; f32 is used".into(),
    }
}

fn gpu(machine: &Machine) -> String {
    match machine.gpus.as_slice() {
        [] => "none found".into(),
        names => format!("{} (this version does not use it: it trains on the processor)", names.join(", ")),
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
