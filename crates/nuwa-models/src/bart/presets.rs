use crate::Preset;

/// Lewis et al. 2019: batches of 8000 texts.
pub const PRESETS: &[Preset] = &[of("bart-base", [12, 768, 12]), of("bart-large", [24, 1024, 16])];

const fn of(name: &'static str, sizes: [usize; 3]) -> Preset {
    Preset::new(name, sizes, 1024, &[]).in_batches_of(8000 * 512)
}
