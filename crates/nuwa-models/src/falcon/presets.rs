use crate::Preset;

/// Almazrouei et al. 2023, by their `config.json`; RW 1B (Penedo et al. 2023) has sequential blocks with biases, ALiBi, and keys
/// and values for each head.
pub const PRESETS: &[Preset] = &[
    Preset::new("falcon-rw-1b", [24, 2048, 32], 2048, &[REFINED_WEB]),
    Preset::new("falcon-7b", [32, 4544, 71], 2048, &[]).grouped(1),
    Preset::new("falcon-40b", [60, 8192, 128], 2048, &[]).grouped(8),
    Preset::new("falcon-180b", [80, 14_848, 232], 2048, &[]).grouped(8),
];

const REFINED_WEB: &str = r#"{"multi_query": false, "parallel_attn": false, "alibi": true, "bias": true}"#;
