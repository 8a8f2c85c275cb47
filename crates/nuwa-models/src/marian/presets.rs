use crate::Preset;

/// Vaswani et al. 2017. The rate is the highest of their schedule, `1 / sqrt(d warm-up)` with a warm-up of 4000 steps; 25,000 tokens
/// of sources and as many of answers a step.
pub const PRESETS: &[Preset] =
    &[of("transformer-base", [12, 512, 8]).at(6.99e-4), of("transformer-big", [12, 1024, 16]).at(4.94e-4)];

const fn of(name: &'static str, sizes: [usize; 3]) -> Preset {
    Preset::new(name, sizes, 512, &[]).in_batches_of(50_000)
}
