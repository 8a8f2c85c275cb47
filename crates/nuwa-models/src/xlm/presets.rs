use crate::Preset;

/// Lample & Conneau 2019, by the names of their published weights; the number of languages is that of the text.
pub const PRESETS: &[Preset] = &[
    Preset::new("xlm-mlm-ende-1024", [6, 1024, 8], 512, &[]).at(1e-4).in_batches_of(64 * 256),
    Preset::new("xlm-mlm-xnli15-1024", [12, 1024, 8], 512, &[]).at(1e-4).in_batches_of(64 * 256),
];
