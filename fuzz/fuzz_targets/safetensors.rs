//! Model folders: the first two bytes say how long the configuration is, the rest are weights.
#![no_main]

use nuwa_fuzz::Files;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((length, bytes)) = bytes.split_first_chunk::<2>() else { return };
    let (config, weights) = bytes.split_at(usize::from(u16::from_le_bytes(*length)).min(bytes.len()));
    let files = Files::new(&[("config.json", config), ("model.safetensors", weights)]);
    let _ = nuwa_format::load_model(files.folder());
    let _ = nuwa_format::load_adapter(files.folder());
});
