use std::path::Path;

use clap::{Args, ValueEnum};
use nuwa_infer::Engine;
use nuwa_tensor::DType;

/// In which dtype a model is kept while it writes.
#[derive(Debug, Args)]
pub struct WeightArguments {
    /// Dtype of weights and KV cache: auto is the file's own; bf16 needs half the memory of f32 and
    /// decodes faster
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

    /// The same, of a model that is told the language of its texts, by its number.
    pub fn load_in_language(&self, folder: &Path, language: Option<u32>) -> anyhow::Result<Engine> {
        Ok(Engine::load_in_language(folder, self.dtype(), language)?)
    }

    /// Reads the model in `folder`, which continues texts or answers sources.
    pub fn load_any(&self, folder: &Path) -> anyhow::Result<Engine> {
        Ok(Engine::load_any(folder, self.dtype())?)
    }
}
