use crate::Preset;

/// Radford et al. 2019, Table 2; 512 texts of 1,024 tokens a step. The rates were tuned by hand and are not told.
pub const PRESETS: &[Preset] = &[
    of("gpt2", [12, 768, 12]),
    of("gpt2-medium", [24, 1024, 16]),
    of("gpt2-large", [36, 1280, 20]),
    of("gpt2-xl", [48, 1600, 25]),
];

const fn of(name: &'static str, sizes: [usize; 3]) -> Preset {
    Preset::new(name, sizes, 1024, &[]).in_batches_of(512 * 1024)
}
