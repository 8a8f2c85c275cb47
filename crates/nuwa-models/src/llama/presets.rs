use crate::Preset;

/// Touvron et al. 2023, Table 2; Llama 3 (Grattafiori et al. 2024, Table 3) with the context of its first training; TinyLlama
/// (Zhang et al. 2024); SmolLM2 (Ben Allal et al. 2025) by its `config.json`.
pub const PRESETS: &[Preset] = &[
    first("llama-7b", [32, 4096, 32], &[r#"{"intermediate_size": 11008}"#, FIRST], 3.0e-4),
    first("llama-13b", [40, 5120, 40], &[r#"{"intermediate_size": 13824}"#, FIRST], 3.0e-4),
    first("llama-30b", [60, 6656, 52], &[r#"{"intermediate_size": 17920}"#, FIRST], 1.5e-4),
    first("llama-65b", [80, 8192, 64], &[r#"{"intermediate_size": 22016}"#, FIRST], 1.5e-4),
    Preset::new("tinyllama-1.1b", [22, 2048, 32], 2048, &[r#"{"intermediate_size": 5632}"#])
        .grouped(4)
        .untied()
        .at(4.0e-4)
        .in_batches_of(2_000_000),
    third("llama3-8b", [32, 4096, 32], &[r#"{"intermediate_size": 14336}"#, THIRD], 3.0e-4),
    third("llama3-70b", [80, 8192, 64], &[r#"{"intermediate_size": 28672}"#, THIRD], 1.5e-4),
    Preset::new("smollm2-135m", [30, 576, 9], 2048, &[r#"{"intermediate_size": 1536}"#]).grouped(3),
    Preset::new("smollm2-360m", [32, 960, 15], 2048, &[r#"{"intermediate_size": 2560}"#]).grouped(5),
    Preset::new("smollm2-1.7b", [24, 2048, 32], 2048, &[r#"{"intermediate_size": 8192}"#]),
];

/// What all sizes of a generation have.
const FIRST: &str = r#"{"rms_norm_eps": 1e-6}"#;
const THIRD: &str = r#"{"rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}}"#;

type Fields = &'static [&'static str];

const fn first(name: &'static str, sizes: [usize; 3], fields: Fields, rate: f32) -> Preset {
    Preset::new(name, sizes, 2048, fields).untied().at(rate).in_batches_of(4_000_000)
}

const fn third(name: &'static str, sizes: [usize; 3], fields: Fields, rate: f32) -> Preset {
    Preset::new(name, sizes, 8192, fields).grouped(8).untied().at(rate)
}
