use crate::Preset;

/// Raffel et al. 2020, and T5 1.1. Batches of 128 texts of 512 tokens; the rate is that of the Adafactor of its pretraining, of
/// relative steps, which AdamW does not have.
pub const PRESETS: &[Preset] = &[
    of("t5-small", [12, 512, 8], &[r#"{"d_kv": 64, "d_ff": 2048}"#]),
    of("t5-base", [24, 768, 12], &[r#"{"d_kv": 64, "d_ff": 3072}"#]),
    of("t5-large", [48, 1024, 16], &[r#"{"d_kv": 64, "d_ff": 4096}"#]),
    of("t5-3b", [48, 1024, 32], &[r#"{"d_kv": 128, "d_ff": 16384}"#]),
    of("t5-11b", [48, 1024, 128], &[r#"{"d_kv": 128, "d_ff": 65536}"#]),
    of("t5-v1.1-small", [16, 512, 6], &[r#"{"d_kv": 64, "d_ff": 1024}"#]).untied(),
    of("t5-v1.1-base", [24, 768, 12], &[r#"{"d_kv": 64, "d_ff": 2048}"#]).untied(),
    of("t5-v1.1-large", [48, 1024, 16], &[r#"{"d_kv": 64, "d_ff": 2816}"#]).untied(),
    of("t5-v1.1-xl", [48, 2048, 32], &[r#"{"d_kv": 64, "d_ff": 5120}"#]).untied(),
    of("t5-v1.1-xxl", [48, 4096, 64], &[r#"{"d_kv": 64, "d_ff": 10240}"#]).untied(),
];

const fn of(name: &'static str, sizes: [usize; 3], fields: &'static [&'static str]) -> Preset {
    Preset::new(name, sizes, 512, fields).in_batches_of(128 * 512)
}
