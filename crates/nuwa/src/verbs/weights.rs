use std::path::Path;

use clap::{Args, ValueEnum};
use nuwa_infer::Engine;
use nuwa_tensor::Kind;

/// In what numbers a model is kept while it writes.
#[derive(Debug, Args)]
pub struct WeightArguments {
    /// What weights are kept in: auto is what the file holds, bf16 takes half the memory of f32 and is read faster; bf16 also
    /// keeps the key-value cache in bf16
    #[arg(long, value_name = "KIND", value_enum, default_value_t)]
    precision: WeightPrecision,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum WeightPrecision {
    #[default]
    Auto,
    F32,
    Bf16,
}

impl WeightArguments {
    /// The kind of number; none where the file decides.
    pub fn kind(&self) -> Option<Kind> {
        match self.precision {
            WeightPrecision::Auto => None,
            WeightPrecision::F32 => Some(Kind::F32),
            WeightPrecision::Bf16 => Some(Kind::Bf16),
        }
    }

    /// Reads the model in `folder`.
    pub fn load(&self, folder: &Path) -> anyhow::Result<Engine> {
        Ok(Engine::load_in(folder, self.kind())?)
    }
}
