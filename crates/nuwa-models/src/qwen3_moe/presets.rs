use crate::Preset;

/// Yang et al. 2025, Table 2, by its `config.json`, with the context of its first training.
pub const PRESETS: &[Preset] =
    &[Preset::new("qwen3-30b-a3b", [48, 2048, 32], 4096, &[QWEN3_30B_A3B]).grouped(4).untied()];

const QWEN3_30B_A3B: &str = r#"{"head_dim": 128, "intermediate_size": 6144, "moe_intermediate_size": 768, "num_experts": 128,
    "num_experts_per_tok": 8, "rms_norm_eps": 1e-6, "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}}"#;
