use crate::Preset;

/// Yang et al. 2019.
pub const PRESETS: &[Preset] = &[
    Preset::new("xlnet-base", [12, 768, 12], 512, &[]),
    Preset::new("xlnet-large", [24, 1024, 16], 512, &[]).at(4e-4).in_batches_of(8192 * 512),
];
