use crate::Preset;

/// Jiang et al. 2023, Table 1.
pub const PRESETS: &[Preset] =
    &[Preset::new("mistral-7b", [32, 4096, 32], 8192, &[MISTRAL_7B]).grouped(8).untied()];

const MISTRAL_7B: &str = r#"{"intermediate_size": 14336, "sliding_window": 4096}"#;
