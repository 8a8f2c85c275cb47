//! `gguf` of `crates/nuwa-fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuwa_fuzz::run("gguf", bytes));
