use crate::Preset;

/// Botev et al. 2024, Table 1, and the `config.json` of both; trained on texts of 8,192 tokens.
pub const PRESETS: &[Preset] = &[
    of("recurrentgemma-2b", [26, 2560, 10], &[r#"{"intermediate_size": 15360}"#, WINDOW]),
    of("recurrentgemma-9b", [38, 4096, 16], &[r#"{"intermediate_size": 24576}"#, WINDOW]),
];

const WINDOW: &str = r#"{"attention_window_size": 2048}"#;

const fn of(name: &'static str, sizes: [usize; 3], fields: &'static [&'static str]) -> Preset {
    Preset::new(name, sizes, 8192, fields).grouped(1)
}
