use std::path::Path;

use clap::{Args, ValueEnum};
use nuwa_infer::Engine;
use nuwa_tensor::DType;

/// In which dtype a model is kept while it writes.
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
    /// The dtype; none where the file decides.
    pub fn dtype(&self) -> Option<DType> {
        match self.precision {
            WeightPrecision::Auto => None,
            WeightPrecision::F32 => Some(DType::F32),
            WeightPrecision::Bf16 => Some(DType::Bf16),
        }
    }

    /// Reads the model in `folder`.
    pub fn load(&self, folder: &Path) -> anyhow::Result<Engine> {
        Ok(Engine::load_in(folder, self.dtype())?)
    }
}
