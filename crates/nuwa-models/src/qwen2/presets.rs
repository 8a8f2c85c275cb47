use crate::Preset;

/// Qwen2.5 (Yang et al. 2024, Table 1), by its `config.json`, with the context of its first training.
pub const PRESETS: &[Preset] = &[
    of("qwen2.5-0.5b", [24, 896, 14], 2, &[r#"{"intermediate_size": 4864}"#, ALL]),
    of("qwen2.5-1.5b", [28, 1536, 12], 2, &[r#"{"intermediate_size": 8960}"#, ALL]),
    of("qwen2.5-3b", [36, 2048, 16], 2, &[r#"{"intermediate_size": 11008}"#, ALL]),
    of("qwen2.5-7b", [28, 3584, 28], 4, &[r#"{"intermediate_size": 18944}"#, ALL]).untied(),
    of("qwen2.5-14b", [48, 5120, 40], 8, &[r#"{"intermediate_size": 13824}"#, ALL]).untied(),
    of("qwen2.5-32b", [64, 5120, 40], 8, &[r#"{"intermediate_size": 27648}"#, ALL]).untied(),
    of("qwen2.5-72b", [80, 8192, 64], 8, &[r#"{"intermediate_size": 29568}"#, ALL]).untied(),
];

/// What all sizes have.
const ALL: &str =
    r#"{"rms_norm_eps": 1e-6, "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}}"#;

type Fields = &'static [&'static str];

const fn of(name: &'static str, sizes: [usize; 3], kv_heads: usize, fields: Fields) -> Preset {
    Preset::new(name, sizes, 4096, fields).grouped(kv_heads)
}
