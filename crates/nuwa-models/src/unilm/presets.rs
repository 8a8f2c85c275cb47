use crate::Preset;

/// Dong et al. 2019: BERT's large size, and its base size, which the authors published too.
pub const PRESETS: &[Preset] = &[of("unilm-base", [12, 768, 12]), of("unilm-large", [24, 1024, 16])];

const fn of(name: &'static str, sizes: [usize; 3]) -> Preset {
    Preset::new(name, sizes, 512, &[]).at(3e-5).in_batches_of(330 * 512)
}
