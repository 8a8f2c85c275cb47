//! Weights in the format of llama2.c.
#![no_main]

use nuwa_fuzz::Files;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let files = Files::new(&[("model.bin", bytes)]);
    let _ = nuwa_format::import(&files.path("model.bin"), &files.folder().join("out"));
});
