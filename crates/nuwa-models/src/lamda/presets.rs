use crate::Preset;

/// Thoppilan et al. 2022. It tells the widths of heads and feed-forward layer of the largest alone; with 64 and 8 times the
/// model width the others have as many weights as they are named after.
pub const PRESETS: &[Preset] = &[
    of("lamda-2b", [10, 2560, 40], &[r#"{"d_kv": 64, "d_ff": 20480}"#]),
    of("lamda-8b", [16, 4096, 64], &[r#"{"d_kv": 64, "d_ff": 32768}"#]),
    of("lamda-137b", [64, 8192, 128], &[r#"{"d_kv": 128, "d_ff": 65536}"#]),
];

const fn of(name: &'static str, sizes: [usize; 3], fields: &'static [&'static str]) -> Preset {
    Preset::new(name, sizes, 2048, fields).untied().in_batches_of(256_000)
}
