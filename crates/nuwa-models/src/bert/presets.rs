use crate::Preset;

/// Devlin et al. 2018, and the smaller ones of Turc et al., "Well-Read Students Learn Better" (2019).
pub const PRESETS: &[Preset] = &[
    of("bert-tiny", [2, 128, 2]),
    of("bert-mini", [4, 256, 4]),
    of("bert-small", [4, 512, 8]),
    of("bert-medium", [8, 512, 8]),
    of("bert-base", [12, 768, 12]),
    of("bert-large", [24, 1024, 16]),
];

const fn of(name: &'static str, sizes: [usize; 3]) -> Preset {
    Preset::new(name, sizes, 512, &[]).at(1e-4).in_batches_of(256 * 512)
}
