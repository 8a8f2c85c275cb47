use crate::Preset;

/// Jiang et al. 2024, Table 1.
pub const PRESETS: &[Preset] =
    &[Preset::new("mixtral-8x7b", [32, 4096, 32], 32_768, &[MIXTRAL_8X7B]).grouped(8).untied()];

const MIXTRAL_8X7B: &str = r#"{"intermediate_size": 14336, "num_local_experts": 8, "num_experts_per_tok": 2,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}}"#;
