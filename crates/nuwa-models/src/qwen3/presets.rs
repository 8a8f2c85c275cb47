use crate::Preset;

/// Yang et al. 2025, Table 1, by its `config.json`, with the context of its first training.
pub const PRESETS: &[Preset] = &[
    of("qwen3-0.6b", [28, 1024, 16], 8, &[r#"{"intermediate_size": 3072}"#, ALL]),
    of("qwen3-1.7b", [28, 2048, 16], 8, &[r#"{"intermediate_size": 6144}"#, ALL]),
    of("qwen3-4b", [36, 2560, 32], 8, &[r#"{"intermediate_size": 9728}"#, ALL]),
    of("qwen3-8b", [36, 4096, 32], 8, &[r#"{"intermediate_size": 12288}"#, ALL]).untied(),
    of("qwen3-14b", [40, 5120, 40], 8, &[r#"{"intermediate_size": 17408}"#, ALL]).untied(),
    of("qwen3-32b", [64, 5120, 64], 8, &[r#"{"intermediate_size": 25600}"#, ALL]).untied(),
];

/// What all sizes have.
const ALL: &str = r#"{"head_dim": 128, "rms_norm_eps": 1e-6, "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}}"#;

type Fields = &'static [&'static str];

const fn of(name: &'static str, sizes: [usize; 3], kv_heads: usize, fields: Fields) -> Preset {
    Preset::new(name, sizes, 4096, fields).grouped(kv_heads)
}
