use crate::Preset;

/// Brown et al. 2020, Table 2.1. Two rows of it do not fit themselves: of the 24 heads of 128 in the model of 1.3 billion 16 fill
/// its width, and a width of 5,140 has no 40 heads, 5,120 has. The band is not told; 256 is GPT-Neo's.
pub const PRESETS: &[Preset] = &[
    of("gpt3-125m", [12, 768, 12], 6.0e-4, 500_000),
    of("gpt3-350m", [24, 1024, 16], 3.0e-4, 500_000),
    of("gpt3-760m", [24, 1536, 16], 2.5e-4, 500_000),
    of("gpt3-1.3b", [24, 2048, 16], 2.0e-4, 1_000_000),
    of("gpt3-2.7b", [32, 2560, 32], 1.6e-4, 1_000_000),
    of("gpt3-6.7b", [32, 4096, 32], 1.2e-4, 2_000_000),
    of("gpt3-13b", [40, 5120, 40], 1.0e-4, 2_000_000),
    of("gpt3-175b", [96, 12_288, 96], 0.6e-4, 3_200_000),
];

const fn of(name: &'static str, sizes: [usize; 3], rate: f32, batch: u64) -> Preset {
    Preset::new(name, sizes, 2048, &[r#"{"window_size": 256}"#]).at(rate).in_batches_of(batch)
}
