use crate::Preset;

/// Zaremba et al. 2014, on the Penn Treebank with 10,000 words, unrolled for 35 steps, 20 texts side by side.
pub const PRESETS: &[Preset] = &[of("lstm-medium", 650), of("lstm-large", 1500)];

const fn of(name: &'static str, width: usize) -> Preset {
    Preset::new(name, [2, width, 1], 35, &[]).untied().in_batches_of(35 * 20)
}
